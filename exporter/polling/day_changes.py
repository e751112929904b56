"""Which targets have to begin another day, and when the next day begins somewhere."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from exporter.polling.org_day import ZoneDays
from exporter.polling.target_state import TargetState


class DayChanges:
    """The targets by time zone: to see whether a day has ended, there is no need to look at each target."""

    def __init__(self, days: ZoneDays) -> None:
        self._days = days
        self._states: defaultdict[ZoneInfo, list[TargetState]] = defaultdict(list)
        self._begun: dict[ZoneInfo, set[date | None]] = {}
        """The days that the targets of a zone are on: one, unless targets came between midnight and `take`."""

    def replace(self, states: Sequence[TargetState]) -> None:
        """Replace all targets."""
        self._states.clear()
        for state in states:
            if state.target.zone is not None:
                self._states[state.target.zone].append(state)
        self._begun = {zone: {state.day for state in some} for zone, some in self._states.items()}

    def take(self, now: float) -> dict[TargetState, date]:
        """Return the targets that are on another day than their zone at `now`, a Unix time, with the zone's day."""
        turned = {}
        for zone, states in self._states.items():
            today = self._days.today(zone, now)
            if self._begun[zone] != {today}:
                self._begun[zone] = {today}
                turned.update({state: today for state in states if state.day != today})
        return turned

    def seconds_to_next(self, now: float) -> float | None:
        """Return the time from `now` until the first day ends; None without a time zone."""
        return min((self._days.next_midnight(zone, now) - now for zone in self._states), default=None)
