"""Time, as something that is handed in: what runs by the clock can be tested without waiting."""

import asyncio
import time
from collections.abc import Generator
from typing import Protocol, TypeVar

_Result = TypeVar("_Result")


class Clock(Protocol):
    """What the poller knows of time."""

    def time(self) -> float:
        """Give the Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go backwards, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many monotonic seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def time(self) -> float:
        """Give the Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Give seconds that never go backwards, from an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many monotonic seconds."""
        await asyncio.sleep(seconds)


class Pauses:
    """Lets the event loop breathe amid long work: a pause after some milliseconds, and then one that is long enough.

    A pause of no length would let the loop do one step only, where answering a request takes several.
    """

    _WORK_SECONDS = 0.004
    _PAUSE_SECONDS = 0.001

    def __init__(self) -> None:
        self._since = time.perf_counter()

    @property
    def due(self) -> bool:
        """Whether the work has gone on for long enough."""
        return time.perf_counter() - self._since > self._WORK_SECONDS

    async def take(self) -> None:
        """Make the pause."""
        await asyncio.sleep(self._PAUSE_SECONDS)
        self._since = time.perf_counter()


async def paced(steps: Generator[None, None, _Result]) -> _Result:
    """Do work that yields where a pause may be made, with pauses; give what it returns."""
    pauses = Pauses()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # what the generator returns
        if pauses.due:
            await pauses.take()
