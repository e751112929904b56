"""Time that runs faster than the machine's, the same in every process of a run."""

import asyncio
import time
from datetime import UTC, datetime
from typing import NamedTuple


class HurriedClock(NamedTuple):
    """An `exporter.clock.Clock` by which `factor` seconds pass in one; both clocks met at `origin`, a Unix time."""

    origin: float
    factor: float

    def time(self) -> float:
        """Give the Unix time in seconds."""
        return self.origin + (time.time() - self.origin) * self.factor

    def monotonic(self) -> float:
        """Give seconds that never go backwards."""
        return time.monotonic() * self.factor

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of this clock."""
        await asyncio.sleep(seconds / self.factor)

    def utc(self) -> datetime:
        """Give the present."""
        return datetime.fromtimestamp(self.time(), UTC)
