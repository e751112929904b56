"""Threads for work that would block the event loop: files, name lookups, passwords. Exiting does not wait for them."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

_MOST_THREADS: Final = 32
"""The most that asyncio's own executor has on a large machine."""

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Return what `main` returns, as `asyncio.run` does, but do not wait for threads that are still at work then."""
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
        except BaseException as error:  # noqa: BLE001 # the future hands it to its waiter
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class DaemonThreads(ThreadPoolExecutor):
    """A pool of at most `most` daemon threads called `name`.

    A thread is started when a job finds none idle, and then reused.

    It is a ThreadPoolExecutor in name only, because asyncio accepts no other executor. asyncio and Python wait at exit
    for the threads of a real one, so a name server or a file system that hangs would keep the process from exiting.
    """

    def __init__(self, most: int = _MOST_THREADS, name: str = "work") -> None:
        super().__init__()
        self._name = name
        self._most = most
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._submitting = Lock()
        self._started = 0

    def submit(self, fn: Callable[_Given, _Result], /, *args: _Given.args, **kwargs: _Given.kwargs) -> Future[_Result]:
        """Return the future of `fn`'s result, which a thread of the pool computes."""
        job = _Job(Future(), partial(fn, *args, **kwargs))
        with self._submitting:
            self._jobs.put(job)
            if not self._idle.acquire(blocking=False) and self._started < self._most:
                self._started += 1
                Thread(target=self._work, name=self._name, daemon=True).start()
        return job.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 # the signature of the base class
        """Let every thread end after its jobs; never wait for one."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            job.do()
            del job  # an idle thread must not keep a result alive

    def _next_job(self) -> _Job | None:
        try:
            return self._jobs.get_nowait()
        except Empty:
            self._idle.release()
            return self._jobs.get()
