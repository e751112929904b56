"""Accepting connections: too many of them, errors of accept, and handshakes, over real sockets."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from types import FrameType

import psutil
import pytest
import trustme

from exporter.web.limits import Limits
from tests.support.raw_servers import until
from tests.support.web_connections import (
    HEALTH,
    Few,
    connected,
    contexts,
    everything,
    pipelining,
    pipelining_encrypted,
    problems,
)
from tests.support.web_server import GET, LOOPBACK, publish, serving


async def test_the_least_recently_served_connection_makes_room() -> None:
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
    """Interrupt the block after so many seconds, even if it never yields to the event loop."""

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
    logged = [line for line in served.logged if line["event"] == "cannot_accept"]
    assert [line["error"] for line in logged] == ["invalid argument"]


async def test_an_error_of_one_connection_only_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_a_client_that_receives_no_responses_makes_room() -> None:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(limits=Few()))
        for _ in range(5):
            await stack.enter_async_context(pipelining(served, HEALTH))
        # Each has been full; Python 3.12 and newer go on sending then, to the quarter below which they are filled anew.
        await until(lambda: served.buffered > 5 * 65536 // 4)
        assert (await served.ask("/-/healthy"))[0] == 200
        assert served.connections <= 5


# Encrypted


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_a_handshake_that_does_not_end(authority: trustme.CA) -> None:
    server, client = contexts(authority)
    async with serving(LOOPBACK, tls=server, limits=Limits(head_seconds=0.5)) as served:
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
    async with serving(LOOPBACK, tls=server, limits=Few()) as served:
        waiting = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(8)]
        async with connected(served, client) as (reader, writer):
            writer.write(HEALTH)
            assert b"200 OK" in await reader.readuntil(b"Healthy.\n")
        assert served.connections <= 5
        for _, other in waiting:
            other.transport.abort()
        await until(lambda: served.connections == 0)


@pytest.mark.parametrize("times", [1000, 50_000])
async def test_an_encrypted_client_that_receives_no_responses_makes_room(authority: trustme.CA, times: int) -> None:
    server, client = contexts(authority)
    async with serving(LOOPBACK, tls=server, limits=Few()) as served, pipelining_encrypted(served, client, times):
        assert served.connections == 5
        async with connected(served, client) as (reader, writer):
            writer.write(HEALTH)
            assert b"200 OK" in await reader.readuntil(b"Healthy.\n")
            assert served.buffered < 5 * 200_000
    assert problems(served) == []


async def test_silent_connections_to_an_encrypted_port_do_not_fill_the_memory(authority: trustme.CA) -> None:
    server, _ = contexts(authority)
    process = psutil.Process(os.getpid())
    async with serving(LOOPBACK, tls=server, limits=Limits()) as served:
        before = process.memory_info().rss
        silent = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(290)]
        await until(lambda: served.connections == 290)
        held = process.memory_info().rss - before
        for _, writer in silent:
            writer.transport.abort()
    assert held < 50_000_000


async def test_a_handshake_does_not_delay_the_stop(authority: trustme.CA) -> None:
    server, _ = contexts(authority)
    async with serving(LOOPBACK, tls=server, limits=Limits()) as served, connected(served) as (reader, _):
        await until(lambda: served.connections == 1)
        async with asyncio.timeout(5):
            await served.web.stop()
            assert await everything(reader) == ""


async def test_plain_http_to_an_encrypted_port(authority: trustme.CA) -> None:
    server, _ = contexts(authority)
    async with serving(LOOPBACK, tls=server, limits=Limits()) as served:
        async with connected(served) as (reader, writer):
            writer.write(GET)
            await everything(reader)
        await until(lambda: served.connections == 0)
    assert problems(served) == []
    assert [line["event"] for line in served.logged] == ["handshake_failed"]
