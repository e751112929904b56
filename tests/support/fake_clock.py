"""Time that a test moves, and a poller that runs by it against a real V-Spark on loopback."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from structlog.testing import LogCapture
from structlog.typing import FilteringBoundLogger

from exporter.config.targets import Target
from exporter.config.tokens import LiteralToken
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format
from exporter.polling.poll import Upstream
from exporter.polling.poller import Poller
from exporter.simulator import Company, Folder, Org, Simulator, Site
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from tests.support.raw_servers import CANARY, client_of, until

NOON = datetime(2026, 11, 23, 17, tzinfo=UTC)
"""In US/Eastern."""
FOLDERS = (Folder("A", 500, ("a1", "a2"), around_the_clock=True), Folder("B", 300, around_the_clock=True))


class FakeClock:
    """An `exporter.clock.Clock` that stands still until a test moves it; `start` is aware."""

    def __init__(self, start: datetime) -> None:
        self._time = start.timestamp()
        self._monotonic = 1000.0
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def time(self) -> float:
        return self._time

    def monotonic(self) -> float:
        return self._monotonic

    def utc(self) -> datetime:
        """What the simulator takes for a clock."""
        return datetime.fromtimestamp(self._time, UTC)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        self.sleepers.append((self._monotonic + seconds, woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Let time pass in one step, and wake whose time has come."""
        self.set(self._time + seconds)
        self._monotonic += seconds
        for _, woken in [sleeper for sleeper in self.sleepers if sleeper[0] <= self._monotonic]:
            if not woken.done():
                woken.set_result(None)
        self.sleepers = [sleeper for sleeper in self.sleepers if not sleeper[1].done()]

    def set(self, time: float) -> None:
        """Set the clock on the wall, as an administrator does, or a machine that wakes up: nothing else moves."""
        self._time = time

    async def pass_time(self, seconds: float, *, settled: Callable[[], bool] = lambda: True) -> None:
        """Let time pass from sleeper to sleeper, each time until all of them sleep again and `settled` holds."""
        end = self._monotonic + seconds
        while True:
            await until(lambda: bool(self.sleepers) and settled())
            earliest = min(wake for wake, _ in self.sleepers)
            if earliest > end:
                break
            self.advance(earliest - self._monotonic)
        self.advance(end - self._monotonic)


def target_of(
    zone: str | None,
    folder: str | None = None,
    *,
    org: str = "O",
    interval_seconds: float = 60.0,
    stale_after_seconds: float = 300.0,
) -> Target:
    """Make a target of the company C, whose token is the canary."""
    return Target(
        "C", org, folder, ZoneInfo(zone) if zone else None, interval_seconds, stale_after_seconds, LiteralToken(CANARY)
    )


@dataclass(frozen=True)
class Watched:
    """An upstream that remembers when it was asked for what, and how many answers it still owes."""

    upstream: Upstream
    clock: FakeClock
    begun: list[tuple[str, float]]
    running: list[str]

    async def fetch(self, target: Target, day: date | None) -> bytes:
        self.begun.append((target.name, self.clock.monotonic()))
        self.running.append(target.name)
        try:
            return await self.upstream.fetch(target, day)
        finally:
            self.running.remove(target.name)


@dataclass(frozen=True)
class Polling:
    """A poller at work: what it publishes, logs and asks."""

    poller: Poller
    task: asyncio.Task[None]
    store: Store
    upstream: Watched
    logged: Sequence[MutableMapping[str, Any]]

    def page(self, form: Format = Format.TEXT) -> str:
        return b"".join(self.store.pages[form].text()[1]).decode()

    def lines(self, labels: str = "", form: Format = Format.TEXT) -> list[str]:
        """Give the samples in whose labels `labels` stands, such as `org="O"`."""
        return [line for line in self.page(form).splitlines() if not line.startswith("#") and labels in line]

    def text(self, labels: str = "", form: Format = Format.TEXT) -> str:
        return "".join(f"{line}\n" for line in self.lines(labels, form))

    def value(self, series: str, form: Format = Format.TEXT) -> float | None:
        """Give the value of a series, by name and labels in braces; None where there is none."""
        values = [line.removeprefix(f"{series} ") for line in self.lines(form=form) if line.startswith(f"{series} ")]
        return float(values[0]) if values else None

    @property
    def idle(self) -> bool:
        """Whether no poll is under way; one that has been counted still is, while its curve is drawn."""
        return all(polled.task is None for polled in self.poller._polled)

    async def polled(self, seconds: float = 60.0) -> None:
        """Let so much time pass in one step, and wait until every target has been polled again."""
        before = self.lines("vspark_polls_total{")
        self.upstream.clock.advance(seconds)
        await until(lambda: not set(before) & set(self.lines("vspark_polls_total{")) and self.idle)

    def events(self) -> list[tuple[str, str, str]]:
        """Give what was logged, but for the debug lines: event, target, reason."""
        return [
            (each["event"], each["target"], each.get("reason", ""))
            for each in self.logged
            if each["log_level"] != "debug"
        ]

    async def replace(self, *targets: Target, upstream: Upstream | None = None, rules: AgentRules | None = None) -> str:
        """Poll other targets, in place of those before; give what has changed."""
        replaced = await self.poller.replace(
            targets,
            self.upstream if upstream is None else upstream,
            reader=self.poller._reader,
            rules=rules or self.poller._rules,
        )
        return f"{replaced.targets} targets, {replaced.added} new, {replaced.changed} changed, {replaced.removed} gone"

    def assert_secret(self) -> None:
        """Look for the canary in everything that people get to see."""
        seen = [self.page(), self.page(Format.OPENMETRICS), *(repr(dict(each)) for each in self.logged)]
        assert [text for text in seen if "canary" in text or "T0k" in text] == []


@asynccontextmanager
async def polling(clock: FakeClock, upstream: Upstream, *targets: Target) -> AsyncIterator[Polling]:
    """Poll while the block runs."""
    store = Store()
    capture = LogCapture()
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    watched = Watched(upstream, clock, [], [])
    poller = Poller(
        targets,
        watched,
        store,
        reader=Parser(Layouts((), (), ())),
        rules=AgentRules(enabled=True, max_per_folder=1000, include=".*", exclude=""),
        clock=clock,
        log=log,
    )
    task = asyncio.create_task(poller.run())
    try:
        yield Polling(poller, task, store, watched, capture.entries)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def site_of(*targets: Target) -> Site:
    """Make a site that has the orgs of `targets`, each with FOLDERS."""
    zones = {target.org: target.zone.key if target.zone else "US/Eastern" for target in targets}
    return Site((Company("C", CANARY, tuple(Org(org, zone, FOLDERS) for org, zone in zones.items())),))


@asynccontextmanager
async def watching(*targets: Target, start: datetime = NOON) -> AsyncIterator[tuple[Simulator, FakeClock, Polling]]:
    """Poll a simulator of `site_of(*targets)`.

    Nothing is asked before the first await in the block: until then it may be told what to answer.
    """
    clock = FakeClock(start)
    async with (
        Simulator(site_of(*targets), clock=clock.utc) as simulator,
        client_of(simulator.url, concurrency=len(targets)) as client,
        polling(clock, client, *targets) as watched,
    ):
        yield simulator, clock, watched
        watched.assert_secret()
