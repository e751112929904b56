"""The poll loop: when each target is polled, when its values are removed, and what happens when the targets change."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from structlog.typing import FilteringBoundLogger

from exporter.config.targets import Target
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.store import Draft, Store
from exporter.polling.batches import Batches
from exporter.polling.day_curve import DayCurve
from exporter.polling.org_day import OrgSeries, ZoneDays
from exporter.polling.outdated_values import OutdatedValues
from exporter.polling.poll import PollRunner, Upstream, block_order
from exporter.polling.previous_day_polls import PreviousDayPolls
from exporter.polling.schedule import Schedule, offset_seconds
from exporter.polling.snapshot import TargetStatus
from exporter.polling.target_series import TargetSeries
from exporter.polling.target_state import TargetState
from exporter.runtime.clock import Clock
from exporter.runtime.steps import Pauses, Steps, paced
from exporter.stats.parser import Parser

_LONGEST_SLEEP_SECONDS: Final = 5.0
"""So that it is noticed when the clock is set or the machine has slept."""

_OrgId = tuple[str, str, ZoneInfo | None]
_Id = tuple[str, str, ZoneInfo | None, str | None]


class Replaced(NamedTuple):
    """The number of targets after a change of the configuration, and how many were added, changed and removed."""

    targets: int
    added: int
    changed: int
    removed: int


class Poller:
    """Polls every target on its own interval and publishes the outcome in `store`."""

    def __init__(
        self,
        targets: Sequence[Target],
        upstream: Upstream,
        store: Store,
        *,
        parser: Parser,
        rules: AgentRules,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._clock = clock
        self._log = log
        self._days = ZoneDays()
        self._batches = Batches(store, clock, log)
        self._runner = PollRunner(upstream, self._batches, self._days, clock, log)
        self._previous_days = PreviousDayPolls(self._runner, self._batches, self._days, clock, log)
        self._outdated = OutdatedValues(self._runner, self._previous_days, self._days, clock, log)
        self._parser = parser
        self._rules = rules
        self._tasks: asyncio.TaskGroup | None = None
        self._sleeping: asyncio.Timeout | None = None
        """The timeout that ends the poller's sleep early when the targets are replaced."""
        self._schedule = Schedule()
        self._org_series: defaultdict[_OrgId, OrgSeries] = defaultdict(OrgSeries)
        self._assign({_id(target): self._new_state(target) for target in targets})

    @property
    def ready(self) -> bool:
        """Whether the first poll of every target has ended and is published."""
        while self._untried and self._untried[-1].tried:
            self._untried.pop()
        return not self._untried

    def draft(self) -> AbstractAsyncContextManager[Draft]:
        """Return a context that publishes what its block writes, between two other changes."""
        return self._batches.at_once()

    def status(self) -> Iterator[TargetStatus]:
        """Return a snapshot of each target. Only its curve still changes."""
        return (TargetStatus.of(state, self._clock) for state in self._states)

    async def run(self) -> None:
        """Poll every target at once, then each on its own interval, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._batches.run(), name="batches")
            try:
                await self._begin_polls([state for state in self._states if state.task is None])
                while True:
                    await self._begin_polls(await self._outdated.turn_days())
                    expired = await self._outdated.expire()
                    self._begin_due()
                    self._previous_days.begin_due(tasks)
                    # If their polls succeed, the clock was set or the machine slept: new values can be had at once.
                    up = [state for state in expired if state.series.published.polls.up and state.task is None]
                    await self._begin_polls(up)
                    await self._sleep()
            finally:
                self._tasks = None

    async def replace(
        self,
        targets: Sequence[Target],
        upstream: Upstream,
        *,
        parser: Parser,
        rules: AgentRules,
        new_server: bool = False,
    ) -> Replaced:
        """Poll these targets from now on.

        A target that stays keeps its values and its schedule. It is polled at once if its interval or token has
        changed, and so is a new target. Other rules apply at once to the values that are published; if they cannot,
        the values are removed and the target is polled at once. Another parser applies to the next response. Running
        polls of another upstream or of removed targets are cancelled. A new server is polled at once; its numbers do
        not continue the counters. If this fails before its page is committed, nothing is changed.
        """
        known, wanted = self._by_id, {_id(target): target for target in targets}
        staying = {known[each]: target for each, target in wanted.items() if each in known}
        leaving = [state for state in self._states if state not in staying]
        updated = {state: target for state, target in staying.items() if state.target != target}
        with_values = [state for state in staying if state.series.published.has_values]
        for state in leaving:
            state.removed = True
        cancelled = await _cancel_polls(leaving)
        try:
            await self._publish_change(leaving, staying, updated, parser, rules, new_server=new_server)
        except BaseException:
            for state in leaving:
                state.removed = False
            self._outdated.replace(self._states)  # their day may have ended meanwhile
            for state in cancelled:
                self._begin_poll(state)
            raise
        before, self._runner.upstream = self._runner.upstream, upstream
        for state in staying if upstream is not before else ():
            state.series.previous_day.read_again()
        changed = [state for state, target in updated.items() if self._update(state, target)]
        for state, target in staying.items():  # an equal source of a token may be a new one, without a read that hangs
            state.target = state.series.target = target
        self._assign({each: known.get(each) or self._new_state(target) for each, target in wanted.items()})
        added = [state for state in self._states if state not in staying]
        emptied = [state for state in with_values if not state.series.published.has_values]
        # Only now: polls that began meanwhile use the upstream from before, with its token.
        cancelled = await _cancel_polls(staying) if upstream is not before else []
        if upstream is not before:
            await self._previous_days.cancel()
        moved = staying if new_server else ()
        await self._begin_polls(dict.fromkeys([*cancelled, *changed, *added, *emptied, *moved]))
        return Replaced(len(targets), len(added), len(changed), len(leaving))

    async def _publish_change(
        self,
        leaving: Iterable[TargetState],
        staying: Iterable[TargetState],
        updated: Mapping[TargetState, Target],
        parser: Parser,
        rules: AgentRules,
        *,
        new_server: bool,
    ) -> None:
        """Remove series, and apply other rules to the rest, all in one page."""
        async with self._batches.at_once() as draft:
            await paced(self._change_series(leaving, staying, updated, rules, draft))
            for state in staying if new_server else ():
                state.series.restart_counters(draft)
        for state in staying if new_server else ():
            state.curve = DayCurve()
        if parser != self._parser:
            for state in staying:
                state.series.read_with(parser)
        for state in staying if rules != self._rules else ():
            state.series.previous_day.read_again()
        self._parser, self._rules = parser, rules

    def _change_series(
        self,
        leaving: Iterable[TargetState],
        staying: Iterable[TargetState],
        updated: Mapping[TargetState, Target],
        rules: AgentRules,
        draft: Draft,
    ) -> Steps[None]:
        for state in sorted(leaving, key=block_order):
            yield from state.series.remove(draft)
        for state, target in updated.items():
            yield from state.series.previous_day.follow(target, draft)
        for state in sorted(staying, key=block_order) if rules != self._rules else ():
            yield from state.series.apply_rules(rules, self._clock.time(), draft)

    def _new_state(self, target: Target) -> TargetState:
        day = self._days.today(target.zone, self._clock.time()) if target.zone is not None else None
        org_series = self._org_series[_org_id(target)]
        due = self._clock.monotonic() + offset_seconds(target)
        return TargetState(target, TargetSeries(target, self._parser, self._rules, org_series), day, due)

    def _update(self, state: TargetState, target: Target) -> bool:
        """Poll it as `target` says from now on; return whether anything has changed that its next poll depends on."""
        before, state.target = state.target, target
        state.series.target = target
        if before.folder_filter != target.folder_filter:
            state.series.read_with(self._parser)
        if before.interval_seconds != target.interval_seconds:
            state.due = self._clock.monotonic() + offset_seconds(target)
        return replace(before, vspark_zone=target.vspark_zone) != target

    def _assign(self, by_id: dict[_Id, TargetState]) -> None:
        states = [*by_id.values()]
        self._by_id, self._states = by_id, states
        self._untried = [*states]
        for org in self._org_series.keys() - {_org_id(state.target) for state in states}:
            del self._org_series[org]
        self._schedule.replace(states)
        self._outdated.replace(states)
        self._previous_days.replace(states)
        if self._sleeping is not None:
            self._sleeping.reschedule(asyncio.get_running_loop().time())
            self._sleeping = None

    async def _begin_polls(self, states: Iterable[TargetState]) -> None:
        """Poll targets now, with pauses for the event loop, because many tasks take a while to begin."""
        pauses = Pauses()
        for state in states:
            self._begin_poll(state)
            if pauses.due:
                await pauses.take()

    def _begin_poll(self, state: TargetState, *, off_schedule: bool = True) -> None:
        """Poll a target now, or once more if a poll of it is running."""
        if state.task is not None:
            state.poll_again = True
        elif self._tasks is not None and not state.removed:
            state.off_schedule = off_schedule
            state.task = self._tasks.create_task(self._runner.poll(state), name=state.target.name)

    def _begin_due(self) -> None:
        """Begin the polls that are due; a target whose last poll is still running skips this one.

        If that poll was not due itself, as the first one at the start, it takes the place of one that is.
        """
        for state, intervals in self._schedule.take_due(self._clock.monotonic()):
            if state.task is None:
                self._begin_poll(state, off_schedule=False)
            else:
                state.skipped += intervals - state.off_schedule
                state.off_schedule = False

    async def _sleep(self) -> None:
        """Sleep until something is due, or until the targets are replaced."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as self._sleeping:
                    await self._clock.sleep(self._seconds_to_next())
        finally:
            self._sleeping = None

    def _seconds_to_next(self) -> float:
        """Return the time until a poll is due, a day ends or values may be too old, at most a few seconds."""
        due = self._schedule.next_due
        poll = None if due is None else due - self._clock.monotonic()
        others = self._outdated.seconds_to_next(), self._previous_days.seconds_to_next()
        return max(0.0, min(each for each in (_LONGEST_SLEEP_SECONDS, poll, *others) if each is not None))


def _id(target: Target) -> _Id:
    """Return what identifies a target. The zone is part of it: with other days, its values are others."""
    return target.company, target.org, target.zone, target.folder


def _org_id(target: Target) -> _OrgId:
    return target.company, target.org, target.zone


async def _cancel_polls(states: Iterable[TargetState]) -> list[TargetState]:
    """Cancel the running polls and wait until they have ended; return their targets."""
    running = {state.task: state for state in states if state.task is not None}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
    for task, state in running.items():
        if state.task is task:
            state.task = None
    return list(running.values())
