"""When each target is due: on its own interval, spread by its hash. Times are monotonic seconds."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Final

from exporter.config.targets import Target, stable_hash
from exporter.polling.target_state import TargetState

_GOLDEN_RATIO: Final = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio: a factor that spreads close numbers (Knuth, TAOCP volume 3, section 6.4)."""


class Schedule:
    """The targets in the order in which they are due."""

    def __init__(self) -> None:
        self._states: Sequence[TargetState] = ()
        self._heap: list[tuple[float, int]] = []

    def replace(self, states: Sequence[TargetState]) -> None:
        """Replace all targets; each is due at its `due`."""
        self._states = states
        self._heap = [(state.due, index) for index, state in enumerate(states)]
        heapq.heapify(self._heap)

    @property
    def next_due(self) -> float | None:
        """When the next target is due; None without targets."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> Iterator[tuple[TargetState, int]]:
        """Yield each target that is due, with the number of its intervals that have begun since it was last due."""
        while self._heap and self._heap[0][0] <= now:
            due, index = self._heap[0]
            state = self._states[index]
            interval = state.target.interval_seconds
            intervals = 1 + int((now - due) // interval)
            state.due = due + intervals * interval
            heapq.heapreplace(self._heap, (state.due, index))
            yield state, intervals


def offset_seconds(target: Target) -> float:
    """Return when in its interval a target is polled: the same after a restart, and spread over all targets."""
    # For names that differ in their last letters only, such as Test01 and Test02, FNV-1a returns close numbers.
    return stable_hash(target) * _GOLDEN_RATIO % 2**64 / 2**64 * target.interval_seconds
