"""Threads that nobody waits for at the end."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from exporter.runtime import threads
from exporter.runtime.threads import DaemonThreads
from tests.support.repository import ROOT

HANGING = """\
import asyncio, os, sys
from exporter.runtime import threads

async def main():
    reading, _ = os.pipe()
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    def hang():
        loop.call_soon_threadsafe(began.set)
        os.read(reading, 1)
    task = asyncio.create_task(asyncio.to_thread(hang))
    await began.wait()
    return 7

sys.exit(threads.run(main()))
"""


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Lets those go on who wait for it, at the latest when the test has ended."""
    event = threading.Event()
    yield event
    event.set()


def test_a_thread_that_hangs_does_not_keep_the_process() -> None:
    command = [sys.executable, "-c", HANGING]
    ended = subprocess.run(command, cwd=ROOT, timeout=10, capture_output=True, check=False)  # noqa: S603 # our own text
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, b"", b"")


def test_what_a_thread_gives_and_raises() -> None:
    def fail() -> None:
        raise LookupError("nothing")

    async def main() -> tuple[int, bool]:
        with pytest.raises(LookupError, match="nothing"):
            await asyncio.to_thread(fail)
        return await asyncio.to_thread(int, "12", base=8), await asyncio.to_thread(
            lambda: threading.current_thread().daemon
        )

    assert threads.run(main()) == (10, True)


def test_so_many_at_a_time_and_the_others_in_turn(go: threading.Event) -> None:
    executor = DaemonThreads(most=2)
    begun: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> int:
        with lock:
            begun.append(number)
        go.wait()
        return number

    futures = [executor.submit(work, number) for number in range(20)]
    deadline = time.monotonic() + 10
    while len(begun) < 2:
        assert time.monotonic() < deadline
    assert futures[19].cancel()
    assert sorted(begun) == [0, 1]
    go.set()
    assert [future.result(10) for future in futures[:19]] == list(range(19))
    assert sorted(begun) == list(range(19))
    assert executor.submit(work, 20).result(10) == 20


def test_many_loops_one_after_the_other_leave_no_thread() -> None:
    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(time.time) for _ in range(100)))

    for _ in range(20):
        threads.run(main())
    deadline = time.monotonic() + 10
    while any(thread.name == "work" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
