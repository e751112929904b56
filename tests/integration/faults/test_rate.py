"""`rate()` and `increase()` of `vspark_folder_calls_total` in a real Prometheus.

The pages are those of the real poller and renderer, scraped at times that a test moves; Prometheus gets them as its own
history. What it has to count is V-Spark's own count at the polls, calculated by the simulator.
"""

import asyncio
import io
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import structlog

from exporter.app import ServeOptions, running
from exporter.config.loaded import LoadedConfig
from exporter.config.schema import Company, Config, Org, Poll, Vspark
from exporter.config.tokens import LiteralToken
from exporter.config.units import Duration
from exporter.exposition.text_format import Format
from exporter.runtime.clock import SystemClock
from exporter.simulator import Company as SimulatedCompany
from exporter.simulator import Fault, Folder, Simulator, Site
from exporter.simulator import Org as SimulatedOrg
from exporter.simulator.calls import folder_calls, midnight, share_of_day
from exporter.web.endpoints import ListenAddress
from tests.support.call_history import load
from tests.support.fake_clock import FakeClock, RunningPoller, polling, target_of
from tests.support.prometheus_process import prometheus, query
from tests.support.raw_servers import CANARY, client_of, until
from tools.bench.measure import free_port

SCRAPE_SECONDS = 30
POLL_SECONDS = 60
RATE_RANGE_SECONDS = 4 * SCRAPE_SECONDS
HIGHEST = 1.02
HIGHEST_AT_A_HOLE = 1.02 * 4 / 3
"""Of the true peak. Of a range that begins or ends in a hole, 4 scrapes may have seen 2 polls, so the calls of 120 s,
and Prometheus takes the 90 s between the scrapes for them."""
CALLS = "vspark_folder_calls_total"
FOLDER = Folder("A", 9_000_000, around_the_clock=True)


def site_of(zone: str, folder: Folder = FOLDER) -> Site:
    return Site((SimulatedCompany("C", CANARY, (SimulatedOrg("O", zone, (folder,)),)),))


@dataclass
class Past:
    """One exporter's past in one zone, life by life, and what Prometheus has to make of it."""

    name: str
    zone: ZoneInfo
    start: float
    clock: FakeClock
    simulator: Simulator
    lines: list[str] = field(default_factory=list)
    scrapes: list[float] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)

    @property
    def now(self) -> float:
        """Return the time of Prometheus and V-Spark, whose clock is never set."""
        return self.start + self.clock.monotonic() - 1000

    async def live(
        self, minutes: float, meanwhile: Callable[[float], None] = lambda _: None, *, events: Sequence[str] = ()
    ) -> None:
        """Run an exporter for so long, and scrape it from its first poll on until its end.

        `meanwhile` is called before each scrape but the first, with the minutes that have passed.
        """
        begun = self.now
        target = target_of(self.zone.key, "A", interval_seconds=float(POLL_SECONDS))
        async with client_of(self.simulator.url) as client, polling(self.clock, client, target) as watched:
            await until(lambda: watched.poller.ready)
            while True:
                await self.scrape(watched)
                if self.now >= begun + minutes * 60:
                    break
                meanwhile((self.now - begun) / 60)
                self.clock.advance(SCRAPE_SECONDS)
            watched.assert_secret()
            assert [event for event, _, _ in watched.events()] == [*events]

    async def scrape(self, watched: RunningPoller) -> None:
        await until(lambda: bool(self.clock.sleepers) and watched.idle)
        while len(self.polls) < len(self.simulator.requests):
            self.polls.append(self.now)
        self.scrapes.append(self.now)
        for line in watched.lines("vspark_folder_calls_", Format.OPENMETRICS):
            name, rest = line.split("{", 1)
            self.lines.append(f'{name}{{past="{self.name}",{rest} {self.now}\n')

    def count(self, moment: float) -> int:
        """Return the simulator's calls of the day of `moment` until then."""
        (company,) = self.simulator.site.companies
        (org,) = company.orgs
        instant = datetime.fromtimestamp(moment, UTC)
        day = instant.astimezone(self.zone).date()
        until_then = share_of_day(self.zone, day, instant)
        return folder_calls(self.simulator.site, org, FOLDER, day, until=until_then).calls

    @property
    def seen(self) -> float:
        """Return the calls between the first and the last scrape that a poll and a scrape could see."""
        total = -self.polled(self.scrapes[0])
        for _, scrapes in groupby(self.scrapes, lambda at: datetime.fromtimestamp(at, self.zone).date()):
            total += self.polled(list(scrapes)[-1])
        return total

    def polled(self, scrape: float) -> int:
        return self.count(self.polls[bisect_right(self.polls, scrape) - 1])

    @property
    def peak(self) -> float:
        """Return the largest true rate, in calls per second."""
        moments = range(int(self.polls[0]), int(self.polls[-1]), POLL_SECONDS)
        return max(max(0, self.count(after) - self.count(before)) for before, after in pairwise(moments)) / POLL_SECONDS

    def over(self, function: str) -> str:
        """Return the expression for `function` over all of this past, which begins just after the range does."""
        milliseconds = round((self.scrapes[-1] - self.scrapes[0]) * 1000) + 1
        return f'{function}({CALLS}{{past="{self.name}"}}[{milliseconds}ms] @ {self.scrapes[-1]})'

    def rates(self, function: str) -> str:
        """Return the expression for the largest or the smallest of all rates."""
        seconds = round(self.scrapes[-1] - self.scrapes[0])
        rate = f'rate({CALLS}{{past="{self.name}"}}[{RATE_RANGE_SECONDS}s])'
        return f"{function}({rate}[{seconds}s:{SCRAPE_SECONDS}s] @ {self.scrapes[-1]})"


async def past(name: str, zone: str, start: datetime, live: Callable[[Past], Awaitable[None]]) -> Past:
    clock = FakeClock(start)
    async with Simulator(site_of(zone)) as simulator:
        found = Past(name, ZoneInfo(zone), start.timestamp(), clock, simulator)
        simulator.clock = lambda: datetime.fromtimestamp(found.now, UTC)
        await live(found)
    return found


async def over_midnight(past: Past) -> None:
    await past.live(60)


async def over_both_midnights(past: Past) -> None:
    await past.live(80)


async def restarted(past: Past) -> None:
    await past.live(43.5)
    past.clock.advance(200)
    await past.live(43)


async def restarted_with_many_short_lives(past: Past) -> None:
    for _ in range(12):
        await past.live(5)
        past.clock.advance(45)


PASTS: dict[str, tuple[str, datetime, Callable[[Past], Awaitable[None]]]] = {
    "midnight": ("Europe/Berlin", datetime(2026, 11, 23, 22, 15, tzinfo=UTC), over_midnight),
    "midnight_of_a_year": ("Pacific/Auckland", datetime(2026, 12, 31, 10, 15, tzinfo=UTC), over_midnight),
    "midnight_after_25_hours": ("America/New_York", datetime(2026, 11, 2, 4, 15, tzinfo=UTC), over_midnight),
    "midnight_skipped": ("Asia/Beirut", datetime(2026, 3, 28, 21, 15, tzinfo=UTC), over_midnight),
    "midnight_twice": ("America/Havana", datetime(2026, 11, 1, 3, 45, tzinfo=UTC), over_both_midnights),
    "midnight_after_24_and_a_half_hours": (
        "Australia/Lord_Howe",
        datetime(2026, 4, 5, 12, 45, tzinfo=UTC),
        over_midnight,
    ),
    "restart_at_midday": ("Europe/Berlin", datetime(2026, 11, 23, 10, 15, tzinfo=UTC), restarted),
    "restart_over_midnight": ("Europe/Berlin", datetime(2026, 11, 23, 22, 15, tzinfo=UTC), restarted),
    "many_restarts": ("Europe/Berlin", datetime(2026, 11, 23, 22, 15, tzinfo=UTC), restarted_with_many_short_lives),
}


class Asked:
    """A Prometheus with these pasts in it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def __call__(self, expression: str) -> float:
        ((_, value),) = [each["value"] for each in await query(self._session, self.url, expression)]
        return float(value)


@asynccontextmanager
async def prometheus_of(folder: Path, *pasts: Past) -> AsyncIterator[Asked]:
    await load([*(line for each in pasts for line in each.lines), "# EOF\n"], folder / "tsdb")
    async with prometheus("http://127.0.0.1:1", folder) as url, aiohttp.ClientSession() as session:
        yield Asked(url, session)


async def test_every_call_is_counted_once_and_no_rate_is_negative_or_a_spike(tmp_path: Path) -> None:
    pasts = [await past(name, *rest) for name, rest in PASTS.items()]
    async with prometheus_of(tmp_path, *pasts) as ask:
        for each in pasts:
            began = midnight(each.zone, datetime.fromtimestamp(each.scrapes[-1], each.zone).date()).timestamp()
            crossed = each.scrapes[0] < began
            assert crossed == (each.name != "restart_at_midday")
            assert await ask(each.over("increase")) == pytest.approx(each.seen, rel=1e-5), each.name
            assert await ask(each.over("resets")) == crossed, each.name
            assert await ask(each.rates("min_over_time")) >= 0, each.name
            highest = HIGHEST if each.name.startswith("midnight") else HIGHEST_AT_A_HOLE
            assert 0 < await ask(each.rates("max_over_time")) <= each.peak * highest, each.name
            created = f'vspark_folder_calls_created{{past="{each.name}"}} @ {each.scrapes[-1]}'
            assert await ask(created) == began, each.name
            if crossed:  # what came behind the last poll and scrape of a day is in no sample
                last = max(scrape for scrape in each.scrapes if scrape < began)
                lost = each.count(began - 0.001) - each.polled(last)
                truth = each.count(began - 0.001) - each.polled(each.scrapes[0]) + each.polled(each.scrapes[-1])
                assert each.seen + lost == truth, each.name
                assert lost <= each.peak * (POLL_SECONDS + began - last), each.name


async def test_a_count_that_is_revised_downwards_is_no_reset(tmp_path: Path) -> None:
    numbers = iter([1000, 1030, 990, 700, 1029, 1050])

    async def revised(past: Past) -> None:
        def revise(minutes: float) -> None:
            if minutes % 2 == 0 and (number := next(numbers, None)) is not None:
                past.simulator.override("C", "O", "A", body=b'{"calls":%d}' % number)

        revise(0)
        await past.live(14, lambda minutes: revise(minutes) if minutes else None)

    found = await past("revised", "Europe/Berlin", datetime(2026, 11, 23, 10, tzinfo=UTC), revised)
    assert [line.split(" ")[1] for line in found.lines if line.startswith(CALLS)][:: 4 * 30 // SCRAPE_SECONDS] == [
        *("1000.0", "1000.0", "1030.0", "1030.0", "1030.0", "1030.0", "1050.0", "1050.0")
    ]
    async with prometheus_of(tmp_path, found) as ask:
        assert await ask(found.over("increase")) == pytest.approx(50, rel=1e-5)
        assert await ask(found.over("resets")) == 0
        assert await ask(found.rates("min_over_time")) >= 0


@pytest.mark.parametrize("begins_at", [8, 17], ids=["values expire before midnight", "and after it"])
@pytest.mark.parametrize("midnights", [1, 2])
async def test_an_outage_over_midnight_loses_no_call(begins_at: int, midnights: int, tmp_path: Path) -> None:
    """V-Spark is away from `begins_at` on, until its count exceeds that of the day before."""
    more_minutes = (midnights - 1) * 24 * 60

    async def away(past: Past) -> None:
        def script(minutes: float) -> None:
            if minutes in (0, 5):
                past.simulator.override("C", "O", "A", body=b'{"calls":%d}' % (2275 if minutes else 2100))
            if minutes == begins_at:
                past.simulator.fail("C", "O", "A", fault=Fault.status(401))
            if minutes == 40:
                past.clock.advance(more_minutes * 60)
            if minutes == 60 + more_minutes:
                past.simulator.override("C", "O", "A", body=b'{"calls":2538}')

        script(0)
        expired = ["values_expired"] if begins_at == 8 else []
        still = ["poll_still_failing"] * (midnights - 1)
        await past.live(70 + more_minutes, script, events=["poll_failed", *expired, *still, "poll_recovered"])

    found = await past("outage", "Europe/Berlin", datetime(2026, 11, 23, 22, 40, tzinfo=UTC), away)
    async with prometheus_of(tmp_path, found) as ask:
        assert await ask(found.over("increase")) == pytest.approx(2275 - 2100 + 2538, rel=1e-5)
        assert await ask(found.over("resets")) == 1


async def test_a_clock_that_is_ahead_over_midnight_for_a_moment_makes_no_call_count_twice(tmp_path: Path) -> None:
    async def set_and_set_right(past: Past) -> None:
        def set_clock(minutes: float) -> None:
            if minutes == 5:  # five minutes before midnight
                past.clock.set(past.now + 600)
            if minutes == 7:
                past.clock.set(past.now)

        await past.live(40, set_clock)

    found = await past("ahead", "Europe/Berlin", datetime(2026, 11, 23, 22, 50, tzinfo=UTC), set_and_set_right)
    async with prometheus_of(tmp_path, found) as ask:
        counted = found.polled(found.start + 5 * 60) - found.polled(found.start) + found.polled(found.scrapes[-1])
        assert await ask(found.over("increase")) == pytest.approx(counted, rel=1e-5)
        assert await ask(found.over("resets")) == 1
        assert await ask(found.rates("max_over_time")) <= found.peak * HIGHEST_AT_A_HOLE


class Shifted(SystemClock):
    """A clock that runs as the machine's does, at another time."""

    def __init__(self, now: datetime) -> None:
        self._ahead_seconds = now.timestamp() - super().time()

    def time(self) -> float:
        return super().time() + self._ahead_seconds

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)


@pytest.mark.release
async def test_a_prometheus_that_scrapes_over_midnight_and_a_restart(tmp_path: Path) -> None:
    folder = Folder("A", 40_000_000, around_the_clock=True)
    clock = Shifted(datetime(2026, 11, 23, 22, 59, 50, tzinfo=UTC))
    begins = datetime(2026, 11, 23, 23, tzinfo=UTC).timestamp()
    port = free_port()
    serving = ServeOptions((ListenAddress("127.0.0.1", port),))
    log = structlog.wrap_logger(structlog.PrintLogger(io.StringIO()))

    async with (
        Simulator(site_of("Europe/Berlin", folder), clock=clock.utc) as simulator,
        prometheus(f"http://127.0.0.1:{port}", tmp_path) as url,
        aiohttp.ClientSession() as session,
    ):
        loaded = LoadedConfig.of(
            Config(
                vspark=Vspark(url=simulator.url, token=LiteralToken(CANARY)),
                companies=(Company(name="C", orgs=(Org(name="O", timezone="Europe/Berlin", folders=("A",)),)),),
                poll=Poll(interval_seconds=Duration(1)),
            )
        )

        async def live(until_time: float) -> None:
            async with running(loaded, lambda: loaded, serving, log, clock):
                await asyncio.sleep(until_time - clock.time())

        await live(begins + 8)
        await live(begins + 16)
        ((series,),) = [await query(session, url, f"{CALLS}[1m]")]
        numbers = [float(number) for _, number in series["values"]]
        (increase,) = await query(session, url, f"increase({CALLS}[1m])")
        (resets,) = await query(session, url, f"resets({CALLS}[1m])")
        (lowest,) = await query(session, url, f"min_over_time(rate({CALLS}[3s])[1m:1s])")
    falls = [number for number, (before, after) in enumerate(pairwise(numbers)) if after < before]
    assert len(falls) == 1
    midnight_after = falls[0]
    exact = numbers[midnight_after] - numbers[0] + numbers[-1]
    times = [float(moment) for moment, _ in series["values"]]
    assert times[-1] - times[0] > 15
    # Prometheus takes half a scrape's interval more at either end.
    assert exact <= float(increase["value"][1]) <= exact * (1 + 2.2 / (times[-1] - times[0]))
    assert float(resets["value"][1]) == 1
    assert float(lowest["value"][1]) >= 0
