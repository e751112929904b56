"""Ways in which the connection to V-Spark breaks for everybody, each of them real."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import trustme

from exporter.simulator import Simulator
from tests.integration.faults.scene import Scene, server_context

NAME = "v-spark.test"
"""A name that has the address that `Names` says."""
_NO_NAME = ".".join(["a" * 60] * 5)
"""Too long for any name: refused by the resolver without asking a name server."""
_NO_ROUTE = "255.255.255.255"
"""To where no TCP connection leads, whatever the machine's network is."""
_BACKLOG = 8


class Names:
    """The resolver of the operating system, with an address of our choice for one name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.address = "127.0.0.1"
        self._resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, port: int, family: int = 0, kind: int = 0, proto: int = 0, _flags: int = 0) -> Any:
        # Without the flag for addresses that the machine has too: loopback counts for none.
        return self._resolve(self.address if host == NAME else host, port, family, kind, proto)

    def change(self, scene: Scene, address: str) -> None:
        """Let the name have another address, and let no old one be known."""
        self.address = address
        connector = scene.client._session.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        connector.clear_dns_cache()


@asynccontextmanager
async def outage(kind: str, scene: Scene, authority: trustme.CA, names: Names) -> AsyncIterator[None]:
    """Break the connection while the block runs."""
    await scene.simulator.stop()
    async with AsyncExitStack() as stack:
        certificates = {
            "another host's": lambda: authority.issue_cert("10.0.0.1"),
            "expired": lambda: authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)),
            "an unknown CA's": lambda: trustme.CA().issue_cert("127.0.0.1"),
        }
        if kind in certificates:
            await _stand_in(stack, scene, server_context(certificates[kind]()))
        elif kind == "plain":
            await _stand_in(stack, scene, None)
        elif kind == "dropped":
            _drop_packets(stack, scene.simulator.port)
        elif kind in ("dns", "unreachable"):
            names.change(scene, _NO_NAME if kind == "dns" else _NO_ROUTE)
        yield
        names.change(scene, "127.0.0.1")
    await scene.simulator.start()


async def _stand_in(stack: AsyncExitStack, scene: Scene, context: Any) -> None:
    """Let another server have the port."""
    await stack.enter_async_context(Simulator(scene.simulator.site, port=scene.simulator.port, ssl_context=context))


def _drop_packets(stack: AsyncExitStack, port: int) -> None:
    """Listen without accepting: when the queue is full, the kernel drops new connections."""
    listener = stack.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(0)
    for _ in range(_BACKLOG):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)  # noqa: FBT003 # the standard library's signature
        waiting.connect_ex(("127.0.0.1", port))
