"""The pool of daemon threads."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from weakref import ref

import pytest

from exporter.runtime import threads
from exporter.runtime.threads import DaemonThreads


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """An event for which jobs wait; it is set at the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def pool() -> Iterator[DaemonThreads]:
    made = DaemonThreads(most=2)
    yield made
    made.shutdown()
    wait_until(lambda: workers() == [])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "work"]


def test_a_job_returns_raises_and_is_in_a_daemon_thread() -> None:
    def fail() -> None:
        raise LookupError("nothing")

    async def main() -> tuple[int, bool]:
        with pytest.raises(LookupError, match="nothing"):
            await asyncio.to_thread(fail)
        return await asyncio.to_thread(int, "12", base=8), await asyncio.to_thread(
            lambda: threading.current_thread().daemon
        )

    assert threads.run(main()) == (10, True)


def test_the_pool_has_a_limit_and_the_other_jobs_wait_in_line(pool: DaemonThreads, go: threading.Event) -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> int:
        with lock:
            begun.append(number)
        go.wait()
        return number

    futures = [pool.submit(work, number) for number in range(20)]
    wait_until(lambda: len(begun) == 2)
    assert futures[19].cancel()
    assert sorted(begun) == [0, 1]
    go.set()
    assert [future.result(10) for future in futures[:19]] == list(range(19))
    assert sorted(begun) == list(range(19))
    assert pool.submit(work, 20).result(10) == 20
    assert len(workers()) == 2


def test_an_idle_thread_is_reused(pool: DaemonThreads) -> None:
    for number in range(20):
        assert pool.submit(abs, -number).result(10) == number
        wait_until(lambda: pool._idle._value == 1)
    assert len(workers()) == 1


def test_an_idle_thread_keeps_no_result_alive(pool: DaemonThreads) -> None:
    class Large:
        pass

    result = ref(pool.submit(Large).result(10))
    wait_until(lambda: result() is None)


def test_loops_one_after_the_other_leave_no_thread() -> None:
    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(time.time) for _ in range(100)))

    for _ in range(20):
        threads.run(main())
    wait_until(lambda: workers() == [])
