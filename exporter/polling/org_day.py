"""The current day in an org's time zone, and when it began. Times are Unix times in seconds.

A day begins once and ends where the next one begins. If the clocks go back over a midnight that has already passed, as
in Newfoundland until 2010, the new day continues. Otherwise the day is the date on the zone's clocks.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from exporter.config.targets import Target
from exporter.exposition.families import DAY_START
from exporter.exposition.text_format import label_text, sample
from exporter.polling.change import Change


def midnight(zone: ZoneInfo, day: date) -> float:
    """Return when `day` began; if the clocks skip midnight, the moment of the change."""
    # fold=0 reads a skipped local time with the offset from before the change, which is the change's own moment.
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


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


class PublishedDay(Struct, frozen=True):
    """The day whose start is published, None for none, and the folders of the org's targets that have values."""

    day: date | None = None
    folders: frozenset[str | None] = frozenset()


class DayStart:
    """Publishes when the day of one org began, as long as any of its targets has values."""

    def __init__(self) -> None:
        self.published = PublishedDay()

    def put(self, target: Target, day: date | None, change: Change) -> None:
        """Record that a target's values belong to `day`, or that it has no values (None)."""
        before = change.latest(self)
        if target.zone is None or (day == before.day and target.folder in before.folders):
            return
        folders = before.folders - {target.folder} if day is None else before.folders | {target.folder}
        day = day or (before.day if folders else None)
        change.replace(self, PublishedDay(day, folders))
        if day != before.day:
            labels = label_text({"company": target.company, "org": target.org})
            text = sample(DAY_START.name, labels, midnight(target.zone, day)) if day else ""
            change.draft.put(DAY_START, (target.company, target.org), text)
