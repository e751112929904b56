"""A clock that tests move, and a poller that runs by it against a simulated V-Spark on loopback."""

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
from tests.support.samples import compared_samples

NOON = datetime(2026, 11, 23, 17, tzinfo=UTC)
"""In US/Eastern."""
FOLDERS = (Folder("A", 500, ("a1", "a2"), around_the_clock=True), Folder("B", 300, around_the_clock=True))


class FakeClock:
    """A `Clock` that stands still until a test moves it; `start` is an aware datetime."""

    def __init__(self, start: datetime) -> None:
        self._time = start.timestamp()
        self._monotonic = 1000.0
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._sleeping: dict[asyncio.Future[None], asyncio.Task[object] | None] = {}

    def time(self) -> float:
        return self._time

    def monotonic(self) -> float:
        return self._monotonic

    def utc(self) -> datetime:
        """Return the time as the simulator wants it."""
        return datetime.fromtimestamp(self._time, UTC)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        self.sleepers.append((self._monotonic + seconds, woken))
        self._sleeping[woken] = asyncio.current_task()
        try:
            await woken
        finally:
            del self._sleeping[woken]

    def is_sleeping(self, task: asyncio.Task[None]) -> bool:
        """Return whether a task sleeps until the clock is moved further than now."""
        return any(each is task and not woken.done() for woken, each in self._sleeping.items())

    def advance(self, seconds: float) -> None:
        """Let time pass in one step and wake the sleepers that are due."""
        self.set(self._time + seconds)
        self._monotonic += seconds
        for _, woken in [sleeper for sleeper in self.sleepers if sleeper[0] <= self._monotonic]:
            if not woken.done():
                woken.set_result(None)
        self.sleepers = [sleeper for sleeper in self.sleepers if not sleeper[1].done()]

    def set(self, time: float) -> None:
        """Set the wall clock only, as an administrator does, or a machine that wakes up."""
        self._time = time

    async def pass_time(self, seconds: float, *, settled: Callable[[], bool] = lambda: True) -> None:
        """Let time pass from sleeper to sleeper; after each, wait until all sleep again and `settled` holds."""
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
    """Return a target of the company C whose token is the canary."""
    return Target(
        "C", org, folder, ZoneInfo(zone) if zone else None, interval_seconds, stale_after_seconds, LiteralToken(CANARY)
    )


@dataclass(frozen=True)
class Watched:
    """An upstream that remembers when each request began, and which ones are still running."""

    upstream: Upstream
    clock: FakeClock
    begun: list[tuple[str, float]]
    running: list[str]

    async def fetch(self, target: Target, day: date | None, *, spare: bool = False) -> bytes:
        self.begun.append((target.name, self.clock.monotonic()))
        self.running.append(target.name)
        try:
            return await self.upstream.fetch(target, day, spare=spare)
        finally:
            self.running.remove(target.name)


@dataclass(frozen=True)
class RunningPoller:
    """A running poller: what it publishes, logs and requests."""

    poller: Poller
    task: asyncio.Task[None]
    store: Store
    upstream: Watched
    logged: Sequence[MutableMapping[str, Any]]

    def page(self, form: Format = Format.TEXT) -> str:
        return b"".join(self.store.pages[form].text()[1]).decode()

    def lines(self, labels: str = "", form: Format = Format.TEXT) -> list[str]:
        """Return the samples that contain `labels`, such as `org="O"`."""
        return [line for line in compared_samples(self.page(form)) if labels in line]

    def text(self, labels: str = "", form: Format = Format.TEXT) -> str:
        return "".join(f"{line}\n" for line in self.lines(labels, form))

    def value(self, series: str, form: Format = Format.TEXT) -> float | None:
        """Return the value of a series by its name and labels in braces; None if it does not exist."""
        lines = self.page(form).splitlines()
        values = [line.removeprefix(f"{series} ") for line in lines if line.startswith(f"{series} ")]
        return float(values[0]) if values else None

    @property
    def idle(self) -> bool:
        """Whether the poller sleeps, no poll is running, and all are published.

        A poll that is counted still runs while its curve is drawn. A sleep from which the poller is to be woken, for
        other targets, does not count.
        """
        running = [*(state.task for state in self.poller._states), self.poller._previous_days._task]
        sleeps = self.poller._nap is not None and self.upstream.clock.is_sleeping(self.task)
        return sleeps and not any(running) and not self.store.changed

    async def polled(self, seconds: float = 60.0) -> None:
        """Let time pass in one step and wait until every target has been polled again."""
        before = self.lines("vspark_polls_total{")
        self.upstream.clock.advance(seconds)
        await until(lambda: not set(before) & set(self.lines("vspark_polls_total{")) and self.idle)

    def events(self) -> list[tuple[str, str, str]]:
        """Return event, target and reason of every log line above debug."""
        return [
            (each["event"], each["target"], each.get("reason", ""))
            for each in self.logged
            if each["log_level"] != "debug"
        ]

    async def replace(
        self,
        *targets: Target,
        upstream: Upstream | None = None,
        rules: AgentRules | None = None,
        new_server: bool = False,
    ) -> str:
        """Replace the targets; return what has changed."""
        replaced = await self.poller.replace(
            targets,
            self.upstream if upstream is None else upstream,
            parser=self.poller._parser,
            rules=rules or self.poller._rules,
            new_server=new_server,
        )
        return f"{replaced.targets} targets, {replaced.added} new, {replaced.changed} changed, {replaced.removed} gone"

    def assert_secret(self) -> None:
        """Check that no page and no log line contains the canary."""
        seen = [self.page(), self.page(Format.OPENMETRICS), *(repr(dict(each)) for each in self.logged)]
        assert [text for text in seen if "canary" in text or "T0k" in text] == []


@asynccontextmanager
async def polling(clock: FakeClock, upstream: Upstream, *targets: Target) -> AsyncIterator[RunningPoller]:
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
        parser=Parser(Layouts()),
        rules=AgentRules(enabled=True, max_per_folder=1000, include=".*", exclude=""),
        clock=clock,
        log=log,
    )
    task = asyncio.create_task(poller.run())
    try:
        yield RunningPoller(poller, task, store, watched, capture.entries)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def site_of(*targets: Target) -> Site:
    """Return a site with the orgs of `targets`, each with FOLDERS."""
    zones = {target.org: target.zone.key if target.zone else "US/Eastern" for target in targets}
    return Site((Company("C", CANARY, tuple(Org(org, zone, FOLDERS) for org, zone in zones.items())),))


@asynccontextmanager
async def watching(
    *targets: Target, start: datetime = NOON
) -> AsyncIterator[tuple[Simulator, FakeClock, RunningPoller]]:
    """Poll a simulator of `site_of(*targets)`.

    Nothing is requested before the first await in the block, so the block can set up the simulator first.
    """
    clock = FakeClock(start)
    async with (
        Simulator(site_of(*targets), clock=clock.utc) as simulator,
        client_of(simulator.url, concurrency=len(targets)) as client,
        polling(clock, client, *targets) as watched,
    ):
        yield simulator, clock, watched
        watched.assert_secret()
