"""Name lookups that can be seen while they last, and after they failed."""

import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult


class Resolver(ThreadedResolver):
    """Resolves names in threads.

    aiohttp shares a lookup among requests, and lets it last when a request gives up. So a request that gives up cannot
    tell by its exception that it was waiting for an address. `unresolved` is the name that has none: it is still being
    resolved, which `pending` says, or that has failed. All requests of a client need the same name.
    """

    unresolved = ""
    pending = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host; raises OSError."""
        self.unresolved, self.pending = host, True
        try:
            addresses = await super().resolve(host, port, family)
        finally:
            self.pending = False
        self.unresolved = ""
        return addresses
