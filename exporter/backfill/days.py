"""The days of a backfill, and the times of their samples. Times are Unix times in seconds."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from exporter.config.targets import Target
from exporter.polling.org_day import midnight

RECENT_SECONDS: Final = 3 * 3600
"""Samples of the last three hours are not written.

Prometheus keeps them in its head block, and promtool's blocks must not overlap with it (Prometheus documentation,
"Storage", section "Backfilling from OpenMetrics format"). A block that ends later than the head's beginning makes
Prometheus drop the samples before its end when it starts, those of all series.
"""
ONE_DAY: Final = timedelta(days=1)


class Span(Struct, frozen=True, order=True):
    """Consecutive days, both ends included."""

    first: date
    last: date

    def __str__(self) -> str:
        """Return the days for people."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __iter__(self) -> Iterator[date]:
        return (self.first + number * ONE_DAY for number in range(len(self)))


def spans(days: Sequence[date]) -> list[Span]:
    """Return sorted days as spans."""
    found: list[Span] = []
    for day in days:
        if found and day == found[-1].last + ONE_DAY:
            found[-1] = Span(found[-1].first, day)
        else:
            found.append(Span(day, day))
    return found


class Rejected(Struct, frozen=True):
    """Days of an org that are not requested, and why."""

    org: str
    days: Span
    reason: str


class TargetDays(Struct, frozen=True):
    """The days to write for a target."""

    target: Target
    zone: ZoneInfo
    days: Span


def plan(
    targets: Sequence[Target], first: date, last: date | None, now: float
) -> tuple[list[TargetDays], list[Rejected]]:
    """Return the days of each target from `first` to `last` that can be written at `now`, and those that cannot be.

    Without `last`, it is the latest day of the target's org that can be written: yesterday, or within three hours after
    midnight the day before.
    """
    planned: list[TargetDays] = []
    rejected: dict[Rejected, None] = {}
    for target in targets:
        org = f"{target.company}/{target.org}"
        if target.zone is None:
            no_zone = "its time zone is unknown, so its days have no beginning: set companies[].orgs[].timezone"
            rejected[Rejected(org, Span(first, last or first), no_zone)] = None
            continue
        latest = _latest(target.zone, now)
        end = min(last or max(latest, first), latest)
        if first <= end:
            planned.append(TargetDays(target, target.zone, Span(first, end)))
        if last is not None or first > latest:
            for days, reason in _too_late(target.zone, Span(max(first, latest + ONE_DAY), last or first), now):
                rejected[Rejected(org, days, reason)] = None
    return planned, list(rejected)


def sample_times(zone: ZoneInfo, day: date, step_seconds: int, now: float) -> range:
    """Return when a day has samples: from the midnight that ends it until before the next one, every `step_seconds`.

    The next midnight has the sample of the next day. There are none of the last three hours before `now`, and none of a
    day that the calendar skips, as Samoa's did in 2011.
    """
    start = midnight(zone, day + ONE_DAY)
    if midnight(zone, day) == start:
        return range(0)
    following = day + 2 * ONE_DAY
    while midnight(zone, following) == start:
        following += ONE_DAY
    return range(int(start), int(min(midnight(zone, following), now - RECENT_SECONDS)), step_seconds)


def _latest(zone: ZoneInfo, now: float) -> date:
    """Return the last day that has a sample."""
    day = datetime.fromtimestamp(now - RECENT_SECONDS, UTC).astimezone(zone).date()
    while midnight(zone, day + ONE_DAY) >= now - RECENT_SECONDS:
        day -= ONE_DAY
    return day


def _too_late(zone: ZoneInfo, days: Span, now: float) -> Iterator[tuple[Span, str]]:
    """Yield those days after the latest one that are over, and those that are not, with the reason."""
    over = days.first - ONE_DAY
    while over < days.last and midnight(zone, over + 2 * ONE_DAY) <= now:
        over += ONE_DAY
    if over >= days.first:
        yield (
            Span(days.first, over),
            "it ended less than three hours ago, and Prometheus must not load samples that are so new",
        )
    if over < days.last:
        yield Span(over + ONE_DAY, days.last), f"the day is not over in {zone.key}"
