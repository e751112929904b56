"""The current day in an org's time zone, and when it began. Times are Unix times in seconds.

A day begins once and ends where the next one begins. If the clocks go back over a midnight that has already passed, as
in Newfoundland until 2010, the new day continues. Otherwise the day is the date on the zone's clocks.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from exporter.config.targets import Target
from exporter.exposition.families import ORG_VALUES, OrgFigures
from exporter.exposition.store import Draft
from exporter.exposition.text_format import label_text, sample


def midnight(zone: ZoneInfo, day: date) -> float:
    """Return when `day` began; if the clocks skip midnight, the moment of the change."""
    # fold=0 reads a skipped local time with the offset from before the change, which is the change's own moment.
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def previous_day(zone: ZoneInfo, day: date) -> date:
    """Return the day that ended when `day` began: not the date before if the calendar skips it, as Samoa's in 2011."""
    before = day - timedelta(days=1)
    while midnight(zone, before) == midnight(zone, day):
        before -= timedelta(days=1)
    return before


class ZoneDays:
    """The current day of each time zone. The bounds of a day are computed once."""

    def __init__(self) -> None:
        self._bounds: dict[ZoneInfo, tuple[float, float, date]] = {}

    def today(self, zone: ZoneInfo, now: float) -> date:
        """Return the day in `zone` at `now`."""
        start, end, day = self._bounds.get(zone, (0.0, 0.0, date.min))
        if not start <= now < end:
            day = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
            if now >= midnight(zone, day + timedelta(days=1)):
                day += timedelta(days=1)
            self._bounds[zone] = (midnight(zone, day), midnight(zone, day + timedelta(days=1)), day)
        return day

    def next_midnight(self, zone: ZoneInfo, now: float) -> float:
        """Return when the day in `zone` at `now` ends."""
        self.today(zone, now)
        return self._bounds[zone][1]


class PublishedOrg(Struct, frozen=True):
    """The day of an org's values, and the number of folders with values in each of its targets that has any."""

    day: date | None = None
    folders: Mapping[str | None, int] = {}


class OrgSeries:
    """The series of one org, published while any of its targets has values."""

    def __init__(self) -> None:
        self.published = PublishedOrg()

    def put(self, target: Target, day: date | None, folders: int | None, draft: Draft) -> None:
        """Publish that a target has values of `day` in so many folders, or that it has no values (None)."""
        before = draft.latest(self)
        if folders == before.folders.get(target.folder) and (folders is None or day == before.day):
            return
        counts = {each: count for each, count in before.folders.items() if each != target.folder}
        if folders is not None:
            counts[target.folder] = folders
        after = PublishedOrg(before.day if folders is None else day, counts)
        draft.replace(self, after)
        labels = label_text({"company": target.company, "org": target.org})
        for family, value_of in ORG_VALUES.items():
            value = value_of(_figures(after, target.zone)) if counts else None
            text = "" if value is None else sample(family.name, labels, value)
            draft.put(family, (target.company, target.org), text)


def _figures(org: PublishedOrg, zone: ZoneInfo | None) -> OrgFigures:
    day_start = midnight(zone, org.day) if zone is not None and org.day is not None else None
    return OrgFigures(day_start, sum(org.folders.values()))
