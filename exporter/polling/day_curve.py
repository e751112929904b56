"""A target's calls in each half hour of the day, for the status page. Kept in memory only: a restart begins anew."""

from array import array
from collections.abc import Container, Iterable
from typing import Final

from exporter.runtime.steps import Steps

SLOT_SECONDS: Final = 1800
SLOTS: Final = 50
"""Half hours of a day of 25 hours, when the clocks go back."""

_LARGEST: Final = 2**32 - 1
_NO_CALLS: Final = [0] * SLOTS


class DayCurve:
    """The calls of each half hour since the org's midnight: of each folder, and of all folders together.

    A half hour without a successful poll is unknown, not 0. Calls that came in meanwhile are counted in none.
    A folder with calls takes about 350 bytes, other folders nothing.
    """

    def __init__(self) -> None:
        self.midnight: float | None = None
        """The Unix time at which the curve's day began; None before the first poll."""
        self.since: float | None = None
        """The Unix time from which on calls are known, if that is not midnight."""
        self._folders: dict[str, array[int]] = {}
        self._all_folders = [0] * SLOTS
        self._known = [False] * SLOTS
        self._last_poll = 0.0

    def add(
        self, new_calls: Iterable[tuple[str, int]], now: float, midnight: float, patience_seconds: float
    ) -> Steps[None]:
        """Add a successful poll: each folder's calls since the poll before, or since midnight if this is the first.

        `now` and `midnight` are Unix times. The calls count if the poll before was at most `patience_seconds` or half
        an hour ago, or if the day's first half hour has not ended.
        """
        slot = _slot(now, midnight)
        first = self.midnight is None
        counted = slot == 0 or (not first and now - self._last_poll <= max(patience_seconds, SLOT_SECONDS))
        if first and slot:
            self.since = now
        self.midnight, self._last_poll = midnight, now
        self._known[slot] = True
        for folder, calls in new_calls:
            if counted and calls > 0:
                half_hours = self._folders.get(folder)
                if half_hours is None:
                    half_hours = self._folders[folder] = array("I", [0]) * SLOTS
                half_hours[slot] = min(half_hours[slot] + calls, _LARGEST)
                self._all_folders[slot] += calls
            yield

    def keep_only(self, folders: Container[str]) -> None:
        """Forget all other folders; their calls stay in the sum of all folders."""
        for folder in [each for each in self._folders if each not in folders]:
            del self._folders[folder]

    def half_hours(self, folder: str | None, now: float) -> list[int | None]:
        """Return the calls of each half hour up to `now`, None if unknown; of all folders if `folder` is None.

        The current half hour is included once it has been polled.
        """
        if self.midnight is None:
            return []
        calls = self._all_folders if folder is None else self._folders.get(folder, _NO_CALLS)
        current = _slot(now, self.midnight)
        ended = current + 1 if self._known[current] else current
        return [calls[slot] if self._known[slot] else None for slot in range(ended)]


def _slot(now: float, midnight: float) -> int:
    return min(max(int((now - midnight) // SLOT_SECONDS), 0), SLOTS - 1)
