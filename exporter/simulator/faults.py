"""The faults between a client and V-Spark, each of them real on the wire."""

import asyncio
import socket
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import Self

from aiohttp import web
from yarl import URL

_MIB = 1 << 20
_A_MOMENT_SECONDS = 0.02
_TEXTS = {
    400: "Invalid token was provided",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Company not found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_LOGIN = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form>Password</form></body></html>"


class _Kind(Enum):
    SLOW = auto()
    RESET = auto()
    ANSWER = auto()
    ECHO = auto()
    REDIRECT = auto()
    CHUNKED = auto()
    TRUNCATED = auto()
    RAW = auto()
    UNASKED = auto()


class End(Enum):
    """How `Fault.raw` ends the connection after the last byte."""

    CLOSE = auto()
    RESET = auto()
    HANG = auto()
    """Keep it open until the client closes it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. The class methods create them, and describe what a client sees."""

    kind: _Kind
    code: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str = "text/html"
    headers: tuple[tuple[str, str], ...] = ()
    delay_seconds: float | None = None
    script: tuple[bytes | float, ...] = field(default=(), repr=False)
    end: End = End.CLOSE

    @classmethod
    def slow(cls, seconds: float | None = None) -> Self:
        """Send nothing, not even headers, for `seconds`, then respond as usual; None: send nothing at all."""
        return cls(_Kind.SLOW, delay_seconds=seconds)

    @classmethod
    def reset(cls) -> Self:
        """Reset the connection (TCP RST) instead of responding."""
        return cls(_Kind.RESET)

    @classmethod
    def status(cls, code: int, *, retry_after_seconds: int | None = None) -> Self:
        """Respond with this status and V-Spark's text, for 400 that of a wrong token, for 404 of an unknown company."""
        headers = () if retry_after_seconds is None else (("Retry-After", str(retry_after_seconds)),)
        return cls(_Kind.ANSWER, code, _TEXTS.get(code, "Failed").encode(), headers=headers)

    @classmethod
    def answer(
        cls,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "text/html",
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Respond with exactly this."""
        return cls(_Kind.ANSWER, status, body, content_type, tuple((headers or {}).items()))

    @classmethod
    def redirect(cls) -> Self:
        """Redirect to a login page (302), with the requested URL and its token as a parameter."""
        return cls(_Kind.REDIRECT, 302)

    @classmethod
    def garbage(cls) -> Self:
        """Respond with bytes that are neither JSON nor UTF-8."""
        return cls(_Kind.ANSWER, body=b"\x93\x00\xff\xfe V-Spark \x80\x81")

    @classmethod
    def html(cls) -> Self:
        """Respond with status 200 and the HTML page of a proxy that shows the requested URL and its token."""
        return cls(_Kind.ECHO, body=b"<!DOCTYPE html><html><body><h1>Sorry</h1><p>%(url)s is away.</p></body></html>")

    @classmethod
    def error_json(cls) -> Self:
        """Respond with status 200 and a JSON object whose error text repeats the token."""
        return cls(_Kind.ECHO, body=b'{"error":"Invalid token was provided: %(token)s"}')

    @classmethod
    def empty(cls) -> Self:
        """Respond with an empty list: no calls, which is a success."""
        return cls(_Kind.ANSWER, body=b"[]")

    @classmethod
    def truncated(cls) -> Self:
        """Respond with half of a JSON list and the Content-Length of all of it, then close the connection."""
        return cls(_Kind.TRUNCATED, body=b'[{"date":"20261123","folder":"Test01","calls":12},')

    @classmethod
    def bad_gzip(cls) -> Self:
        """Respond with `Content-Encoding: gzip` and a body that is not gzip."""
        return cls(_Kind.ANSWER, body=b"[] is not gzip", headers=(("Content-Encoding", "gzip"),))

    @classmethod
    def gzip_bomb(cls, size_bytes: int = 256 * _MIB) -> Self:
        """Respond with a small gzip body that unpacks to an empty JSON list of this size, in whole MiB."""
        return cls(_Kind.ANSWER, body=_bomb(size_bytes // _MIB), headers=(("Content-Encoding", "gzip"),))

    @classmethod
    def oversized(cls, size_bytes: int = 65 * _MIB) -> Self:
        """Respond with an empty JSON list of this size, in chunks, so that no Content-Length announces it."""
        return cls(_Kind.CHUNKED, body=b"[" + b" " * (size_bytes - 2) + b"]")

    @classmethod
    def raw(cls, *script: bytes | float, end: End = End.CLOSE) -> Self:
        """Write exactly these bytes to the connection instead of a response, with pauses in seconds, then `end` it."""
        return cls(_Kind.RAW, script=script, end=end)

    @classmethod
    def unasked(cls, body: bytes, late: bytes) -> Self:
        """Respond with `body`, and a moment later send `late` on the same connection without a request."""
        return cls(_Kind.UNASKED, body=body, script=(late,))


async def respond(fault: Fault, request: web.Request) -> web.StreamResponse | None:
    """Respond with a fault; return None if the usual response has to follow.

    A fault may hang until the client disconnects, so the server has to cancel the handlers of closed connections.
    """
    response: web.StreamResponse | None = None
    match fault.kind:
        case _Kind.SLOW:
            await _hang(fault.delay_seconds)
        case _Kind.RESET:
            _reset(request)
            await _hang(None)
        case _Kind.ANSWER:
            response = web.Response(
                status=fault.code, body=fault.body, content_type=fault.content_type, headers=dict(fault.headers)
            )
        case _Kind.REDIRECT:
            location = URL("/login").with_query(next=str(request.url))
            response = web.Response(status=fault.code, headers={"Location": str(location)})
        case _Kind.ECHO:
            echoed = {b"url": str(request.url).encode(), b"token": request.query.get("token", "").encode()}
            response = web.Response(body=fault.body % echoed, content_type=fault.content_type)
        case _Kind.CHUNKED:
            response = await _stream(fault, request)
        case _Kind.TRUNCATED:
            response = await _truncate(fault, request)
        case _Kind.RAW:
            await _send_raw(fault, request)
        case _Kind.UNASKED:
            response = web.Response(body=fault.body, content_type=fault.content_type)
            asyncio.get_running_loop().call_later(_A_MOMENT_SECONDS, _write_unasked, fault, request)
    return response


async def login(_request: web.Request) -> web.Response:
    """Respond with the page that `Fault.redirect` redirects to."""
    return web.Response(body=_LOGIN, content_type="text/html")


async def _hang(seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(seconds)


def _reset(request: web.Request) -> None:
    if request.transport is None:
        return
    # With a linger time of 0, the kernel sends RST instead of FIN.
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


def _write(request: web.Request, data: bytes) -> None:
    if request.transport is not None:
        request.transport.write(data)


def _write_unasked(fault: Fault, request: web.Request) -> None:
    for part in fault.script:
        if isinstance(part, bytes):
            _write(request, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(part), part))


async def _send_raw(fault: Fault, request: web.Request) -> None:
    for part in fault.script:
        if isinstance(part, bytes):
            _write(request, part)
        else:
            await asyncio.sleep(part)
    if fault.end is End.RESET:
        _reset(request)
    elif fault.end is End.CLOSE and request.transport is not None:
        request.transport.close()
    await _hang(None)


async def _stream(fault: Fault, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=fault.code, headers={"Content-Type": fault.content_type})
    with suppress(ConnectionError):  # a client may leave at any time
        await response.prepare(request)
        for start in range(0, len(fault.body), _MIB):
            await response.write(fault.body[start : start + _MIB])
        await response.write_eof()
    return response


async def _truncate(fault: Fault, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=fault.code, headers={"Content-Type": fault.content_type})
    response.content_length = 2 * len(fault.body)
    response.force_close()
    with suppress(ConnectionError):  # a client may leave at any time
        await response.prepare(request)
        await response.write(fault.body)
    return response


@cache
def _bomb(mebibytes: int) -> bytes:
    """Return a gzip member of "[", this many MiB of spaces, and "]"; only one MiB is compressed.

    After a full flush, compressed data refers to nothing before it, so that the same compressed MiB can be repeated.
    """
    spaces = b" " * _MIB
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = deflate.compress(b"[") + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(spaces) + deflate.flush(zlib.Z_FULL_FLUSH)
    last = deflate.compress(b"]") + deflate.flush()
    checksum = zlib.crc32(b"[")
    for _ in range(mebibytes):
        checksum = zlib.crc32(spaces, checksum)
    checksum = zlib.crc32(b"]", checksum)
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return header + first + again * mebibytes + last + struct.pack("<II", checksum, (mebibytes * _MIB + 2) % 2**32)
