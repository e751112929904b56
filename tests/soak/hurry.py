"""A clock that runs faster than the machine's, the same in every process of a run."""

import asyncio
import time
from datetime import UTC, datetime
from typing import NamedTuple


class HurriedClock(NamedTuple):
    """A `Clock` that is `factor` times as fast as the machine's; the two agree at `origin`, a Unix time."""

    origin: float
    factor: float

    def time(self) -> float:
        """Return the Unix time in seconds."""
        return self.origin + (time.time() - self.origin) * self.factor

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic() * self.factor

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of this clock."""
        await asyncio.sleep(seconds / self.factor)

    def utc(self) -> datetime:
        """Return the current time."""
        return datetime.fromtimestamp(self.time(), UTC)
