"""Servers on loopback that send exactly the given bytes, a proxy, and clients for them."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from exporter.config.schema import Tls, Vspark
from exporter.config.targets import Target
from exporter.config.tokens import LiteralToken
from exporter.config.units import Duration, Size
from exporter.errors import PollError
from exporter.vspark.client import Client
from exporter.vspark.mapped_bodies import MappedBodies

CANARY = "canary/T0k€n+%26&=ü"
"""A token of characters that encodings change."""
CANARY_IN_URL = "canary%2FT0k%E2%82%ACn%2B%2526%26%3D%C3%BC"
TARGET = Target("Co", "Co-Org", None, None, 60.0, 300.0, LiteralToken(CANARY))

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Reply = bytes | Conversation
"""These bytes, after which the connection is kept, or whatever the function does."""

DEADLINE_SECONDS = 10.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def answer(body: bytes = b"[]", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/html", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes, headers: Sequence[str] = ()) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers]
    parts = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b"")]
    return "\r\n".join([*lines, "", ""]).encode() + b"".join(parts)


def then_close(data: bytes) -> Conversation:
    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return reply


def then_hang(data: bytes = b"") -> Conversation:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await reader.read()

    return reply


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    plain: socket.socket = writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Pauses(list[float]):
    """A sleep that takes no time and records its lengths."""

    async def __call__(self, seconds: float) -> None:
        self.append(float(seconds))
        await asyncio.sleep(0)


class Observed(list[tuple[str, float]]):
    """What a client reports of its attempts."""

    def __call__(self, code: str, seconds: float) -> None:
        self.append((code, seconds))

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self]


def client_of(
    url: str | int,
    *,
    timeout_seconds: float = 5.0,
    limit_bytes: int = 1024 * 1024,
    tls: Tls | None = None,
    concurrency: int = 2,
    observe: Callable[[str, float], None] | None = None,
    sleep: Callable[[float], Awaitable[None]] | None = None,
    bodies: MappedBodies | None = None,
) -> Client:
    """Return a client of the V-Spark at `url`, or on this port of loopback."""
    vspark = Vspark(
        url=f"http://127.0.0.1:{url}" if isinstance(url, int) else url,
        timeout_seconds=Duration(timeout_seconds),
        max_response_bytes=Size(limit_bytes),
        tls=tls or Tls(),
    )
    return Client(
        vspark,
        concurrency=concurrency,
        observe=Observed() if observe is None else observe,
        bodies=bodies,
        sleep=Pauses() if sleep is None else sleep,
    )


async def failure_of(client: Client, target: Target = TARGET, day: date | None = None) -> tuple[str, str]:
    """Return class, reason and message of the error that a poll ends with."""
    async with client:
        try:
            body = await client.fetch(target, day)
        except PollError as error:
            return f"{type(error).__name__} {error.reason}", str(error)
    raise AssertionError(f"a response: {body!r}")


@dataclass(frozen=True)
class Request:
    line: str
    headers: dict[str, str]


async def read_request(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    return Request(line, dict(field.split(": ", 1) for field in fields))


@dataclass
class Server:
    """Sends its n-th reply to its n-th request, and the last reply to all after that."""

    port: int = 0
    connections: int = 0
    gone: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [request.line for request in self.requests]


class Listener:
    """Runs `serve` for every connection, and closes those that are open at the end."""

    def __init__(
        self,
        serve: Conversation,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._serve = serve
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._one(reader, writer))
        self._tasks.add(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, EOFError):
                await self._serve(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            while not writer.is_closing():
                request = await read_request(reader)
                server.requests.append(request)
                reply = replies[min(len(server.requests), len(replies)) - 1]
                if isinstance(reply, bytes):
                    writer.write(reply)
                    await writer.drain()
                else:
                    await reply(reader, writer)
        finally:
            server.gone += 1

    async with Listener(serve, tls) as listener:
        server.port = listener.port
        yield server


@asynccontextmanager
async def proxying(*, refusal: bytes | None = None) -> AsyncIterator[Server]:
    """A forward proxy: CONNECT makes a tunnel, an absolute URL is passed on; `refusal` is sent instead."""
    proxy = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.connections += 1
        request = await read_request(reader)
        proxy.requests.append(request)
        if refusal is not None:
            writer.write(refusal)
            return
        method, target, version = request.line.split(" ")
        authority, _, path = target.removeprefix("http://").partition("/")
        host, port = authority.split(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            far_writer.write(f"{method} /{path} {version}\r\nHost: {authority}\r\n\r\n".encode())
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.close()
            with suppress(OSError):
                await far_writer.wait_closed()

    async with Listener(serve) as listener:
        proxy.port = listener.port
        yield proxy


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()
