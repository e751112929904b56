"""Bytes that are sent to the HTTP server of the exporter, a real one on loopback.

An input is sent as it is. A health check follows on the same connection, so that an unfinished head gets an end. Each
input gets a response other than a server error, or a closed connection, and scrapes keep working.
"""

import asyncio
import gzip
import logging
import re
from random import Random
from typing import Any, Final

from exporter.exposition.text_format import Format
from tests.fuzz.targets import AnyBytes
from tests.support.web_server import Served, publish, serving

MOST_BYTES: Final = 3 * 8192
"""Inputs can have a line longer than the 8190 bytes that the server accepts."""
WAIT_SECONDS: Final = 5.0
"""How long to wait for a response on a busy machine; computing has the limit of every target."""
TAIL: Final = b"\r\n\r\nGET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SCRAPE: Final = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
FINE: Final = frozenset({*range(200, 500), 503})
_STATUS: Final = re.compile(rb"HTTP/[0-9]\.[0-9] ([0-9]{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")

_METHODS: Final = (
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PATCH",
    b"get",
    b"PRI",
    b"X" * 40,
)
_PATHS: Final = (
    *(
        b"/",
        b"/metrics",
        b"/-/healthy",
        b"/-/ready",
        b"/-/reload",
        b"/-/",
        b"*",
        b"//metrics",
        b"/metrics/../metrics",
        b"/%6detrics",
        b"/metrics%00",
    ),
    *(
        b"http://x/metrics",
        b"https://[::1]:0/metrics",
        b"http://[/metrics",
        b"x:1",
        b"/metrics?" + b"a=b&" * 30,
        b"/metrics#x",
        b"/\xff",
    ),
    *(
        b"/" + b"a" * 3000,
        b"/" + b"a" * 9000,
        b"/%",
        b"/%zz",
        b"/\x7f",
        b"?",
        b"/metrics;x",
        b"/%F0%9F%98%80",
        b"/%ED%A0%80",
        b"http://%zz/",
        b"///",
    ),
)
_HEADERS: Final = (
    *(
        b"Host: x",
        b"Host:",
        b"Host: [",
        b"Host: a\xff",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: Upgrade",
    ),
    *(
        b"Upgrade: websocket",
        b"Upgrade: h2c",
        b"HTTP2-Settings: x",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: eA==",
        b"Range: bytes=0-1",
    ),
    *(
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Content-Length: 1, 1",
    ),
    *(
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: x",
        b"TE: trailers",
        b"Trailer: x",
    ),
    *(
        b"Content-Encoding: gzip",
        b"Content-Encoding: deflate",
        b"Content-Encoding: br",
        b"Content-Type: multipart/form-data; boundary=",
    ),
    *(
        b"Expect: 100-continue",
        b"Expect: x",
        b"Accept: */*",
        b"Accept: " + b"text/plain;" * 50,
        b"Accept:",
        b"Accept: \xff\xfe",
    ),
    *(
        b"Accept: application/openmetrics-text;version=1.0.0",
        b"Accept-Encoding: gzip",
        b"Accept-Encoding: gzip;q=0",
        b"Accept-Encoding: identity",
    ),
    *(
        b"If-Modified-Since: x",
        b"Cookie: a=b; c",
        b"Cookie: " + b"=" * 500,
        b"Authorization: Basic x",
        b": x",
        b"a b: c",
        b" x: y",
        b"x",
        b"\x00: 1",
    ),
    *(
        b"X: " + b"y" * 3000,
        b"X" * 3000 + b": y",
        b"X: " + b"y" * 8185,
        b"X: " + b"y" * 9000,
        b"Forwarded: for=x;",
        b"X-Forwarded-Proto: x",
    ),
)
_BODIES: Final = (
    b"",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"hello",
    b"z\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"1;x=y\r\na\r\n0\r\nX: y\r\n\r\n",
    b"\x1f\x8b\x08",
)
_VERSIONS: Final = (
    b"HTTP/1.1",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/1.2",
    b"http/1.1",
    b"",
    b"HTTP/11",
)
WORDS: Final = tuple(
    piece.decode("latin-1")
    for piece in (*_METHODS, *_PATHS, *_HEADERS, *_VERSIONS, b"\r\n", b"\r\n\r\n")
    if piece and piece.isascii() and len(piece) < 60
)


class _Watch(logging.Handler):
    """Records what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


class _Server:
    """The server, which runs as long as the process, and the checks of it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._watch = _Watch()
        self._failures: list[Any] = []
        self._loop.set_exception_handler(lambda _, context: self._failures.append(context))
        logging.getLogger().addHandler(self._watch)
        self._context = serving()
        self._served: Served = self._loop.run_until_complete(self._context.__aenter__())
        publish(self._served.store, 3, 20, 3)
        self._page = b"".join(self._served.store.pages[Format.TEXT].text()[1])
        self._page += self._served.telemetry.exposition(Format.TEXT)

    def check(self, data: bytes) -> None:
        """Send `data`, and check the response, the log, and a scrape."""
        try:
            self._loop.run_until_complete(self._check(data))
            assert not self._watch.records, self._watch.records[0]
            assert not self._failures, self._failures[0]
        finally:
            self._watch.records.clear()
            self._failures.clear()

    async def _check(self, data: bytes) -> None:
        answer = await self._answer(data + TAIL)
        statuses = [int(match[1]) for match in _STATUS.finditer(answer)]
        assert not answer or statuses, answer[:300]
        assert all(status in FINE or status == 100 for status in statuses), answer[:300]
        head, _, body = (await self._answer(SCRAPE)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert gzip.decompress(body) == self._page

    async def _answer(self, data: bytes) -> bytes:
        """Send, and read until the connection is closed or a response other than `100 Continue` has arrived."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._served.port)
        answer = b""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                writer.write(data)
                while piece := await reader.read(2**16):
                    answer += piece
                    if data is not SCRAPE and any(match[1] != b"100" for match in _STATUS.finditer(answer)):
                        break
        except ConnectionError:  # the server closed it before everything was sent
            pass
        except TimeoutError:
            raise AssertionError(f"neither an answer nor a closed connection, only {answer!r}") from None
        finally:
            writer.transport.abort()
        return answer


_servers: Final[list[_Server]] = []


def check(data: bytes) -> None:
    """Send an input to the server, which the first call starts."""
    if not _servers:
        _servers.append(_Server())
    _servers[0].check(data)


def mutate(data: bytes, most_bytes: int, random: Random, any_bytes: AnyBytes) -> bytes:
    """Change the request line, headers or the body, or add a request."""
    head, end, body = data.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    match random.randrange(6):
        case 0:
            parts = [random.choice(_METHODS), random.choice(_PATHS), random.choice(_VERSIONS)]
            old = first.split(b" ", 2)
            first = b" ".join(
                new if random.random() < 0.5 else before for new, before in zip(parts, [*old, *parts][:3], strict=True)
            )
        case 1 | 2:
            headers.insert(random.randint(0, len(headers)), random.choice(_HEADERS))
        case 3 if headers:
            place = random.randrange(len(headers))
            headers[place : place + 1] = random.choice(
                ((), (any_bytes(headers[place], 200),), (headers[place],) * random.choice((2, 300)))
            )
        case 4:
            body = random.choice(_BODIES)
        case _:
            body += b"\r\n".join((b"GET /metrics HTTP/1.1", *random.choices(_HEADERS, k=3), b"", b""))
    changed = b"\r\n".join((first, *headers)) + (end or b"\r\n\r\n") + body
    return changed if len(changed) <= most_bytes else any_bytes(data, most_bytes)
