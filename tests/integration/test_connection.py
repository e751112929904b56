"""What a connection does with clients that send too much, too slowly, nothing, or no HTTP, over real sockets."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.web.limits import Limits
from tests.support.raw_servers import until
from tests.support.web_connections import HEALTH, connected, contexts, everything, pipelining, problems
from tests.support.web_server import GET, LOOPBACK, serving


def error_response(response: str) -> tuple[str, dict[str, str], str]:
    """Return status, headers and body. Before there is a request, aiohttp responds in HTTP/1.0."""
    head, _, body = response.partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert line.startswith("HTTP/1.0 ") or headers.pop("Connection") == "close"
    headers.pop("Date", None)
    return line.partition(" ")[2], headers, body


# Requests that are not valid or too large


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
async def test_a_request_that_cannot_be_served(request_bytes: bytes, status: int) -> None:
    async with serving() as served:
        async with connected(served) as (reader, writer):
            writer.write(request_bytes)
            response = await everything(reader)
        phrase = HTTPStatus(status).phrase  # some are others in other versions of Python
        text = f"{status}: {phrase}"
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(text)),
            "Server": "vspark-exporter",
        }
        assert error_response(response) == (f"{status} {phrase}", headers, text)
        assert (await served.ask("/-/healthy"))[0] == 200
    assert problems(served) == []
    (line,) = [line for line in served.logged if line["event"] == "bad_request"]
    assert line["client"] == "127.0.0.1"
    assert line.keys() == {"event", "log_level", "client", "error"}
    assert line["error"] in ("LineTooLong", "BadHttpMessage", "BadStatusLine", "BadHttpMethod", "InvalidHeader", phrase)


@pytest.mark.parametrize("end", [b"\x01", b"\0x", b"A" * 9000, b"A" * 3000 + b"\r\nX: " + b"A" * 9000])
async def test_a_password_in_a_broken_header_is_not_logged(end: bytes) -> None:
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
def test_nothing_that_is_sent_is_logged_as_an_error(start: bytes, rest: bytes) -> None:
    async def send() -> None:
        async with serving(limits=Limits(head_seconds=0.02, idle_seconds=0.02)) as served:
            async with connected(served) as (reader, writer):
                writer.write(start + rest)
                response = await everything(reader)
            assert (await served.ask("/-/healthy"))[0] == 200
            await until(lambda: served.connections == 0)
        assert problems(served) == []
        assert response == "" or response.startswith("HTTP/1.")

    asyncio.run(send())


# Waiting for the client


async def test_a_connection_without_a_request_is_closed() -> None:
    async with serving(limits=Limits(head_seconds=0.1)) as served, connected(served) as (reader, _):
        assert await everything(reader) == ""
        await until(lambda: served.connections == 0)


@pytest.mark.parametrize("part", [b"G", b"GET /metrics HTTP/1.1\r\n", GET[:-2]])
async def test_half_a_head_gets_status_408(part: bytes) -> None:
    async with serving(limits=Limits(head_seconds=0.1)) as served, connected(served) as (reader, writer):
        writer.write(part)
        assert "408: Request Timeout" in await everything(reader)
        await until(lambda: served.connections == 0)
    assert problems(served) == []


async def test_a_head_that_trickles_in_gets_no_more_time() -> None:
    """The response may get lost, because the client continues to send."""
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


async def test_an_idle_connection_is_closed_after_a_while() -> None:
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


# Bodies and pipelines


@pytest.mark.parametrize("encoding", [b"Content-Length: 1000000000000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_an_endless_body(encoding: bytes, method: bytes) -> None:
    async with serving(limits=Limits(requests=1)) as served, connected(served) as (reader, writer):
        writer.write(b"%s /metrics HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (method, encoding))
        received = await reader.readuntil(b"\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 200 OK" if method == b"GET" else b"HTTP/1.1 405 Method Not Allowed")
        assert (await served.ask("/metrics"))[0] == 200  # it no longer counts
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


@pytest.mark.parametrize("path", [b"/metrics", b"/-/healthy", b"/nowhere"])
async def test_responses_that_are_not_received_do_not_pile_up(path: bytes) -> None:
    """Each fits into the buffer of the transport; together they would fill the memory."""
    request_bytes = GET.replace(b"/metrics", path)
    async with serving(limits=Limits(response_seconds=1.0)) as served, pipelining(served, request_bytes):
        largest = 0
        while served.connections:
            largest = max(largest, served.buffered)
            await asyncio.sleep(0.005)
        assert 30_000 < largest < 200_000
    assert problems(served) == []


async def test_an_upgrade_that_is_not_supported() -> None:
    async with serving() as served, connected(served) as (reader, writer):
        writer.write(HEALTH[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + HEALTH)
        for _ in range(2):
            assert b"200 OK" in await reader.readuntil(b"Healthy.\n")


# Encrypted


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_the_client_of_an_encrypted_connection_is_logged_after_it_is_closed(authority: trustme.CA) -> None:
    """asyncio's transport no longer knows its peer once it has been closed twice."""
    server, client = contexts(authority)
    async with serving(LOOPBACK, tls=server, limits=Limits()) as served, connected(served, client):
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


async def test_half_a_head_encrypted(authority: trustme.CA) -> None:
    server, client = contexts(authority)
    async with serving(LOOPBACK, tls=server, limits=Limits(head_seconds=0.3)) as served:
        async with connected(served, client) as (reader, writer):
            writer.write(GET[:-2])
            assert "408: Request Timeout" in await everything(reader)
        await until(lambda: served.connections == 0)
