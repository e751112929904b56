"""The current day in an org's time zone, and when it began. Times are Unix times in seconds.

A day begins once and ends where the next one begins. If the clocks go back over a midnight that has already passed, as
in Newfoundland until 2010, the new day continues. Otherwise the day is the date on the zone's clocks.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from msgspec import Struct

from exporter.config.targets import Target
from exporter.exposition.families import ORG_VALUES, OrgFigures
from exporter.exposition.store import Draft
from exporter.exposition.text_format import label_text, sample


@lru_cache(maxsize=1024)
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
    """The day of an org's values, and the numbers of its targets and folders that have any."""

    day: date | None = None
    targets: int = 0
    folders: int = 0


class OrgSeries:
    """The series of one org, published while any of its targets has values."""

    def __init__(self) -> None:
        self.published = PublishedOrg()

    def put(self, target: Target, day: date | None, before: int | None, folders: int | None, draft: Draft) -> None:
        """Publish that a target has values of `day` in so many folders, or that it has no values (None).

        `before` says the same of what the target has published so far.
        """
        org = draft.latest(self)
        if folders == before and (folders is None or day == org.day):
            return
        if org is self.published:
            draft.before_commit(partial(self._write, target))
        after = PublishedOrg(
            org.day if folders is None else day,
            org.targets - (before is not None) + (folders is not None),
            org.folders - (before or 0) + (folders or 0),
        )
        draft.replace(self, after)

    def _write(self, target: Target, draft: Draft) -> None:
        """Write the samples that have changed, once for all targets of the org that a draft changes."""
        old, new = (
            _figures(each, target.zone) if each.targets else None for each in (self.published, draft.latest(self))
        )
        for family, value_of in ORG_VALUES.items():
            value = None if new is None else value_of(new)
            if value != (None if old is None else value_of(old)):
                labels = label_text({"company": target.company, "org": target.org})
                text = "" if value is None else sample(family.name, labels, value)
                draft.put(family, (target.company, target.org), text)


def _figures(org: PublishedOrg, zone: ZoneInfo | None) -> OrgFigures:
    day_start = midnight(zone, org.day) if zone is not None and org.day is not None else None
    return OrgFigures(day_start, org.folders)
