"""Days that are not as others, and clocks that are not right, over real HTTP.

What is shown is compared with what the simulator, which shares no code with the exporter, knows of that day.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from exporter.config.targets import Target
from exporter.exposition.text_format import Format
from exporter.polling.schedule import offset_seconds
from exporter.simulator import Fault, Folder, Org, Shape, Simulator, Site
from exporter.simulator.calls import midnight
from exporter.simulator.responses import stats
from tests.support.fake_clock import FakeClock, RunningPoller, polling, site_of, target_of
from tests.support.raw_servers import client_of, until

HOUR = 3600.0
JUST_AFTER = 0.001
FOLDERS = (Folder("A", 40_000, around_the_clock=True),)
TEN_MINUTES = timedelta(minutes=10)
LABELS = '{company="C",folder="A",org="O"}'
CALLS, TOTAL, CREATED = (f"vspark_folder_calls_{name}{LABELS}" for name in ("today", "total", "created"))
UP, POLLS, SKIPPED = (f"vspark_{name}{LABELS}" for name in ("up", "polls_total", "polls_skipped_total"))
LONGEST_SLEEP_SECONDS = 5.0
"""After it, the poller notices that the clock was set."""
DAY_START = 'vspark_day_start_timestamp_seconds{company="C",org="O"}'


class World:
    """An exporter with one target, folder A, and its V-Spark, whose clock may be off by `ahead`."""

    def __init__(self, simulator: Simulator, clock: FakeClock, watched: RunningPoller, target: Target) -> None:
        self.simulator = simulator
        self.clock = clock
        self.watched = watched
        self.first_tick = clock.monotonic() + offset_seconds(target)
        self._interval_seconds = target.interval_seconds

    @property
    def requested(self) -> list[str | None]:
        return [request.query.get("daterange") for request in self.simulator.requests]

    def ticks(self, until_monotonic: float) -> Iterator[float]:
        """Return when polls are due, in monotonic seconds."""
        tick = self.first_tick
        while tick < until_monotonic:
            yield tick
            tick += self._interval_seconds

    async def pass_to(self, *times: float) -> None:
        """Let time pass to each of these moments, and wait each time until one more poll has ended."""
        for time in times:
            polls = self.watched.value(POLLS) or 0
            self.clock.advance(time - self.clock.time() + JUST_AFTER)
            await until(lambda: self.watched.value(POLLS) == polls + 1 and self.watched.idle)  # noqa: B023 # awaited in this turn

    def calls(self, day: date) -> int:
        """Return V-Spark's own count of a day until now, by its clock."""
        org = self.simulator.site.companies[0].orgs[0]
        daterange = f"{day:%Y%m%d}-{day:%Y%m%d}"
        found = stats(self.simulator.site, org, FOLDERS, self.simulator.clock(), daterange)
        return sum(each.calls for each in found)

    def assert_shows(self, day: date, zone: ZoneInfo) -> None:
        """Compare the page with V-Spark's own numbers of the day that was requested."""
        shown = [self.watched.value(series) for series in (CALLS, TOTAL, UP, SKIPPED)]
        assert shown == [self.calls(day), self.calls(day), 1, 0]
        began = midnight(zone, day).timestamp()
        assert self.watched.value(DAY_START) == self.watched.value(CREATED, Format.OPENMETRICS) == began
        assert self.requested[-1] == f"{day:%Y%m%d}-{day:%Y%m%d}"


def busy_site(target: Target) -> Site:
    """Make a busy site that was there before Samoa crossed the date line."""
    site = site_of(target)
    (company,) = site.companies
    orgs: tuple[Org, ...] = tuple(replace(org, created=date(2010, 1, 1), folders=FOLDERS) for org in company.orgs)
    return replace(site, companies=(replace(company, orgs=orgs),))


@asynccontextmanager
async def world(
    zone: str | None,
    start: datetime,
    *,
    interval_seconds: float = HOUR,
    ahead: timedelta = timedelta(0),
    shape: Shape = Shape.LIST,
) -> AsyncIterator[World]:
    target = target_of(zone, "A", interval_seconds=interval_seconds, stale_after_seconds=2.5 * interval_seconds)
    clock = FakeClock(start)
    async with (
        Simulator(busy_site(target), clock=lambda: clock.utc() + ahead, shape=shape) as simulator,
        client_of(simulator.url) as client,
        polling(clock, client, target) as watched,
    ):
        yield World(simulator, clock, watched, target)
        watched.assert_secret()


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


# Days


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 12, 31), 24),  # a year's end
        ("Europe/Berlin", date(2028, 2, 29), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("America/St_Johns", date(2026, 3, 8), 23),
        ("America/St_Johns", date(2026, 11, 1), 25),
        ("Australia/Sydney", date(2026, 4, 5), 25),
        ("Australia/Sydney", date(2026, 10, 4), 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Pacific/Auckland", date(2026, 4, 5), 25),
        ("Pacific/Auckland", date(2026, 9, 27), 23),
        ("Pacific/Auckland", date(2026, 12, 31), 24),
        ("Asia/Kathmandu", date(2026, 12, 31), 24),
        # Midnight is skipped, so the day begins at 1:00.
        ("America/Sao_Paulo", date(2017, 10, 15), 23),
        ("America/Asuncion", date(2023, 10, 1), 23),
        ("America/Havana", date(2026, 3, 8), 23),
        ("America/Santiago", date(2026, 9, 6), 23),
        ("Asia/Beirut", date(2026, 3, 29), 23),
        ("Africa/Cairo", date(2026, 4, 24), 23),
        # The clocks reach midnight and go back to 23:00 of the same day.
        ("America/Sao_Paulo", date(2018, 2, 17), 25),
        ("America/Asuncion", date(2024, 3, 23), 25),
        ("Asia/Beirut", date(2026, 10, 24), 25),
        # Midnight comes twice.
        ("America/Havana", date(2026, 11, 1), 25),
        # There was no 30 December.
        ("Pacific/Apia", date(2011, 12, 29), 24),
        ("Pacific/Apia", date(2011, 12, 31), 24),
    ],
)
async def test_a_day_from_before_its_midnight_until_after_the_next(zone: str, day: date, hours: float) -> None:
    place = ZoneInfo(zone)
    begins = midnight(place, day).timestamp()
    ends = begins + hours * HOUR
    before, after = (datetime.fromtimestamp(moment, place).date() for moment in (begins - 1, ends))
    start = begins - 1.7 * HOUR
    async with world(zone, datetime.fromtimestamp(start, UTC)) as here:
        await until(lambda: here.watched.poller.ready)
        here.assert_shows(before, place)
        ticks = [tick - 1000 + start for tick in here.ticks(1000 + ends + 2 * HOUR - start)]
        events = sorted([*ticks, begins, ends])
        assert min(later - earlier for earlier, later in pairwise(events)) > 30
        for event in events:
            if event in (begins, ends):  # until that moment, nothing is requested and the last values stay
                here.clock.advance(event - 0.25 - here.clock.time())
                await until(lambda: bool(here.clock.sleepers))
                last = before if event == begins else day
                assert here.requested[-1] == f"{last:%Y%m%d}-{last:%Y%m%d}"
            await here.pass_to(event)
            here.assert_shows(before if event < begins else day if event < ends else after, place)
        days = [(event >= begins) + (event >= ends) for event in (start, *events)]
        names = [f"{each:%Y%m%d}-{each:%Y%m%d}" for each in (before, day, after)]
        assert here.requested == [names[number] for number in days]
        assert here.watched.value(POLLS) == len(events) + 1
        assert here.watched.events() == []


async def test_what_fails_over_midnight_shows_nothing_of_the_day_before() -> None:
    async with world("Europe/Berlin", local("2026-12-31T23:59", "Europe/Berlin")) as here:
        await until(lambda: here.watched.poller.ready)
        assert here.watched.value(CALLS)
        here.simulator.fail("C", "O", "A", fault=Fault.status(503))
        await here.pass_to(here.clock.time() + 60)
        assert [here.watched.value(series) for series in (CALLS, TOTAL, DAY_START, UP)] == [None, 0, None, 0]
        here.simulator.heal_all()
        await here.pass_to(here.clock.time() + HOUR)
        here.assert_shows(date(2027, 1, 1), ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize("shape", [Shape.BARE, Shape.LIST])
async def test_an_answer_that_arrives_after_midnight_and_the_next_one_fails(shape: Shape) -> None:
    start = local("2026-10-24T23:59:50", "Europe/Berlin")
    async with world("Europe/Berlin", start, shape=shape) as here:
        here.simulator.fail("C", "O", "A", fault=Fault.slow(0.1), times=1)
        await until(lambda: len(here.requested) == 1)
        here.simulator.fail("C", "O", "A", fault=Fault.status(500))
        here.clock.advance(15)
        await until(lambda: here.watched.value(POLLS) == 1)
        shown = [here.watched.value(series) for series in (CALLS, TOTAL, DAY_START, UP)]
        assert shown == [None, None, None, 0]
        assert here.watched.events() == [("answer_too_late", "C/O/A", ""), ("poll_failed", "C/O/A", "server_error")]
        here.simulator.heal_all()
        await here.pass_to(here.clock.time() + HOUR)
        here.assert_shows(date(2026, 10, 25), ZoneInfo("Europe/Berlin"))


# Clocks


@pytest.mark.parametrize("ahead", [TEN_MINUTES, -TEN_MINUTES])
@pytest.mark.parametrize("shape", [Shape.LIST, Shape.BARE])  # with a date in the response, and without
async def test_an_upstream_whose_clock_is_ten_minutes_off(ahead: timedelta, shape: Shape) -> None:
    """Values are of the org's day by our clock: a day that V-Spark has not begun yet has no calls."""
    zone = ZoneInfo("Europe/Berlin")
    start, over = local("2026-11-23T23:40:30", zone.key), local("2026-11-24T00:20", zone.key).timestamp()
    async with world(zone.key, start, interval_seconds=60, ahead=ahead, shape=shape) as here:
        await until(lambda: here.watched.poller.ready)
        begins = local("2026-11-24T00:00", zone.key).timestamp()
        ticks = [tick - 1000 + start.timestamp() for tick in here.ticks(1000 + over - start.timestamp())]
        for event in sorted([*ticks, begins]):
            await here.pass_to(event)
            here.assert_shows(date(2026, 11, 24 if event >= begins else 23), zone)
            if ahead < timedelta(0) and begins <= event < begins + 600:
                assert here.watched.value(CALLS) == 0
        assert here.watched.value(CALLS)


@pytest.mark.parametrize("ahead", [TEN_MINUTES, -TEN_MINUTES])
@pytest.mark.parametrize("shape", [Shape.LIST, Shape.BARE])
async def test_without_a_time_zone_the_day_is_that_of_the_upstreams_clock(ahead: timedelta, shape: Shape) -> None:
    zone = ZoneInfo("US/Eastern")  # the simulator's for an org whose zone we do not know
    start, over = local("2026-11-23T23:40:30", zone.key), local("2026-11-24T00:20", zone.key).timestamp()
    async with world(None, start, interval_seconds=60, ahead=ahead, shape=shape) as here:
        await until(lambda: here.watched.poller.ready)
        days = []
        for tick in here.ticks(1000 + over - start.timestamp()):
            await here.pass_to(tick - 1000 + start.timestamp())
            days.append(here.simulator.clock().astimezone(zone).date())
            assert here.watched.value(CALLS) == here.watched.value(TOTAL) == here.calls(days[-1])
            assert here.watched.value(DAY_START) is None
        assert set(here.requested) == {None}
        assert set(days) == {date(2026, 11, 23), date(2026, 11, 24)}


async def test_an_answer_of_another_day_than_was_asked_for_is_no_number_of_today() -> None:
    async with world("Europe/Berlin", local("2026-11-24T00:05", "Europe/Berlin")) as here:
        here.simulator.override("C", "O", "A", body=b'[{"date":"20261123","folder":"A","calls":5000}]')
        await until(lambda: here.watched.poller.ready)
        assert (here.watched.value(CALLS), here.watched.value(TOTAL)) == (0, 0)


@pytest.mark.parametrize(
    ("start", "then"),
    [
        pytest.param("2026-11-23T23:00", "2026-11-24T00:00", id="an hour forward, to midnight"),
        pytest.param("2026-11-23T23:00", "2026-11-24T07:00", id="slept over midnight"),
        pytest.param("2026-11-23T23:00", "2026-11-26T00:00", id="slept for days"),
        pytest.param("2026-12-31T12:00", "2027-01-01T12:00", id="slept over a year's end"),
        pytest.param("2026-10-31T12:00", "2026-11-01T12:00", id="slept over a change of the clocks"),
        pytest.param("2017-06-01T00:00", "2026-11-24T07:00", id="started long ago"),
    ],
)
async def test_the_clock_goes_forward_to_another_day(start: str, then: str) -> None:
    zone = ZoneInfo("US/Eastern")
    begins, wakes = (datetime.fromisoformat(each).replace(tzinfo=zone) for each in (start, then))
    async with world(zone.key, begins) as here:
        await until(lambda: here.watched.poller.ready)
        here.assert_shows(begins.date(), zone)
        here.clock.set(wakes.timestamp() - LONGEST_SLEEP_SECONDS)
        await here.pass_to(wakes.timestamp())
        here.assert_shows(wakes.date(), zone)
        assert len(here.requested) == 2


@pytest.mark.parametrize(
    ("start", "then"),
    [
        pytest.param("2026-11-24T00:00:01", "2026-11-23T23:59:59", id="by seconds"),
        pytest.param("2026-11-24T00:10", "2026-11-23T23:50", id="by minutes"),
        pytest.param("2026-11-01T00:10", "2026-10-31T23:50", id="before a change of the clocks"),
        pytest.param("2027-01-01T00:10", "2026-12-31T23:50", id="over a year's end"),
        pytest.param("2026-11-26T12:00", "2026-11-23T23:50", id="by days"),
    ],
)
async def test_the_clock_goes_back_over_midnight(start: str, then: str) -> None:
    """Nothing is left of the day that has not come, and the counter waits for it."""
    zone = ZoneInfo("US/Eastern")
    begins, again = (datetime.fromisoformat(each).replace(tzinfo=zone) for each in (start, then))
    day = again.date()
    async with world(zone.key, begins) as here:
        await until(lambda: here.watched.poller.ready)
        here.assert_shows(begins.date(), zone)
        here.clock.set(again.timestamp() - LONGEST_SLEEP_SECONDS)
        await here.pass_to(again.timestamp())
        assert (here.watched.value(CALLS), here.watched.value(TOTAL)) == (here.calls(day), None)
        assert here.calls(day) > 0
        assert here.watched.value(CREATED, Format.OPENMETRICS) is None
        assert here.watched.value(DAY_START) == midnight(zone, day).timestamp()
        next_midnight = midnight(zone, day + timedelta(days=1)).timestamp()
        await here.pass_to(next_midnight)
        here.assert_shows(day + timedelta(days=1), zone)
        assert here.requested == [
            f"{each:%Y%m%d}-{each:%Y%m%d}" for each in (begins.date(), day, day + timedelta(days=1))
        ]


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
async def test_the_clock_is_set_by_an_hour_within_a_day(seconds: float) -> None:
    zone = ZoneInfo("US/Eastern")
    async with world(zone.key, local("2026-11-23T12:00", zone.key)) as here:
        await until(lambda: here.watched.poller.ready)
        before = here.watched.value(TOTAL)
        here.clock.set(here.clock.time() + seconds)
        assert here.watched.value(TOTAL) == before
        await here.pass_to(here.clock.time() + HOUR)
        assert here.watched.value(CALLS) == here.calls(date(2026, 11, 23))
        assert here.watched.value(TOTAL) == max(here.watched.value(CALLS) or 0, before or 0)
        assert len(here.requested) == 2


async def test_monotonic_time_jumps_and_the_clock_on_the_wall_does_not() -> None:
    zone = ZoneInfo("US/Eastern")
    async with world(zone.key, local("2026-11-23T12:00", zone.key)) as here:
        await until(lambda: here.watched.poller.ready)
        now = here.clock.time()
        here.clock.advance(8 * HOUR)
        here.clock.set(now)
        await until(lambda: here.watched.value(POLLS) == 2)
        here.assert_shows(date(2026, 11, 23), zone)
        await asyncio.sleep(0.05)
        assert len(here.requested) == 2
        assert here.watched.events() == [("values_expired", "C/O/A", "")]
