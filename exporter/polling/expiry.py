"""Which targets have values that are too old, without a look at all of them each time."""

import heapq
from collections.abc import Sequence
from typing import Final

from exporter.polling.target_state import TargetState
from exporter.runtime.clock import Clock

_CLOCK_WAS_SET_SECONDS: Final = 0.1
"""A difference between the two clocks that grows by more than this means that one was set, or stood still."""

_LEAST_SECONDS: Final = 1.0
"""With many targets, one may expire at any time; a look at each moment would cost more than it is worth."""


class Expiry:
    """The targets in the order in which their values may become too old.

    Until that time comes, a success only postpones it, so it is computed again when it has come.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: Sequence[TargetState] = ()
        self._heap: list[tuple[float, int]] = []
        """The monotonic time before which a target's values cannot be too old, and the target's index."""
        self._clock_difference = 0.0

    def replace(self, states: Sequence[TargetState]) -> None:
        """Replace all targets. Needed as well when the `stale_after_seconds` of one has changed."""
        self._states = states
        self._clock_difference = self._clock.time() - self._clock.monotonic()
        self._heap = [(self._earliest(state), index) for index, state in enumerate(states)]
        heapq.heapify(self._heap)

    def take_expired(self) -> list[TargetState]:
        """Return the targets whose values are too old now, in their order."""
        now = self._clock.monotonic()
        if abs(self._clock.time() - now - self._clock_difference) > _CLOCK_WAS_SET_SECONDS:
            self.replace(self._states)  # ages depend on both clocks
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[1])
        expired = []
        for index in sorted(due):
            state, earliest = self._states[index], 0.0
            if state.is_expired(self._clock):
                expired.append(state)
                # Removing the values may fail. If it does not, others may come at once, but not expire sooner.
                earliest = now + min(state.target.interval_seconds, state.target.stale_after_seconds)
            heapq.heappush(self._heap, (max(earliest, self._earliest(state)), index))
        return expired

    def seconds_to_next(self) -> float | None:
        """Return the time until values may be too old, at least a second; None without targets."""
        return max(_LEAST_SECONDS, self._heap[0][0] - self._clock.monotonic()) if self._heap else None

    def _earliest(self, state: TargetState) -> float:
        left = state.seconds_to_expiry(self._clock)
        # If there are no values, there may be some from the next moment on.
        left = state.target.stale_after_seconds if left is None else left
        return max(self._clock.monotonic() + left, state.expires_from)
