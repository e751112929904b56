"""Threads for what would hold the event loop: files, names, passwords. Nobody waits for them when the process ends."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock, Thread
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

_MOST: Final = 32
"""Threads at a time: the most that asyncio itself would have on a large machine."""

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Give what `main` returns, as `asyncio.run` does, without waiting for threads that are still at work then."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(DaemonThreads())
        return runner.run(main)


class _Job(NamedTuple):
    future: Future[Any]
    work: Callable[[], Any]

    def do(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.work()
        except BaseException as error:  # noqa: BLE001 # whoever waits for the future gets it
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class DaemonThreads(ThreadPoolExecutor):
    """Does every job in a daemon thread, at most `most` at a time; the others wait for their turn.

    A ThreadPoolExecutor by name only, as asyncio takes no other. Its own threads are waited for when the process ends,
    by asyncio and again by Python, so that a name server or a file system that hangs would keep it from ending.
    """

    def __init__(self, most: int = _MOST) -> None:
        super().__init__()
        self._most = most
        self._guard = Lock()
        self._busy = 0
        self._turns: deque[_Job] = deque()

    def submit(self, fn: Callable[_Given, _Result], /, *args: _Given.args, **kwargs: _Given.kwargs) -> Future[_Result]:
        """Have `fn` called; give the future of what it returns."""
        job = _Job(Future(), partial(fn, *args, **kwargs))
        with self._guard:
            if self._busy >= self._most:
                self._turns.append(job)
            else:
                Thread(target=self._work, args=(job,), name="work", daemon=True).start()
                self._busy += 1
        return job.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 # as there
        """Wait for nobody, whatever is asked."""

    def _work(self, job: _Job | None) -> None:
        while job is not None:
            job.do()
            job = self._next()

    def _next(self) -> _Job | None:
        with self._guard:
            if self._turns:
                return self._turns.popleft()
            self._busy -= 1
            return None
