"""Every fault of the simulated V-Spark on the wire, and the changes that are possible while it runs."""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
import trustme

from exporter.simulator import Company, End, Fault, Folder, Org, Simulator, Site

SITE = Site((Company("DocTestCo", "doc-token", (Org("DocTestCo-Org", "UTC", (Folder("Test01", 0),)),)),))
TARGET = ("DocTestCo", "DocTestCo-Org")
PATH = "/stats/DocTestCo/DocTestCo-Org"
DEADLINE_SECONDS = 20


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(SITE) as simulator:
        yield simulator


async def get(sim: Simulator, path: str = PATH) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and the raw body, without decompressing it."""
    async with (
        aiohttp.ClientSession(sim.url, auto_decompress=False) as session,
        session.get(path, params={"token": "doc-token"}, allow_redirects=False) as response,
    ):
        return response.status, dict(response.headers), await response.read()


async def raw(sim: Simulator) -> bytes:
    """Return every byte until the simulator closes the connection; raise ConnectionResetError if it resets it."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection(sim.host, sim.port)
        try:
            writer.write(f"GET {PATH}?token=doc-token HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return await reader.read()
        finally:
            writer.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Fault.status(400), 400, b"Invalid token was provided"),
        (Fault.status(401), 401, b"Unauthorized"),
        (Fault.status(403), 403, b"Forbidden"),
        (Fault.status(404), 404, b"Company not found"),
        (Fault.status(500), 500, b"Internal Server Error"),
        (Fault.status(503), 503, b"Service Unavailable"),
        (Fault.garbage(), 200, b"\x93\x00\xff\xfe V-Spark \x80\x81"),
        (Fault.error_json(), 200, b'{"error":"Invalid token was provided: doc-token"}'),
        (Fault.empty(), 200, b"[]"),
    ],
)
async def test_an_answer(sim: Simulator, fault: Fault, status: int, body: bytes) -> None:
    sim.fail(*TARGET, fault=fault)
    found_status, headers, found_body = await get(sim)
    assert (found_status, headers["Content-Type"], found_body) == (status, "text/html", body)


async def test_an_answer_with_headers_of_its_own(sim: Simulator) -> None:
    later = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    sim.fail(*TARGET, fault=Fault.answer(b"later", status=503, content_type="text/plain", headers=later))
    status, headers, body = await get(sim)
    assert (status, headers["Content-Type"], headers["Retry-After"], body) == (
        503,
        "text/plain",
        "Wed, 21 Oct 2026 07:28:00 GMT",
        b"later",
    )


async def test_too_many_requests(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.status(429, retry_after_seconds=7))
    status, headers, body = await get(sim)
    assert (status, headers["Retry-After"], body) == (429, "7", b"Too Many Requests")


async def test_a_redirect_to_a_login_page(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.redirect())
    status, headers, _ = await get(sim)
    assert status == 302
    assert headers["Location"] == f"/login?next={sim.url}{PATH}?token%3Ddoc-token"
    status, headers, body = await get(sim, "/login")
    assert (status, headers["Content-Type"], body[:15]) == (200, "text/html", b"<!DOCTYPE html>")


async def test_a_page_that_shows_the_url(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.html())
    status, _, body = await get(sim)
    page = f"<!DOCTYPE html><html><body><h1>Sorry</h1><p>{sim.url}{PATH}?token=doc-token is away.</p></body></html>"
    assert (status, body.decode()) == (200, page)


async def test_a_reset(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.reset())
    with pytest.raises(ConnectionResetError):
        await raw(sim)


async def test_a_truncated_body(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.truncated())
    with pytest.raises(aiohttp.ClientPayloadError):
        await get(sim)
    head, _, body = (await raw(sim)).partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 100\r\n" in head
    assert body == b'[{"date":"20261123","folder":"Test01","calls":12},'


async def test_a_body_that_is_not_gzip(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.bad_gzip())
    status, headers, body = await get(sim)
    assert (status, headers["Content-Encoding"], body) == (200, "gzip", b"[] is not gzip")


async def test_a_gzip_bomb(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.gzip_bomb(4 * 2**20))
    _, headers, body = await get(sim)
    assert headers["Content-Encoding"] == "gzip"
    assert len(body) < 8192
    assert gzip.decompress(body) == b"[" + b" " * 4 * 2**20 + b"]"
    one_member = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert len(one_member.decompress(body)) == 4 * 2**20 + 2


async def test_an_oversized_body_that_does_not_say_so(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.oversized(3 * 2**20))
    _, headers, body = await get(sim)
    assert "Content-Length" not in headers
    assert headers["Transfer-Encoding"] == "chunked"
    assert (len(body), body.strip(b"[] ")) == (3 * 2**20, b"")


async def test_a_slow_answer_comes_in_the_end(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.slow(0.1))
    loop = asyncio.get_running_loop()
    begin = loop.time()
    status, _, body = await get(sim)
    assert (status, gzip.decompress(body)) == (200, b"[]")
    assert loop.time() - begin >= 0.1


async def test_hanging_ends_when_the_client_goes_or_the_simulator_stops(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.slow())
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await get(sim)
    assert len(sim.requests) == 1
    async with asyncio.timeout(DEADLINE_SECONDS):
        await until(lambda: not asyncio.all_tasks() - before)
        waiting = asyncio.create_task(raw(sim))
        await until(lambda: len(sim.requests) == 2)
        await sim.stop()
        assert await waiting == b""


async def test_a_fault_is_of_one_target_only(sim: Simulator) -> None:
    sim.fail(*TARGET, "Test01", fault=Fault.status(500))
    assert [(await get(sim, path))[0] for path in (PATH, PATH + "/Test01")] == [200, 500]
    sim.heal(*TARGET, "Test01")
    assert (await get(sim, PATH + "/Test01"))[0] == 200


async def test_any_bytes_and_then_the_end(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.raw(b"SSH-2.0\r\n", 0.01, b"?"))
    assert await raw(sim) == b"SSH-2.0\r\n?"
    sim.fail(*TARGET, fault=Fault.raw(b"HTTP/1.1", 0.01, end=End.RESET))
    with pytest.raises(ConnectionResetError):
        await raw(sim)


async def test_any_bytes_and_then_nothing(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.raw(b"HTTP/1.1 200 OK\r\n", end=End.HANG))
    reader, writer = await asyncio.open_connection(sim.host, sim.port)
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    writer.close()
    await writer.wait_closed()


async def test_an_answer_that_nobody_asked_for(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.unasked(b"[1]", late=b"[2]"))
    reader, writer = await asyncio.open_connection(sim.host, sim.port)
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert await reader.readexactly(3) == b"[1]"
    assert await reader.readexactly(41) == b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[2]"
    writer.close()
    await writer.wait_closed()


async def test_a_fault_heals_after_so_many_times(sim: Simulator) -> None:
    sim.fail(*TARGET, fault=Fault.status(503), times=2)
    assert [(await get(sim))[0] for _ in range(4)] == [503, 503, 200, 200]


async def test_a_body_of_its_own_until_everything_is_healed(sim: Simulator) -> None:
    sim.override(*TARGET, body=b'{"calls": 1}', content_type="application/json")
    _, headers, body = await get(sim)
    assert (headers["Content-Type"], body) == ("application/json", b'{"calls": 1}')
    sim.heal_all()
    assert gzip.decompress((await get(sim))[2]) == b"[]"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip", "gzip"), ("br, gzip;q=0.5", "gzip"), ("gzip;q=0", None), ("gzip; q=0.0, br", None), ("identity", None)],
)
async def test_gzip_only_where_it_is_welcome(sim: Simulator, accepted: str, encoding: str | None) -> None:
    async with (
        aiohttp.ClientSession(sim.url) as session,
        session.get(PATH, params={"token": "doc-token"}, headers={"Accept-Encoding": accepted}) as response,
    ):
        assert (response.headers.get("Content-Encoding"), await response.read()) == (encoding, b"[]")


async def test_the_port_stays_over_a_stop(sim: Simulator) -> None:
    url = sim.url
    await sim.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(sim)
    await sim.start()
    assert (sim.url, (await get(sim))[0]) == (url, 200)


def test_no_url_before_it_listens() -> None:
    with pytest.raises(RuntimeError, match="the simulator has no port before it is started"):
        _ = Simulator(SITE).url


async def test_tls() -> None:
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    async with Simulator(SITE, ssl_context=server) as sim:
        assert sim.url == f"https://127.0.0.1:{sim.port}"
        async with (
            aiohttp.ClientSession(sim.url) as session,
            session.get(PATH, params={"token": "doc-token"}, ssl=client) as response,
        ):
            assert await response.read() == b"[]"
        sim.fail(*TARGET, fault=Fault.reset())
        async with aiohttp.ClientSession(sim.url) as session:
            with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
                await session.get(PATH, params={"token": "doc-token"}, ssl=client)
