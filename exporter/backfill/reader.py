"""Requests past days and records them in the journal."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple, Protocol

from exporter.backfill.batches import Batches, Limits
from exporter.backfill.days import Span, TargetDays, spans
from exporter.backfill.failures import Failures, masked
from exporter.backfill.journal import FolderDayRow, Journal
from exporter.backfill.pace import InARow, Pace, asked_to_wait_seconds, is_transient
from exporter.config.targets import Target
from exporter.errors import DecodeError, ExporterError, PollError
from exporter.exposition.agent_rules import AgentRules
from exporter.runtime.clock import Clock
from exporter.runtime.steps import Steps, paced
from exporter.stats.model import AgentDays, FolderDay
from exporter.stats.parser import Parser, Requested
from exporter.stats.several_days import read_days

_ATTEMPTS: Final = 3
"""Of a single day, each with the client's own retries."""
_LIMITED_ATTEMPTS: Final = 20
"""Of a range or a day whose responses have Retry-After. Then it has failed: V-Spark may never be able to serve it."""
_FAILURES_IN_A_ROW: Final = 6
"""After so many failed requests of a target, and no response in between, its other days are not requested.

It is more than makes an outage, so an outage is noticed first.
"""
_OF_TARGET: Final = ("no_token", "auth", "not_found", "redirect", "tls")
"""Reasons that are the same on every day."""
_PROBES: Final = 5


class OutageError(ExporterError):
    """V-Spark does not respond any more."""


class PastUpstream(Protocol):
    """The source of responses."""

    async def fetch(self, target: Target, day: date | None, last_day: date | None = None) -> bytes:
        """Return the body of the response for the days from `day` to `last_day`; raises PollError."""
        ...


class Reading(NamedTuple):
    """How days are read: `rules` are None if no agents are wanted; `advance` is called with each number of days."""

    parser: Parser
    rules: AgentRules | None
    concurrency: int
    limits: Limits
    advance: Callable[[int], None]


class Reader:
    """Reads the days that the journal does not have yet, with at most `concurrency` requests at the same time."""

    def __init__(
        self,
        planned: Sequence[TargetDays],
        upstream: PastUpstream,
        journal: Journal,
        reading: Reading,
        clock: Clock,
        pace: Pace,
    ) -> None:
        self.failures = Failures()
        self._planned = planned
        self._upstream = upstream
        self._journal = journal
        self._reading = reading
        self._clock = clock
        self._pace = pace
        self._batches: Mapping[Target, Batches] = {
            each.target: Batches(_days_left(journal, each), reading.limits) for each in planned
        }
        self._attempts: Counter[tuple[Target, date]] = Counter()
        self._limited: Counter[tuple[Target, date]] = Counter()
        self._failed_in_a_row: defaultdict[Target, InARow] = defaultdict(InARow)
        self._running: set[asyncio.Task[None]] = set()
        self._last_error = ""
        self._parsing = asyncio.Lock()
        """One response at a time: parsed, they take several times their size."""

    async def run(self) -> None:
        """Read every day that is left. Raises OutageError; what has been read by then is in the journal."""
        try:
            while await self._start_requests():
                done, self._running = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if self._pace.is_outage:
                    await self._check_outage()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _start_requests(self) -> bool:
        """Start as many requests as allowed; return whether any is running."""
        while len(self._running) < self._reading.concurrency and any(self._batches.values()):
            await self._pace.wait()
            for target, batches in self._batches.items():
                if batches:  # again: a request that failed meanwhile may have given up the days that were left
                    self._running.add(asyncio.create_task(self._read(target, batches.take())))
                    break
        return bool(self._running)

    async def _read(self, target: Target, days: Span) -> None:
        batches = self._batches[target]
        begun = self._clock.monotonic()
        try:
            body = await self._upstream.fetch(target, days.first, days.last)
            seconds = self._clock.monotonic() - begun
            async with self._parsing:
                rows = await paced(self._rows(target, days, body))
        except PollError as error:
            self._failed(target, days, error, begun)
        else:
            self._journal.add(target, days, rows)
            self._pace.succeeded()
            self._failed_in_a_row.pop(target, None)
            batches.succeeded(days, len(body), seconds)
            self._reading.advance(len(days))

    def _rows(self, target: Target, days: Span, body: bytes) -> Steps[list[FolderDayRow]]:
        rows: list[FolderDayRow] = []
        rules = self._reading.rules

        def put(day: date, found: FolderDay) -> Steps[None]:
            if not target.counts(found.folder):
                return
            agents = AgentDays()
            if rules is not None:
                agents, _ = yield from rules.apply(AgentDays.of(found.agents))
            rows.append(FolderDayRow(day, found.folder, found.calls, found.average_seconds, agents))

        requested = Requested(target.company, target.org, target.folder, days.first)
        yield from read_days(self._reading.parser, body, requested, days.last, put)
        return rows

    def _failed(self, target: Target, days: Span, error: PollError, begun: float) -> None:
        batches = self._batches[target]
        self._pace.failed(error, begun)
        self._last_error = masked(target, error)
        if asked_to_wait_seconds(error) is not None:
            self._limited[target, days.first] += 1
            if self._limited[target, days.first] < _LIMITED_ATTEMPTS:
                batches.put_back(days)
                return
        in_a_row = self._failed_in_a_row[target]
        if is_transient(error) or error.reason == "client_error":
            in_a_row.add(begun, self._clock.monotonic())
        if error.reason in _OF_TARGET or in_a_row.count >= _FAILURES_IN_A_ROW:
            self._give_up(target, [days, *batches.take_all()], error)
        elif len(days) > 1:
            batches.failed(days, for_good=isinstance(error, DecodeError))
            batches.put_back(days)
        elif is_transient(error) and self._attempts[target, days.first] < _ATTEMPTS - 1:
            self._attempts[target, days.first] += 1
            batches.put_back(days)
        else:
            self._give_up(target, [days], error)

    def _give_up(self, target: Target, days: Sequence[Span], error: PollError) -> None:
        self.failures.add(target, days, error)
        self._reading.advance(sum(map(len, days)))

    async def _check_outage(self) -> None:
        """Request other days, to see whether V-Spark only cannot serve some. Raises OutageError if it serves none."""
        for target, day in self._probes():
            await self._pace.wait()
            begun = self._clock.monotonic()
            try:
                await self._upstream.fetch(target, day, day)
            except PollError as error:
                self._pace.failed(error, begun)
            else:
                self._pace.succeeded()
            if not self._pace.is_outage:
                return
        raise OutageError(self._last_error)

    def _probes(self) -> Sequence[tuple[Target, date]]:
        """Return a day that has been read; without one, a day of each of a few targets that have not failed."""
        for each in self._planned:
            if read := self._journal.days_read(each.target, each.days)[:1]:
                return [(each.target, read[0])]
        others = [each for each in self._planned if each.target not in self._failed_in_a_row]
        return [(each.target, each.days.first) for each in others[:_PROBES]]


def _days_left(journal: Journal, planned: TargetDays) -> list[Span]:
    read = set(journal.days_read(planned.target, planned.days))
    return spans([day for day in planned.days if day not in read])
