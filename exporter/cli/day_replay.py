"""Replays a day before the exporter serves: its numbers are those of an exporter that has run since midnight."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from exporter.config.loaded import LoadedConfig
from exporter.polling.manager import POLLER, PollManager
from exporter.runtime.clock import SystemClock

_HALF_HOUR_SECONDS: Final = 1800
_LOOK_SECONDS: Final = 0.001


class ReplayClock(SystemClock):
    """The machine's clock, except during a replay: then it stands still until it is moved."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._ahead = 0.0
        """The Unix time minus the monotonic time, when the replay began."""
        self._moved = asyncio.Event()
        self.sleeping: set[str] = set()
        """The names of the tasks that sleep until the clock is moved further."""

    def time(self) -> float:
        """Return the Unix time in seconds."""
        return time.time() if self._at is None else self._at

    def monotonic(self) -> float:
        """Return seconds that go backwards only when a replay begins."""
        return time.monotonic() if self._at is None else self._at - self._ahead

    def utc(self) -> datetime:
        """Return the time as the simulator wants it."""
        return datetime.fromtimestamp(self.time(), UTC)

    async def sleep(self, seconds: float, /) -> None:
        """Sleep for `seconds`; during a replay, until it has moved so far."""
        if self._at is None or seconds <= 0:
            await asyncio.sleep(seconds)
            return
        end = self._at + seconds
        while self._at is not None and self._at < end:
            if task := asyncio.current_task():
                self.sleeping.add(task.get_name())
            await self._moved.wait()

    def move(self, at: float) -> None:
        """Stand still at this Unix time, and wake all sleepers."""
        if self._at is None:
            self._ahead = time.time() - time.monotonic()
        self._at = at
        self._wake()

    def release(self) -> None:
        """Be the machine's clock again."""
        self._at = None
        self._wake()

    def _wake(self) -> None:
        self.sleeping.clear()
        self._moved.set()
        self._moved = asyncio.Event()


def half_hours(first_midnight: float, now: float) -> Iterator[float]:
    """Yield the last second of each half hour since a midnight and the first one after it, then `now`, as Unix times.

    Calls count in the half hour of the poll that sees them, so a poll at the end of each one draws the true curve. The
    second after it may be the midnight of another org.
    """
    end = first_midnight + _HALF_HOUR_SECONDS
    while end < now:
        yield end - 1
        yield end
        end += _HALF_HOUR_SECONDS
    yield now


async def replay(
    polling: PollManager, loaded: LoadedConfig, clock: ReplayClock, times: Iterable[float], stop: asyncio.Event
) -> None:
    """Poll by `loaded` at these Unix times, until `stop` is set; then the clock is the machine's again."""
    running = None
    try:
        for at in times:
            clock.move(at)
            if running is None:
                await polling.follow(loaded)
                running = asyncio.create_task(polling.run())
            await _settled(polling, clock, stop, running)
            if stop.is_set() or running.done():
                break
    finally:
        if running is not None:
            running.cancel()
            await asyncio.wait({running})
        clock.release()
    if running is not None and not running.cancelled():
        running.result()  # raises what has ended it


async def _settled(
    polling: PollManager, clock: ReplayClock, stop: asyncio.Event, running: "asyncio.Task[None]"
) -> None:
    """Wait until the poller sleeps, and neither a poll nor the discovery is running."""
    while not stop.is_set() and not running.done():
        idle = POLLER in clock.sleeping and not polling.discovering
        if idle and not any(status.polling for status in polling.poller.status()):
            return
        await asyncio.sleep(_LOOK_SECONDS)
