"""When which target is due: each on its own interval, spread by its hash. Times are monotonic seconds."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Final

from exporter.config.targets import Target, stable_hash
from exporter.polling.target_state import TargetState

_GOLDEN_RATIO: Final = 0x9E3779B97F4A7C15
"""2**64 by the golden ratio: a factor that lays close numbers far apart (Knuth, TAOCP volume 3, section 6.4)."""


class Schedule:
    """The targets in the order in which they are due."""

    def __init__(self) -> None:
        self._polled: Sequence[TargetState] = ()
        self._heap: list[tuple[float, int]] = []

    def replace(self, polled: Sequence[TargetState]) -> None:
        """Let these be the targets, each due when it says so."""
        self._polled = polled
        self._heap = [(each.due, index) for index, each in enumerate(polled)]
        heapq.heapify(self._heap)

    @property
    def next_due(self) -> float | None:
        """When the next target is due; None without targets."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> Iterator[tuple[TargetState, int]]:
        """Give those that are due, each with the number of its intervals that have begun since it was last given."""
        while self._heap and self._heap[0][0] <= now:
            at, index = self._heap[0]
            polled = self._polled[index]
            interval = polled.target.interval_seconds
            ticks = 1 + int((now - at) // interval)
            polled.due = at + ticks * interval
            heapq.heapreplace(self._heap, (polled.due, index))
            yield polled, ticks


def offset_seconds(target: Target) -> float:
    """Give where in its interval a target is polled: the same after a restart, and spread over all targets."""
    # FNV-1a gives names that differ in their last letters, Test01 and Test02, numbers that are nearly the same.
    return stable_hash(target) * _GOLDEN_RATIO % 2**64 / 2**64 * target.interval_seconds
