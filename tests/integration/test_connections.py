"""Clients that send too much, too slowly, nothing, or no HTTP, over real sockets."""

import asyncio
import errno
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from types import FrameType

import psutil
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.web.limits import Limits
from tests.support.raw_servers import DEADLINE_SECONDS, until
from tests.support.web_server import GET, LOOPBACK, Served, publish, serving, shrink

HEALTH = GET.replace(b"/metrics", b"/-/healthy")


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
    """Give what comes until the connection ends."""
    answer = b""
    try:
        while piece := await reader.read(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer.decode()


def refusal(answer: str) -> tuple[str, dict[str, str], str]:
    """Give status, headers and body; where there is no request yet, aiohttp answers in HTTP/1.0, which ends there."""
    head, _, body = answer.partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert line.startswith("HTTP/1.0 ") or headers.pop("Connection") == "close"
    headers.pop("Date", None)
    return line.partition(" ")[2], headers, body


def problems(served: Served) -> list[str]:
    return [line["event"] for line in served.logged if line["log_level"] not in ("debug", "info")]


# What is no request, or too large a one


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, id="target"),
        pytest.param(b"GET /" + b"a" * 5000, 414, id="target without end"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
            431,
            id="header",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000, 431, id="endless"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 80 + b"\r\n",
            431,
            id="headers",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"y" * 4000 + b"\r\n") * 9,
            431,
            id="head",
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS"),
        pytest.param(b"nonsense\r\n\r\n", 400, id="nonsense"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", 400, id="version"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", 400, id="no header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX: \x1b[31m\r\nEvil\x00: \ny\r\n\r\n", 400, id="controls"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            id="two lengths",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, id="negative"),
    ],
)
async def test_a_request_that_cannot_be_answered(request_bytes: bytes, status: int) -> None:
    async with serving() as served:
        async with connected(served) as (reader, writer):
            writer.write(request_bytes)
            answer = await everything(reader)
        phrase = HTTPStatus(status).phrase  # some are others in other versions of Python
        text = f"{status}: {phrase}"
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(text)),
            "Server": "vspark-exporter",
        }
        assert refusal(answer) == (f"{status} {phrase}", headers, text)
        assert (await served.ask("/-/healthy"))[0] == 200
    assert problems(served) == []
    (line,) = [line for line in served.logged if line["event"] == "bad_request"]
    assert line["client"] == "127.0.0.1"
    assert line.keys() == {"event", "log_level", "client", "error"}
    assert line["error"] in ("LineTooLong", "BadHttpMessage", "BadStatusLine", "BadHttpMethod", "InvalidHeader", phrase)


@pytest.mark.parametrize("end", [b"\x01", b"\0x", b"A" * 9000, b"A" * 3000 + b"\r\nX: " + b"A" * 9000])
async def test_a_password_in_a_broken_header_is_not_told(end: bytes) -> None:
    async with serving() as served, connected(served) as (reader, writer):
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Basic canary" + end + b"\r\n\r\n")
        assert "canary" not in await everything(reader)
    assert "bad_request" in repr(served.logged)
    assert "canary" not in repr(served.logged)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    start=st.sampled_from([b"", b"GET / HTTP/1.1\r\n", HEALTH[:-2], HEALTH, b"POST / HTTP/1.1\r\nHost: x\r\n"]),
    rest=st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [
                    *(
                        b"Transfer-Encoding: chunked\r\n",
                        b"Content-Length: 5\r\n",
                        b"\r\n",
                        b"5\r\nabcde\r\n",
                        b"0\r\n\r\n",
                    ),
                    *(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"Expect: 100-continue\r\n", b"Expect: x\r\n"),
                    *(
                        b"xyz\r\n",
                        b"Connection: close\r\n",
                        b"Content-Encoding: gzip\r\n",
                        HEALTH,
                        b"CONNECT x:1 HTTP/1.1\r\n",
                    ),
                ]
            ),
            max_size=8,
        ).map(b"".join),
    ),
)
def test_whatever_is_sent_is_no_error_of_ours(start: bytes, rest: bytes) -> None:
    async def send() -> None:
        async with serving(limits=Limits(head_seconds=0.02, idle_seconds=0.02)) as served:
            async with connected(served) as (reader, writer):
                writer.write(start + rest)
                answer = await everything(reader)
            assert (await served.ask("/-/healthy"))[0] == 200
            await until(lambda: served.connections == 0)
        assert problems(served) == []
        assert answer == "" or answer.startswith("HTTP/1.")

    asyncio.run(send())


# Those who wait


async def test_a_connection_without_a_request_is_closed() -> None:
    async with serving(limits=Limits(head_seconds=0.1)) as served, connected(served) as (reader, _):
        assert await everything(reader) == ""
        await until(lambda: served.connections == 0)


@pytest.mark.parametrize("part", [b"G", b"GET /metrics HTTP/1.1\r\n", GET[:-2]])
async def test_half_a_head_is_answered_with_408(part: bytes) -> None:
    async with serving(limits=Limits(head_seconds=0.1)) as served, connected(served) as (reader, writer):
        writer.write(part)
        assert "408: Request Timeout" in await everything(reader)
        await until(lambda: served.connections == 0)
    assert problems(served) == []


async def test_a_head_that_trickles_in_is_not_waited_for_longer() -> None:
    """The answer may get lost, where the client sends on after it."""
    async with serving(limits=Limits(head_seconds=0.3)) as served, connected(served) as (_, writer):
        await until(lambda: served.connections == 1)
        sent = 0
        with suppress(ConnectionError):
            while served.connections:
                writer.write(b"GET /metrics HTTP/1.1\r\nX: "[sent : sent + 1] or b"a")
                await writer.drain()
                sent += 1
                await asyncio.sleep(0.01)
        await until(lambda: served.connections == 0)
        assert 3 < sent < 1000
    assert [line["error"] for line in served.logged if line["event"] == "bad_request"] == ["Request Timeout"]


async def test_a_kept_connection_is_closed_after_a_while() -> None:
    async with serving(limits=Limits(idle_seconds=0.2)) as served, connected(served) as (reader, writer):
        for _ in range(3):
            writer.write(HEALTH)
            assert (await reader.readuntil(b"Healthy.\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await everything(reader) == ""


async def test_half_a_head_on_a_kept_connection() -> None:
    async with serving(limits=Limits(head_seconds=0.2)) as served, connected(served) as (reader, writer):
        writer.write(HEALTH)
        await reader.readuntil(b"Healthy.\n")
        writer.write(GET[:-2])
        assert "408: Request Timeout" in await everything(reader)


async def test_a_kept_connection_outlives_the_time_for_a_head() -> None:
    async with serving(limits=Limits(head_seconds=0.1)) as served, connected(served) as (reader, writer):
        writer.write(HEALTH)
        await reader.readuntil(b"Healthy.\n")
        async with connected(served) as (other, _):
            assert await everything(other) == ""  # so more than that time has passed
        writer.write(HEALTH)
        await reader.readuntil(b"Healthy.\n")


# Those who are many


async def test_who_has_waited_longest_makes_room() -> None:
    async with serving(limits=Few()) as served:
        first = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(5)]
        await until(lambda: served.connections == 5)
        first[0][1].write(HEALTH)
        await first[0][0].readuntil(b"Healthy.\n")
        assert (await served.ask("/-/healthy"))[0] == 200
        assert await everything(first[1][0]) == ""
        first[0][1].write(HEALTH)
        await first[0][0].readuntil(b"Healthy.\n")
        for _, writer in first:
            writer.transport.abort()


class Few(Limits, frozen=True):
    """Limits that are those of a machine with very few file descriptors."""

    @property
    def connections(self) -> int:
        return 5


async def test_hundreds_of_connections_leave_room_for_a_scrape() -> None:
    async with serving() as served:
        publish(served.store, 3, 10, 3)
        flood = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(400)]
        assert served.connections <= served.web._limits.connections
        assert (await served.ask("/metrics"))[0] == 200
        for _, writer in flood:
            writer.transport.abort()
    assert problems(served) == []


@contextmanager
def loop_not_held(seconds: int) -> Iterator[None]:
    """Break what runs after so many seconds, even where it never lets the event loop go on."""

    def hit(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("the event loop is held")

    before = signal.signal(signal.SIGALRM, hit)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


async def test_a_socket_that_accepts_no_more_does_not_keep_the_others() -> None:
    async with serving(LOOPBACK, LOOPBACK) as served:
        opened = served.web._acceptor
        listener, accepting = opened._accepting[1]
        with loop_not_held(5):
            listener.shutdown(socket.SHUT_RDWR)  # from now on accept fails with EINVAL
            await until(lambda: problems(served) != [] or accepting.done())
            assert not accepting.done()
            for _ in range(10):
                assert (await served.ask("/-/healthy"))[0] == 200
    told = [line for line in served.logged if line["event"] == "cannot_accept"]
    assert [line["error"] for line in told] == ["invalid argument"]


async def test_what_fails_of_one_connection_only_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as served:
        loop = asyncio.get_running_loop()
        accept, failures = loop.sock_accept, [ConnectionAbortedError(errno.ECONNABORTED, "gone")] * 100

        async def fail_first(listener: socket.socket) -> object:
            if failures:
                raise failures.pop()
            return await accept(listener)

        monkeypatch.setattr(loop, "sock_accept", fail_first)
        assert (await served.ask("/-/healthy"))[0] == 200  # takes the accept that had begun before
        assert (await served.ask("/-/healthy"))[0] == 200
        assert failures == []
    assert problems(served) == []


# Bodies and pipelines


@pytest.mark.parametrize("encoding", [b"Content-Length: 1000000000000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_an_endless_body(encoding: bytes, method: bytes) -> None:
    async with serving(limits=Limits(requests=1)) as served, connected(served) as (reader, writer):
        writer.write(b"%s /metrics HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (method, encoding))
        answered = await reader.readuntil(b"\r\n\r\n")
        assert answered.startswith(b"HTTP/1.1 200 OK" if method == b"GET" else b"HTTP/1.1 405 Method Not Allowed")
        assert (await served.ask("/metrics"))[0] == 200  # its place is free
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        sent = 0
        try:
            while served.connections:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
        except ConnectionError:
            pass
        await until(lambda: served.connections == 0)
    assert problems(served) == []


async def test_many_requests_in_one_go() -> None:
    async with serving() as served, connected(served) as (reader, writer):
        writer.write(HEALTH * 500)
        for _ in range(500):
            await reader.readuntil(b"Healthy.\n")
        writer.write(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert (await everything(reader)).endswith("Healthy.\n")


@asynccontextmanager
async def asking_without_end(served: Served, request_bytes: bytes) -> AsyncIterator[None]:
    """Send requests, as long as they are read, and read no answer."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.settimeout(0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = served.connections
        await loop.sock_connect(client, ("127.0.0.1", served.port))
        opened = served.web._acceptor
        await until(lambda: served.connections > before and all(each.established for each in opened._open))
        shrink(served)

        async def ask() -> None:
            with suppress(ConnectionError):
                while True:
                    await loop.sock_sendall(client, request_bytes * 500)

        task = asyncio.create_task(ask())
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("path", [b"/metrics", b"/-/healthy", b"/nowhere"])
async def test_answers_that_are_not_taken_do_not_pile_up(path: bytes) -> None:
    """Each fits into what the transport takes at once; one after the other they would fill the memory."""
    request_bytes = GET.replace(b"/metrics", path)
    async with serving(limits=Limits(response_seconds=1.0)) as served, asking_without_end(served, request_bytes):
        largest = 0
        while served.connections:
            largest = max(largest, served.buffered)
            await asyncio.sleep(0.005)
        assert 30_000 < largest < 200_000
    assert problems(served) == []


async def test_who_takes_no_answers_makes_room() -> None:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(limits=Few()))
        for _ in range(5):
            await stack.enter_async_context(asking_without_end(served, HEALTH))
        # Each has been full; Python 3.12 and newer go on sending then, to the quarter below which they are filled anew.
        await until(lambda: served.buffered > 5 * 65536 // 4)
        assert (await served.ask("/-/healthy"))[0] == 200
        assert served.connections <= 5


async def test_an_upgrade_that_is_not_offered() -> None:
    async with serving() as served, connected(served) as (reader, writer):
        writer.write(HEALTH[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + HEALTH)
        for _ in range(2):
            assert b"200 OK" in await reader.readuntil(b"Healthy.\n")


# Encrypted


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def contexts(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Give those of a server and of a client."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@asynccontextmanager
async def serving_tls(server: ssl.SSLContext, limits: Limits) -> AsyncIterator[Served]:
    async with serving(LOOPBACK, limits=limits, tls=server) as served:
        yield served


async def test_a_handshake_that_does_not_end(authority: trustme.CA) -> None:
    server, client = contexts(authority)
    async with serving_tls(server, Limits(head_seconds=0.5)) as served:
        async with connected(served) as (reader, writer):
            await until(lambda: served.connections == 1)
            writer.write(b"\x16\x03\x01\x02\x00\x01")
            async with connected(served, client) as (other, asking):
                asking.write(HEALTH)
                assert b"200 OK" in await other.readuntil(b"Healthy.\n")
            assert await everything(reader) == ""
        await until(lambda: served.connections == 0)
    assert problems(served) == []


async def test_handshakes_make_room_too(authority: trustme.CA) -> None:
    server, client = contexts(authority)
    async with serving_tls(server, Few()) as served:
        waiting = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(8)]
        async with connected(served, client) as (reader, writer):
            writer.write(HEALTH)
            assert b"200 OK" in await reader.readuntil(b"Healthy.\n")
        assert served.connections <= 5
        for _, other in waiting:
            other.transport.abort()
        await until(lambda: served.connections == 0)


@asynccontextmanager
async def asking_encrypted(served: Served, client: ssl.SSLContext, times: int) -> AsyncIterator[None]:
    """Five clients that have asked so many times in one go, and read no answer."""
    async with AsyncExitStack() as stack:
        for _ in range(5):
            _, writer = await stack.enter_async_context(connected(served, client))
            assert isinstance(writer.transport, asyncio.Transport)
            writer.transport.pause_reading()
            writer.write(HEALTH * times)
        yield


@pytest.mark.parametrize("times", [1000, 50_000])
async def test_who_asks_without_end_makes_room_encrypted(authority: trustme.CA, times: int) -> None:
    server, client = contexts(authority)
    async with serving_tls(server, Few()) as served, asking_encrypted(served, client, times):
        assert served.connections == 5
        async with connected(served, client) as (reader, writer):
            writer.write(HEALTH)
            assert b"200 OK" in await reader.readuntil(b"Healthy.\n")
            assert served.buffered < 5 * 200_000
    assert problems(served) == []


async def test_silent_connections_to_an_encrypted_port_do_not_fill_the_memory(authority: trustme.CA) -> None:
    server, _ = contexts(authority)
    process = psutil.Process(os.getpid())
    async with serving_tls(server, Limits()) as served:
        before = process.memory_info().rss
        silent = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(290)]
        await until(lambda: served.connections == 290)
        held = process.memory_info().rss - before
        for _, writer in silent:
            writer.transport.abort()
    assert held < 50_000_000


async def test_what_is_told_of_an_encrypted_connection_that_is_closed(authority: trustme.CA) -> None:
    """asyncio's transport answers no question any more, once it has been closed twice."""
    server, client = contexts(authority)
    async with serving_tls(server, Limits()) as served, connected(served, client):
        await until(lambda: served.connections == 1)
        (connection,) = served.web._acceptor._open
        await until(lambda: connection.established)
        wire = connection.transport
        assert wire is not None
        wire.close()
        wire.close()
        connection.log_exception("gone", exc_info=ConnectionResetError())
        request = make_mocked_request("GET", "/metrics")
        connection.log_access(request, web.Response(), 0.0)
    assert served.logged[0] == {
        "event": "bad_request",
        "log_level": "debug",
        "client": "127.0.0.1",
        "error": "ConnectionResetError",
    }


async def test_a_handshake_does_not_keep_it_from_stopping(authority: trustme.CA) -> None:
    server, _ = contexts(authority)
    async with serving_tls(server, Limits()) as served, connected(served) as (reader, _):
        await until(lambda: served.connections == 1)
        async with asyncio.timeout(5):
            await served.web.stop()
            assert await everything(reader) == ""


async def test_half_a_head_encrypted(authority: trustme.CA) -> None:
    server, client = contexts(authority)
    async with serving_tls(server, Limits(head_seconds=0.3)) as served:
        async with connected(served, client) as (reader, writer):
            writer.write(GET[:-2])
            assert "408: Request Timeout" in await everything(reader)
        await until(lambda: served.connections == 0)


async def test_no_tls_where_tls_is_spoken(authority: trustme.CA) -> None:
    server, _ = contexts(authority)
    async with serving_tls(server, Limits()) as served:
        async with connected(served) as (reader, writer):
            writer.write(GET)
            await everything(reader)
        await until(lambda: served.connections == 0)
    assert problems(served) == []
    assert [line["event"] for line in served.logged] == ["handshake_failed"]
