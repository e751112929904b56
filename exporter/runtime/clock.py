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

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` monotonic seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def time(self) -> float:
        """Return the Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go backwards, from an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` monotonic seconds."""
        await asyncio.sleep(seconds)
