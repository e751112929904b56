"""Clients that are slow, or go away, while pages change and when the server stops."""

import asyncio
import logging
import re
import socket
import struct
import time
from contextlib import suppress

import aiohttp
import pytest

from exporter.exposition.families import AGENT_CALLS, FOLDER_CALLS_TOTAL, Family
from exporter.exposition.text_format import Format
from tests.support.raw_servers import until
from tests.support.web_server import GET, OPENMETRICS, publish, serving, slow_reader


async def test_a_client_that_goes_away_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as served:
        publish(served.store, 100, 1000, 3)
        polite, rude = await slow_reader(served, GET), await slow_reader(served, GET)
        await until(lambda: served.connections == 2)
        polite.close()
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        rude.close()
        await until(lambda: served.connections == 0)
        assert (await served.ask("/-/healthy"))[0] == 200
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert [line for line in served.logged if line["log_level"] != "debug"] == []


async def test_a_client_that_goes_away_before_its_response_begins_is_not_an_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as served:
        exposition = served.telemetry.exposition

        def leave(form: Format) -> bytes:
            server = served.web._runner.server
            assert server is not None
            for connection in server.connections:
                assert connection.transport is not None
                connection.transport.abort()
            return exposition(form)

        monkeypatch.setattr(served.telemetry, "exposition", leave)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(GET)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        await until(lambda: served.connections == 0)
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert [line for line in served.logged if line["log_level"] != "debug"] == []


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n=\n\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"CONNECT \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nExpect: \xff\r\nConnection: close\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\nHost: x\r\nExpect: \xff\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxx",
    ],
)
async def test_a_client_that_does_not_speak_http_is_not_an_error(caplog: pytest.LogCaptureFixture, sent: bytes) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(sent)
        answer = b""
        while not re.search(rb"HTTP/[01]\.[019] 4(00|05|17) ", answer):
            piece = await reader.read(1000)
            assert piece, answer
            answer += piece
        writer.close()
        await writer.wait_closed()
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == []


@pytest.mark.parametrize("expected", ["<b>", "\xff", "100-continue, x"])
async def test_an_unknown_expectation_is_not_quoted(expected: str) -> None:
    async with serving() as served:
        status, _, body = await served.ask("/", f"Expect: {expected}")
        assert (status, body) == (417, b"417: Expectation Failed")


async def test_a_client_may_expect_100_continue() -> None:
    async with serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nConnection: close\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await reader.read()).endswith(b"Healthy.\n")
        writer.close()
        await writer.wait_closed()


async def test_a_slow_client_gets_the_page_that_it_requested() -> None:
    async with serving() as served:
        publish(served.store, 100, 1000, 3)
        expected = b"".join(served.store.pages[Format.TEXT].text()[1]) + served.telemetry.exposition(Format.TEXT)
        slow = await slow_reader(served, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        publish(served.store, 50, 10, 4)
        assert len((await served.ask("/metrics"))[2]) < len(expected) / 10
        reader, writer = await asyncio.open_connection(sock=slow)
        page = await reader.read(-1)
        writer.close()
        await writer.wait_closed()
    assert page.partition(b"\r\n\r\n")[2] == expected


async def test_stopping_takes_no_longer_than_a_second() -> None:
    async with serving() as served:
        publish(served.store, 100, 1000, 3)
        slow = await slow_reader(served, GET)
        begun = time.monotonic()
        await served.web.stop()
        assert time.monotonic() - begun < 1.5
        while await asyncio.get_running_loop().sock_recv(slow, 1_000_000):
            pass
        slow.close()


async def test_stopping_does_not_wait_for_connections_that_are_kept() -> None:
    async with serving() as served, aiohttp.ClientSession(served.web.urls[0]) as session:
        async with session.get("/metrics") as response:
            await response.read()
        begun = time.monotonic()
        await served.web.stop()
        assert time.monotonic() - begun < 0.4


def values_of(page: bytes, family: Family) -> list[bytes]:
    return re.findall(rb"^%s\{.*\} (.*)$" % family.name.encode(), page, re.MULTILINE)


async def test_every_scrape_sees_a_whole_page() -> None:
    async with serving() as served, aiohttp.ClientSession(served.web.urls[0]) as session:
        publish(served.store, 40, 200, 1)
        published = False
        seen = set()

        async def scrape(headers: dict[str, str]) -> None:
            while not published:
                async with session.get("/metrics", headers=headers) as response:
                    page = await response.read()
                numbers = {*values_of(page, AGENT_CALLS), *values_of(page, FOLDER_CALLS_TOTAL)}
                assert len(numbers) == 1
                assert page.count(b"# TYPE vspark_agent_calls_today ") == 1
                assert len(values_of(page, AGENT_CALLS)) == 40 * 200
                seen.update(numbers)

        async with asyncio.TaskGroup() as tasks:
            for accept in ("text/plain", OPENMETRICS):
                for encoding in ("gzip", "identity"):
                    tasks.create_task(scrape({"Accept": accept, "Accept-Encoding": encoding}))
            for generation in range(2, 30):
                publish(served.store, 40, 200, generation)
                await asyncio.sleep(0.005)  # lets the scrapes begin and come some way
            published = True
    assert len(seen) > 3
