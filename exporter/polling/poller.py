"""When to poll which target, and what to do with what comes of it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from structlog.typing import FilteringBoundLogger

from exporter.config.targets import Target
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.store import Store
from exporter.polling.org_day import Days, OrgDay
from exporter.polling.poll import Publisher, Upstream
from exporter.polling.schedule import Schedule, offset_seconds
from exporter.polling.snapshot import TargetStatus
from exporter.polling.target_series import TargetSeries
from exporter.polling.target_state import TargetState
from exporter.runtime.clock import Clock
from exporter.runtime.steps import paced
from exporter.stats.parser import Parser

_LONGEST_SLEEP_SECONDS: Final = 1.0
"""So that a clock that is set, and a machine that slept, are noticed."""

_OrgId = tuple[str, str, ZoneInfo | None]


class Replaced(NamedTuple):
    """How many targets there are now, and how many of them are new, are polled in another way, and have gone."""

    targets: int
    added: int
    changed: int
    removed: int


class Poller:
    """Polls every target on its own interval, and publishes in `store` what comes of it."""

    def __init__(
        self,
        targets: Sequence[Target],
        upstream: Upstream,
        store: Store,
        *,
        reader: Parser,
        rules: AgentRules,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._clock = clock
        self._log = log
        self._days = Days()
        self._publisher = Publisher(upstream, store, self._days, clock, log)
        self._reader = reader
        self._rules = rules
        self._tasks: asyncio.TaskGroup | None = None
        self._ready = False
        self._schedule = Schedule()
        self._org_days: defaultdict[_OrgId, OrgDay] = defaultdict(OrgDay)
        self._assign([self._polled_anew(target) for target in targets])

    @property
    def ready(self) -> bool:
        """Whether every target has been tried once, and what came of it is published; from then on for ever."""
        self._ready = self._ready or all(polled.tried for polled in self._polled)
        return self._ready

    def status(self) -> Iterator[TargetStatus]:
        """Give where each target stands; what is given does not change afterwards, but for the curves."""
        for polled in self._polled:
            success = polled.ledger.polls.last_success_timestamp_seconds
            yield TargetStatus.of(
                polled.target,
                polled.ledger,
                polling=polled.task is not None,
                next_poll_seconds=polled.due - self._clock.monotonic(),
                success_age_seconds=None if success is None else self._success_age_seconds(polled),
                last_error=polled.last_error,
            )

    async def run(self) -> None:
        """Poll every target at once, then each on its own interval, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                for polled in self._polled:
                    self._begin(polled)
                while True:
                    await self._turn_days()
                    too_old = await self._expire()
                    self._begin_due()
                    for polled in too_old:
                        # Its polls succeed: a clock was set, or the machine slept. Nobody wants to wait for the next.
                        if polled.ledger.polls.up and polled.task is None:
                            self._begin(polled)
                    await self._clock.sleep(self._seconds_to_next())
            finally:
                self._tasks = None

    async def replace(
        self, targets: Sequence[Target], upstream: Upstream, *, reader: Parser, rules: AgentRules
    ) -> Replaced:
        """Poll these targets from now on, by these rules.

        A target that was there before keeps its values and its schedule; where its interval or its token is another
        one, it is polled at once, as new ones are. Other rules count for what is published already, another reader
        for the next answer; values go, and are asked for at once, where it is not known what the rules make of them.
        Polls under way of another upstream, or of targets that go, are broken off.
        """
        self._ready = self.ready
        known = {_id(polled.target): polled for polled in self._polled}
        leaving = [known[each] for each in known.keys() - {_id(target) for target in targets}]
        staying = {target: known[_id(target)] for target in targets if _id(target) in known}
        with_values = [polled for polled in staying.values() if polled.ledger.has_values]
        for polled in leaving:
            polled.left = True
        broken_off = await _break_off(leaving)
        try:
            await self._publish_change(leaving, [*staying.values()], reader, rules)
        except BaseException:
            for polled in leaving:
                polled.left = False
            for polled in broken_off:
                self._begin(polled)
            raise
        before, self._publisher.upstream = self._publisher.upstream, upstream
        changed = [polled for target, polled in staying.items() if self._becomes(polled, target)]
        self._assign([known.get(_id(target)) or self._polled_anew(target) for target in targets])
        added = [polled for polled in self._polled if _id(polled.target) not in known]
        emptied = [polled for polled in with_values if not polled.ledger.has_values]
        # Not before now: what was begun meanwhile was asked of the one before, with its token.
        broken_off = await _break_off(staying.values()) if upstream is not before else []
        for polled in dict.fromkeys([*broken_off, *changed, *added, *emptied]):
            self._begin(polled)
        return Replaced(len(targets), len(added), len(changed), len(leaving))

    async def _publish_change(
        self, leaving: Sequence[TargetState], staying: Sequence[TargetState], reader: Parser, rules: AgentRules
    ) -> None:
        """Let series go, and show others by other rules, all in one page, or nothing of it."""
        other_rules = staying if rules != self._rules else []
        with ExitStack() as undone:
            async with self._publisher.change() as draft:
                for polled in (*leaving, *other_rules):
                    undone.enter_context(polled.ledger.undone_on_error())
                for polled in leaving:
                    await paced(polled.ledger.leave(draft))
                for polled in other_rules:
                    await paced(polled.ledger.follow(rules, self._clock.time(), draft))
        if reader != self._reader:
            for polled in staying:
                polled.ledger.read_by(reader)
        self._reader, self._rules = reader, rules

    def _polled_anew(self, target: Target) -> TargetState:
        day = self._days.today(target.zone, self._clock.time()) if target.zone is not None else None
        org_day = self._org_days[target.company, target.org, target.zone]
        due = self._clock.monotonic() + offset_seconds(target)
        return TargetState(target, TargetSeries(target, self._reader, self._rules, org_day), day, due)

    def _becomes(self, polled: TargetState, target: Target) -> bool:
        """Let it be polled as `target` says; tell whether that is another way than before."""
        was, polled.target = polled.target, target
        if was.interval_seconds != target.interval_seconds:
            polled.due = self._clock.monotonic() + offset_seconds(target)
        return was != target

    def _assign(self, polled: Sequence[TargetState]) -> None:
        self._polled = polled
        self._zones = {each.target.zone for each in polled if each.target.zone is not None}
        orgs = {_org_id(each.target) for each in polled}
        for gone in self._org_days.keys() - orgs:
            del self._org_days[gone]
        self._schedule.replace(polled)

    def _begin(self, polled: TargetState) -> None:
        """Poll a target now; once more, where a poll of it is under way."""
        if polled.task is not None:
            polled.again = True
        elif self._tasks is not None and not polled.left:
            polled.task = self._tasks.create_task(self._publisher.poll(polled), name=polled.target.name)

    def _begin_due(self) -> None:
        """Begin the polls whose time has come; a target whose last poll still runs misses this one."""
        for polled, ticks in self._schedule.take_due(self._clock.monotonic()):
            if polled.task is None:
                self._begin(polled)
            else:
                polled.ledger.polls.skipped += ticks

    def _seconds_to_next(self) -> float:
        """Give how long nothing will have to be done: until a poll is due or a day ends, but not for long."""
        now, due = self._clock.time(), self._schedule.next_due
        ends = [self._days.next_midnight(zone, now) - now for zone in self._zones]
        polls = [] if due is None else [due - self._clock.monotonic()]
        return max(0.0, min([_LONGEST_SLEEP_SECONDS, *ends, *polls]))

    async def _turn_days(self) -> None:
        """Where an org's day is another one than before, let the values go and poll at once."""
        now = self._clock.time()
        turned = [
            (polled, today)
            for polled in self._polled
            if polled.target.zone is not None and (today := self._days.today(polled.target.zone, now)) != polled.day
        ]
        if not turned:
            return
        async with self._publisher.change() as draft:
            for polled, today in turned:
                polled.day = today
            for polled, _ in turned:
                await paced(polled.ledger.begin_day(draft))
        for polled, today in turned:
            self._log.debug("day_began", target=polled.target.name, day=today.isoformat())
            self._begin(polled)

    async def _expire(self) -> list[TargetState]:
        """Let the values go of targets that have not been polled successfully for too long; give these targets."""
        expired = [polled for polled in self._polled if polled.ledger.has_values and self._is_stale(polled)]
        if not expired:
            return []
        async with self._publisher.change() as draft:
            for polled in expired:
                if self._is_stale(polled):
                    self._log.warning("values_expired", target=polled.target.name)
                    await paced(polled.ledger.drop_values(draft))
        return expired

    def _is_stale(self, polled: TargetState) -> bool:
        return self._success_age_seconds(polled) > polled.target.stale_after_seconds

    def _success_age_seconds(self, polled: TargetState) -> float:
        """Tell by both clocks: one stands still while a machine sleeps, the other may be set back."""
        success = polled.ledger.polls.last_success_timestamp_seconds or 0.0
        return max(self._clock.monotonic() - polled.success_monotonic, self._clock.time() - success)


def _id(target: Target) -> tuple[_OrgId, str | None]:
    """Give what makes a target the same one as before: with another day, its values would be others, too."""
    return _org_id(target), target.folder


def _org_id(target: Target) -> _OrgId:
    return target.company, target.org, target.zone


async def _break_off(several: Iterable[TargetState]) -> list[TargetState]:
    """Cancel the polls that are under way, and wait until they have ended; give the targets they were of."""
    running = {polled.task: polled for polled in several if polled.task is not None}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
    for task, polled in running.items():
        if polled.task is task:
            polled.task = None
    return list(running.values())
