"""How a target's calls came in over the day, in half hours. Held in memory only: a restart begins anew."""

from array import array
from collections.abc import Container
from typing import Final

SLOT_SECONDS: Final = 1800
SLOTS: Final = 50
"""A day of 25 hours, where the clocks are put back."""

_NARROW: Final = 2**16 - 1
_LARGEST: Final = 2**32 - 1


class DayCurve:
    """The calls of each half hour since the org's midnight, of each folder and of all together.

    A half hour without a successful poll is unknown, not 0. What came in while nothing was known belongs to none. A
    half hour of a folder takes two bytes, or four where a folder of the target has more than 65,535 calls in one.
    """

    __slots__ = (
        *("_calls", "_counts", "_free", "_known", "_last", "_rows", "_slot", "_totals", "_whole"),
        *("midnight", "since"),
    )

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin a new day."""
        self.midnight: float | None = None
        """The Unix time at which the day began that it is of, None before the first poll."""
        self.since: float | None = None
        """The Unix time from which on it is known, None: from midnight on."""
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._totals = array("Q")
        self._calls = array("H")
        self._whole = array("Q", [0] * SLOTS)
        self._known = bytearray(SLOTS)
        self._slot = 0
        self._counts = False
        self._last = 0.0

    def begin_poll(self, now: float, midnight: float, patience_seconds: float) -> None:
        """Note a successful poll at `now`; both times are Unix times.

        What came in since the one before counts where that is no longer ago than `patience_seconds` or a half hour.
        """
        slot = min(max(int((now - midnight) // SLOT_SECONDS), 0), SLOTS - 1)
        first = self.midnight is None
        self._counts = slot == 0 or (not first and now - self._last <= max(patience_seconds, SLOT_SECONDS))
        if first and slot:
            self.since = now
        self.midnight, self._last, self._slot = midnight, now, slot
        self._known[slot] = True

    def put(self, folder: str, total: int) -> None:
        """Note a folder's calls of the day, as the poll that has begun gives them."""
        row = self._rows.get(folder)
        if row is None:
            row = self._rows[folder] = self._free.pop() if self._free else self._new_row()
        total = min(total, _LARGEST)
        arrived = total - self._totals[row]
        if arrived <= 0:
            return
        self._totals[row] = total
        if self._counts:
            place = row * SLOTS + self._slot
            calls = min(self._calls[place] + arrived, _LARGEST)
            if calls > _NARROW and self._calls.typecode == "H":
                self._calls = array("I", self._calls)
            self._calls[place] = calls
            self._whole[self._slot] += arrived

    def forget_others(self, folders: Container[str]) -> None:
        """Let the half hours go of all but these folders; in the sum of all, theirs stay."""
        for folder in [each for each in self._rows if each not in folders]:
            row = self._rows.pop(folder)
            self._totals[row] = 0
            self._calls[row * SLOTS : (row + 1) * SLOTS] = array(self._calls.typecode, [0] * SLOTS)
            self._free.append(row)

    def _new_row(self) -> int:
        self._totals.append(0)
        self._calls.extend([0] * SLOTS)
        return len(self._totals) - 1

    def half_hours(self, folder: str | None, now: float) -> list[int | None]:
        """Give the calls of each half hour up to `now`, None where they are unknown; without a `folder`: of all.

        The one that is under way is there once it has been polled.
        """
        if self.midnight is None:
            return []
        if folder is None:
            calls = self._whole.tolist()
        elif (row := self._rows.get(folder)) is not None:
            calls = self._calls[row * SLOTS : (row + 1) * SLOTS].tolist()
        else:
            calls = [0] * SLOTS
        current = min(max(int((now - self.midnight) // SLOT_SECONDS), 0), SLOTS - 1)
        ended = range(current + 1 if self._known[current] else current)
        return [calls[slot] if self._known[slot] else None for slot in ended]
