"""Limits on what clients may use, over real sockets."""

import asyncio
import os
import resource
import socket
import struct
import sys

import psutil
import pytest
from aiohttp import web

from exporter.exposition.text_format import Format
from exporter.web.limits import Limits
from tests.support.raw_servers import until
from tests.support.web_server import GET, LOOPBACK, Served, publish, serving, shrink, slow_reader

FULL = "Limit of concurrent requests reached (40), try again later.\n"


async def read_on(slow: socket.socket) -> int:
    """Read until the connection ends, and return the number of bytes."""
    size = 0
    loop = asyncio.get_running_loop()
    try:
        while piece := await loop.sock_recv(slow, 1_000_000):
            size += len(piece)
    except ConnectionResetError:
        pass
    finally:
        slow.close()
    return size


async def test_beyond_40_requests_the_status_is_503_but_not_for_health() -> None:
    async with serving() as served:
        served.ready = True
        publish(served.store, 100, 1000, 3)
        slow = [await slow_reader(served, GET) for _ in range(40)]
        for path in ("/metrics", "/", "/favicon.ico"):
            status, headers, body = await served.ask(path)
            assert (status, body.decode(), headers["Content-Type"]) == (503, FULL, "text/plain; charset=utf-8")
        assert (await served.ask("/metrics", method="HEAD"))[0] == 503
        assert (await served.ask("/-/healthy"))[::2] == (200, b"Healthy.\n")
        assert (await served.ask("/-/ready"))[::2] == (200, b"Ready.\n")
        slow.pop().close()
        await until(lambda: served.connections == 39)
        assert (await served.ask("/metrics"))[0] == 200
        for other in slow:
            other.close()


async def test_no_limit() -> None:
    async with serving(limits=Limits(requests=0)) as served:
        publish(served.store, 100, 1000, 3)
        slow = [await slow_reader(served, GET) for _ in range(60)]
        assert (await served.ask("/metrics"))[0] == 200
        for other in slow:
            other.close()


async def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    async with serving(limits=Limits(requests=1, response_seconds=0.3)) as served:
        publish(served.store, 100, 1000, 3)
        size = served.store.pages[Format.TEXT].text_size
        slow = await slow_reader(served, GET)
        assert (await served.ask("/metrics"))[0] == 503
        await until(lambda: served.connections == 0)
        assert (await served.ask("/metrics"))[0] == 200
        assert await read_on(slow) < size
    cut = [line for line in served.logged if line["event"] == "answer_cut_off"]
    assert cut == [
        {
            "event": "answer_cut_off",
            "log_level": "info",
            "client": "127.0.0.1",
            "path": "/metrics",
            "after_seconds": 0.3,
        }
    ]
    assert [line for line in served.logged if line["log_level"] in ("warning", "error")] == []


@pytest.mark.parametrize("more", ["Connection: keep-alive", "Connection: close", "Content-Length: 9"])
async def test_the_rest_of_a_response_that_is_not_received_is_dropped(more: str) -> None:
    """The rest fits into the buffers of the connection, so the response counts as sent."""
    async with serving(limits=Limits(response_seconds=0.3)) as served:
        publish(served.store, 1, 500, 3)
        request = GET.replace(b"\r\n\r\n", b"\r\n%s\r\n\r\n" % more.encode())
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(0)
        await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", served.port))
        await until(lambda: served.connections == 1)
        await served.ask("/-/healthy")
        shrink(served)
        await asyncio.get_running_loop().sock_sendall(slow, request)
        await until(lambda: any(line.get("path") == "/metrics" for line in served.logged))
        assert served.connections == 1
        assert served.buffered > 0
        if "Length" in more:
            await asyncio.get_running_loop().sock_sendall(slow, b"x")
        await until(lambda: served.connections == 0)
        await read_on(slow)


async def test_slow_readers_do_not_hold_others_up_nor_the_memory_of_many_pages() -> None:
    """The page is 9 MB of text: 40 copies would be 370 MB."""
    async with serving() as served:
        publish(served.store, 100, 1000, 3)
        text = (await served.ask("/metrics"))[2]
        assert len(text) > 9_000_000
        process = psutil.Process(os.getpid())
        before = process.memory_info().rss
        slow = [await slow_reader(served, GET) for _ in range(39)]
        assert (await served.ask("/metrics"))[2] == text
        held = process.memory_info().rss - before
        assert held < 80_000_000
        for other in slow:
            other.close()


async def test_one_large_folder_is_not_held_whole_by_a_slow_reader() -> None:
    async with serving() as served:
        publish(served.store, 1, 100_000, 3)
        slow = [await slow_reader(served, GET) for _ in range(20)]
        await until(lambda: served.buffered > 0)
        assert served.buffered < 20 * 300_000
        for other in slow:
            other.close()


async def test_a_replaced_page_lives_as_long_as_its_readers() -> None:
    async with serving(limits=Limits(response_seconds=0.3)) as served:
        publish(served.store, 100, 1000, 3)
        old = served.store.pages[Format.TEXT].pieces
        slow = [await slow_reader(served, GET) for _ in range(3)]
        publish(served.store, 100, 1000, 4)
        mine = 2  # of the name and of the call
        assert sys.getrefcount(old) > mine
        await until(lambda: sys.getrefcount(old) == mine)
        for other in slow:
            other.close()


@pytest.mark.parametrize(
    ("requests", "descriptors", "connections"),
    [(40, 1024, 296), (40, 256, 128), (0, 1 << 20, 1280), (2000, 1024, 512), (40, resource.RLIM_INFINITY, 296)],
)
def test_half_of_the_descriptors_are_left_to_the_polls(
    requests: int, descriptors: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, resource.RLIM_INFINITY))
    assert Limits(requests=requests).connections == connections


async def test_a_client_that_goes_away_during_a_response_in_one_piece_is_not_an_error() -> None:
    async def large(_: web.Request) -> web.Response:
        return web.Response(body=bytes(20_000_000))

    served = Served((LOOPBACK,))
    served.web._runner.app.router.add_get("/large", large)
    await served.web.start()
    rude = await slow_reader(served, GET.replace(b"/metrics", b"/large"))
    rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    rude.close()
    await until(lambda: served.connections == 0)
    await served.web.stop()
    assert [line for line in served.logged if line["log_level"] != "debug"] == []
