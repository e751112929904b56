"""Every time zone, and what has to be true of a day around each change of a zone's clocks."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from exporter.polling.org_day import ZoneDays, midnight

ZONES: Final = sorted(available_timezones() - {"localtime"})
_FORTNIGHT: Final = 14 * 86400
_STEPS: Final = (-86400, -7200, -3600, -1800, -61, -1, 0, 1, 59, 60, 1799, 1800, 3540, 3599, 3600, 7200, 86400)
"""Seconds from a change at which the day is checked."""


def check_changes(zones: Iterable[str], first_year: int, last_year: int) -> int:
    """Check the days around every change of the zones' clocks, and return the number of changes."""
    changes = 0
    for zone in map(ZoneInfo, zones):
        for change in _changes(zone, first_year, last_year):
            changes += 1
            _check_days(zone, change, has_calendar_date=first_year >= 2011)
    return changes


def _changes(zone: ZoneInfo, first_year: int, last_year: int) -> Iterator[int]:
    """Yield the Unix times at which the zone's clocks change, from the first year to the last."""

    def offset(moment: int) -> timedelta | None:
        return datetime.fromtimestamp(moment, zone).utcoffset()

    start, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (first_year, last_year + 1))
    for moment in range(start, end, _FORTNIGHT):
        before, after = moment, moment + _FORTNIGHT
        if offset(before) != offset(after):
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (middle, after) if offset(middle) == offset(moment) else (before, middle)
            yield after


def _check_days(zone: ZoneInfo, change: int, *, has_calendar_date: bool) -> None:
    """Check that each day ends where the next one begins, and that no day comes back.

    Until 2010 some clocks went back over midnight. A day that has begun goes on there, whatever the calendar says.
    """
    days, seen = ZoneDays(), []
    for now in (change + step for step in _STEPS):
        place = (zone, f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S}")
        today, end = days.today(zone, now), days.next_midnight(zone, now)
        assert midnight(zone, today) <= now < end, place
        assert today < ZoneDays().today(zone, end), place
        assert today == ZoneDays().today(zone, now), place
        if has_calendar_date:
            assert today == datetime.fromtimestamp(now, zone).date(), place
        seen.append(today)
    assert seen == sorted(seen), (zone, change)
