"""Which day it is in an org's time zone, and when it began. Times are Unix times in seconds.

A day begins once and ends where the next one begins. So where clocks went back over a midnight that had come already,
last in Newfoundland in 2010, the new day goes on; everywhere else the day is the date on the zone's clocks.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from exporter.config.targets import Target
from exporter.exposition.families import DAY_START
from exporter.exposition.store import Draft
from exporter.exposition.text_format import label_text, sample


def midnight(zone: ZoneInfo, day: date) -> float:
    """Give when `day` began; where the clocks skip midnight, the moment of the change."""
    # fold=0 reads a skipped local time with the offset from before the change, which is the change's own moment.
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


class Days:
    """Tells the day in each zone; works out a day's bounds once."""

    def __init__(self) -> None:
        self._bounds: dict[ZoneInfo, tuple[float, float, date]] = {}

    def today(self, zone: ZoneInfo, now: float) -> date:
        """Give the day that it is in `zone` at `now`."""
        start, end, day = self._bounds.get(zone, (0.0, 0.0, date.min))
        if not start <= now < end:
            day = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
            if now >= midnight(zone, day + timedelta(days=1)):
                day += timedelta(days=1)
            self._bounds[zone] = (midnight(zone, day), midnight(zone, day + timedelta(days=1)), day)
        return day

    def next_midnight(self, zone: ZoneInfo, now: float) -> float:
        """Give when the day ends that it is in `zone` at `now`."""
        self.today(zone, now)
        return self._bounds[zone][1]


class OrgDay:
    """The day start of one org, published while any of its targets has values."""

    def __init__(self) -> None:
        self.state: tuple[frozenset[Target], date | None] = (frozenset(), None)
        """Which targets have values, and the day that is published."""

    def put(self, target: Target, day: date | None, draft: Draft) -> None:
        """Tell that a target's values are of `day`, None: that it has none."""
        holders, published = self.state
        holders = holders | {target} if day is not None else holders - {target}
        day = day or (published if holders else None)
        self.state = holders, day if target.zone is not None else published
        if target.zone is not None and day != published:
            labels = label_text({"company": target.company, "org": target.org})
            text = sample(DAY_START.name, labels, midnight(target.zone, day)) if day else ""
            draft.put(DAY_START, (target.company, target.org), text)
