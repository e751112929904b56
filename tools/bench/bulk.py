"""Row `bulk`: changes of 3,000 targets at once, in this process and with a clock that is set to midnight.

Polls cannot publish meanwhile, so the elapsed time counts. The ordinary exporter removes the same folders from its
Gauges, label by label.
"""

import asyncio
import gc
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from structlog.typing import FilteringBoundLogger

from exporter.app import collect_seldom
from exporter.config.targets import Target
from exporter.config.tokens import LiteralToken
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format
from exporter.polling.poller import Poller
from exporter.runtime.clock import SystemClock
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from tools.bench import ordinary
from tools.bench.report import ORDINARY, OURS, Claim, Outcome, Table
from tools.bench.upstream import record

_CHANGED, _AGENTS = 3_000, 5
_DAY_SECONDS = 86_400
_VALUES = b"vspark_folder_calls_today{"

_REMOVED, _MIDNIGHT = "remove half of 6,000 targets, s", "midnight of 3,000 targets, s"


def bulk(_: Path) -> Outcome:
    """Measure both changes, and the removal of the same series from Gauges."""
    with _as_when_serving():
        removed, midnight = asyncio.run(_remove_half()), asyncio.run(_turn_day())
    gauges = _remove_from_gauges()
    table = Table.of(
        f"{_CHANGED:,} targets of {_AGENTS} agents change at once",
        {OURS: {_REMOVED: removed, _MIDNIGHT: midnight}, ORDINARY: {_REMOVED: gauges, _MIDNIGHT: gauges}},
    )
    return Outcome(
        [table],
        [
            Claim(
                f"{_CHANGED:,} targets: {words}",
                *(table.figure(line), 0.1),
                "Blocks change in the order in which they are compressed, each group of them once.",
            )
            for line, words in ((_REMOVED, "seconds to remove them"), (_MIDNIGHT, "seconds for a midnight"))
        ],
    )


@contextmanager
def _as_when_serving() -> Iterator[None]:
    """Look for garbage as seldom as the exporter does."""
    before = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


class _ShiftedClock(SystemClock):
    """The machine's clock, a number of seconds ahead; `noticed` is when the shift was first read."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self.noticed: float | None = None

    def time(self) -> float:
        """Return the shifted Unix time in seconds."""
        if self._ahead and self.noticed is None:
            self.noticed = time.perf_counter()
        return time.time() + self._ahead

    def shift(self, seconds: float) -> None:
        """Let the wall clock jump."""
        self._ahead = seconds


class _Upstream:
    """Returns the same response to the first request for each target, and never to another."""

    def __init__(self) -> None:
        self._body = json.dumps(record("object", _AGENTS, random.Random(0))).encode()
        self._answered: set[Target] = set()

    async def fetch(self, target: Target, day: date | None, *, spare: bool = False) -> bytes:  # noqa: ARG002 # the body has no date
        if target in self._answered:
            await asyncio.Event().wait()
        self._answered.add(target)
        return self._body


class _Site:
    """A poller of `number` targets, each of which gets its values in the first poll."""

    def __init__(self, number: int) -> None:
        self.clock, self.store, self.upstream = _ShiftedClock(), Store(), _Upstream()
        token = LiteralToken("bench")
        self.targets = [
            Target("WideCo", "WideCo-Org0", f"Folder{each:05}", ZoneInfo("UTC"), 3600.0, 18_000.0, token)
            for each in range(number)
        ]
        random.Random(0).shuffle(self.targets)  # nobody sorts a configuration by name
        self.parser = Parser(Layouts())
        self.rules = AgentRules(enabled=True, max_per_folder=1000, include=".*", exclude="")
        log: FilteringBoundLogger = structlog.wrap_logger(
            structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
        )
        self.poller = Poller(
            self.targets, self.upstream, self.store, parser=self.parser, rules=self.rules, clock=self.clock, log=log
        )

    @asynccontextmanager
    async def polled(self) -> AsyncIterator[None]:
        """Run the poller while the block runs; every target has values when it begins."""
        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(self.poller.run())
            while not (self.poller.ready and self.folders_with_values() == len(self.targets)):
                await asyncio.sleep(0.5)
            yield
            polling.cancel()

    def folders_with_values(self) -> int:
        """Return the number of folders whose values are published."""
        return b"".join(self.store.pages[Format.TEXT].text()[1]).count(_VALUES)


async def _remove_half() -> float:
    """Return the seconds that a reload without half of the targets takes."""
    site = _Site(2 * _CHANGED)
    async with site.polled():
        staying = site.targets[:_CHANGED]
        begun = time.perf_counter()
        await site.poller.replace(staying, site.upstream, parser=site.parser, rules=site.rules)
        seconds = time.perf_counter() - begun
        if (number := site.folders_with_values()) != _CHANGED:
            raise ValueError(f"{number} folders have values after the reload")
    return seconds


async def _turn_day() -> float:
    """Return the seconds from the moment when the poller notices another day until no folder has values."""
    site = _Site(_CHANGED)
    async with site.polled():
        site.clock.shift(_DAY_SECONDS)
        before = site.store.pages
        while site.store.pages is before:
            await asyncio.sleep(0.001)
        ended = time.perf_counter()
        if (number := site.folders_with_values()) or site.clock.noticed is None:
            raise ValueError(f"{number} folders have values after midnight")
        return ended - site.clock.noticed


def _remove_from_gauges() -> float:
    """Return the seconds that the ordinary exporter needs to remove the series of these folders."""
    config = {"vspark": {"url": "", "token": ""}, "poll": {"interval": "1ms", "concurrency": 1}, "companies": []}
    exporter = ordinary.Exporter(config)
    targets = [ordinary.Target("WideCo", "WideCo-Org0", f"Folder{each:05}") for each in range(_CHANGED)]
    values = record("object", _AGENTS, random.Random(0))
    for target in targets:
        exporter.set_values(target, values)
    begun = time.perf_counter()
    for target in targets:
        exporter.remove_values(target, values["agents"])
    return time.perf_counter() - begun
