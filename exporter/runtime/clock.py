"""Time as a parameter, so that tests of timed behaviour need not wait."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The source of all times in the exporter."""

    def time(self) -> float:
        """Return the Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float, /) -> None:
        """Sleep for `seconds` monotonic seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    monotonic = staticmethod(time.monotonic)  # before `time`, which hides the module from here on
    time = staticmethod(time.time)
    sleep = staticmethod(asyncio.sleep)
