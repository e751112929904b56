"""What clients may take up: how many are answered at a time, for how long, and how large a request may be."""

import asyncio
import resource
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final

from aiohttp import web
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from exporter.web.access_log import client_name

DEFAULT_REQUESTS: Final = 40
"""As node_exporter's."""
_WAITING: Final = 256
_UNLIMITED_REQUESTS: Final = 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Limits(Struct, frozen=True):
    """The limits of a web server.

    `requests`: how many are answered at a time, 0: no limit. `answer_seconds`: after that an answer that is still not
    taken is cut off. Prometheus looks back five minutes, so scrape intervals end at two, and a scrape_timeout is no
    longer than its interval. It also bounds the memory: of what has been published, slow readers keep no more alive
    than the versions of this time.

    `line_bytes`, `field_bytes`, `fields`, `head_bytes`: of a request's target, of one header, of their number, and of
    the head as a whole. `head_seconds`: from a connection, or from a request's first byte on a kept one, to the end of
    its head; also for a TLS handshake. `idle_seconds`: between requests; Prometheus lets go of a connection after five
    minutes (IdleConnTimeout of its HTTP client), so that it is not closed while a scrape is on its way.
    """

    requests: int = DEFAULT_REQUESTS
    answer_seconds: float = 120.0
    line_bytes: int = 4 * 1024
    field_bytes: int = 8 * 1024
    fields: int = 64
    head_bytes: int = 32 * 1024
    head_seconds: float = 10.0
    idle_seconds: float = 360.0

    @property
    def connections(self) -> int:
        """How many may be open: those being answered and some that wait, but half of the file descriptors at most.

        The other half is for the polls.
        """
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = (self.requests or _UNLIMITED_REQUESTS) + _WAITING
        return wanted if descriptors == resource.RLIM_INFINITY else min(wanted, descriptors // 2)


class Places:
    """The places for requests: beyond `limits.requests` the answer is 503, as promhttp gives it.

    Requests for `free` paths take none: whoever asks for the health is answered however many scrape.
    """

    def __init__(self, limits: Limits, *, free: Collection[str], log: FilteringBoundLogger) -> None:
        self._limits = limits
        self._free = free
        self._log = log
        self.taken = 0

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let `handler` answer where there is a place, until the whole answer has gone out."""
        if request.rel_url.raw_path in self._free:
            return await handler(request)
        if 0 < self._limits.requests <= self.taken:
            text = f"Limit of concurrent requests reached ({self._limits.requests}), try again later.\n"
            return web.Response(status=503, text=text)
        self.taken += 1
        end = asyncio.get_running_loop().call_later(self._limits.answer_seconds, self._cut_off, request)
        try:
            response = await handler(request)
            with suppress(ConnectionError):  # who has gone away is no error of ours
                await response.prepare(request)
                await response.write_eof()
        finally:
            end.cancel()
            self.taken -= 1
        return response

    def _cut_off(self, request: web.Request) -> None:
        if request.transport is not None:
            self._log.info(
                "answer_cut_off",
                client=client_name(request.remote),
                path=request.rel_url.raw_path,
                after_seconds=self._limits.answer_seconds,
            )
            request.transport.abort()
