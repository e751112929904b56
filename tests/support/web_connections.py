"""Clients of the web server on loopback that send bytes of their own, with and without TLS."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import trustme

from exporter.web.limits import Limits
from tests.support.raw_servers import DEADLINE_SECONDS, until
from tests.support.web_server import GET, Served, shrink

HEALTH = GET.replace(b"/metrics", b"/-/healthy")


class Few(Limits, frozen=True):
    """The limits on a machine with very few file descriptors."""

    @property
    def connections(self) -> int:
        return 5


@asynccontextmanager
async def connected(
    served: Served, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", served.port, ssl=tls, server_hostname="localhost" if tls is not None else None
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield reader, writer
    finally:
        writer.transport.abort()


async def everything(reader: asyncio.StreamReader) -> str:
    """Return all that arrives until the connection ends."""
    received = b""
    try:
        while piece := await reader.read(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received.decode()


def problems(served: Served) -> list[str]:
    """Return the events that were logged above level info."""
    return [line["event"] for line in served.logged if line["log_level"] not in ("debug", "info")]


@asynccontextmanager
async def pipelining(served: Served, request_bytes: bytes) -> AsyncIterator[None]:
    """Send requests for as long as the server reads them, and read no response."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.settimeout(0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = served.connections
        await loop.sock_connect(client, ("127.0.0.1", served.port))
        opened = served.web._acceptor
        await until(lambda: served.connections > before and all(each.established for each in opened._open))
        shrink(served)

        async def send() -> None:
            with suppress(ConnectionError):
                while True:
                    await loop.sock_sendall(client, request_bytes * 500)

        task = asyncio.create_task(send())
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def contexts(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server and of a client."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@asynccontextmanager
async def pipelining_encrypted(served: Served, client: ssl.SSLContext, times: int) -> AsyncIterator[None]:
    """Run five clients that send so many requests at once, and read no response."""
    async with AsyncExitStack() as stack:
        for _ in range(5):
            _, writer = await stack.enter_async_context(connected(served, client))
            assert isinstance(writer.transport, asyncio.Transport)
            writer.transport.pause_reading()
            writer.write(HEALTH * times)
        yield
