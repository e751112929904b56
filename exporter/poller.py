"""When to poll which target, and what to do with what comes of it."""

import asyncio
import heapq
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from datetime import date
from typing import Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from exporter.agents import AgentRules
from exporter.clock import Clock, Pauses
from exporter.decode import Reader
from exporter.errors import INTERNAL, PollError, TokenError
from exporter.ledger import Ledger, OrgDay, Taken
from exporter.orgday import Days
from exporter.store import Draft, Store
from exporter.targets import Target, stable_hash
from exporter.tokens import Token

_TOKENS_KEPT = 3
_LONGEST_SLEEP_SECONDS = 1.0
"""So that a clock that is set, and a machine that slept, are noticed."""
_GOLDEN_RATIO = 0x9E3779B97F4A7C15
"""2**64 by the golden ratio: a factor that lays close numbers far apart (Knuth, TAOCP volume 3, section 6.4)."""


_Result = TypeVar("_Result")


class Upstream(Protocol):
    """Where answers come from."""

    async def fetch(self, target: Target, day: date | None) -> bytes:
        """Give the body of an answer; raises PollError."""
        ...


class _Polled:
    """A target and where its polling stands."""

    def __init__(self, target: Target, ledger: Ledger, day: date | None) -> None:
        self.target = target
        self.ledger = ledger
        self.day = day
        self.running = False
        self.again = False
        self.tried = False
        self.failing: tuple[str, float] | None = None
        self.success_monotonic = 0.0
        self._tokens: deque[Token] = deque(maxlen=_TOKENS_KEPT)

    def note_token(self) -> None:
        """Remember the token as it is now, so that it is masked also when another has taken its place."""
        with suppress(TokenError):
            token = self.target.token.read()
            if token not in self._tokens:
                self._tokens.append(token)

    def mask(self, text: str) -> str:
        """Take the tokens out of a text that somebody will read."""
        self.note_token()
        for token in self._tokens:
            text = token.mask(text)
        return text


class Poller:
    """Polls every target on its own interval, and publishes in `store` what comes of it."""

    def __init__(
        self,
        targets: Sequence[Target],
        upstream: Upstream,
        store: Store,
        *,
        reader: Reader,
        rules: AgentRules,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._upstream = upstream
        self._store = store
        self._clock = clock
        self._log = log
        self._days = Days()
        self._publishing = asyncio.Lock()
        self._zones = {target.zone for target in targets if target.zone is not None}
        org_days: defaultdict[tuple[str, str], OrgDay] = defaultdict(OrgDay)
        self._polled = [
            _Polled(
                target,
                Ledger(target, reader, rules, org_days[target.company, target.org]),
                self._days.today(target.zone, clock.time()) if target.zone is not None else None,
            )
            for target in targets
        ]

    @property
    def ready(self) -> bool:
        """Whether every target has been tried once, and what came of it is published."""
        return all(polled.tried for polled in self._polled)

    async def run(self) -> None:
        """Poll every target at once, then each on its own interval, until cancelled."""
        start = self._clock.monotonic()
        due = [(start + _offset_seconds(polled.target), index) for index, polled in enumerate(self._polled)]
        heapq.heapify(due)
        async with asyncio.TaskGroup() as tasks:
            for polled in self._polled:
                self._begin(polled, tasks)
            while True:
                await self._turn_days(tasks)
                await self._expire()
                self._begin_due(due, tasks)
                await self._clock.sleep(self._seconds_to_next(due))

    def _begin(self, polled: _Polled, tasks: asyncio.TaskGroup) -> None:
        polled.running = True
        tasks.create_task(self._poll_again(polled), name=polled.target.name)

    def _begin_due(self, due: list[tuple[float, int]], tasks: asyncio.TaskGroup) -> None:
        """Begin the polls whose time has come; a target whose last poll still runs misses this one."""
        now = self._clock.monotonic()
        while due and due[0][0] <= now:
            at, index = due[0]
            polled = self._polled[index]
            interval = polled.target.interval_seconds
            ticks = 1 + int((now - at) // interval)
            heapq.heapreplace(due, (at + ticks * interval, index))
            if not polled.running:
                self._begin(polled, tasks)
            else:
                polled.ledger.polls.skipped += ticks

    def _seconds_to_next(self, due: list[tuple[float, int]]) -> float:
        """Give how long nothing will have to be done: until a poll is due or a day ends, but not for long."""
        now = self._clock.time()
        ends = [self._days.next_midnight(zone, now) - now for zone in self._zones]
        polls = [due[0][0] - self._clock.monotonic()] if due else []
        return max(0.0, min([_LONGEST_SLEEP_SECONDS, *ends, *polls]))

    async def _turn_days(self, tasks: asyncio.TaskGroup) -> None:
        """Where an org's day is another one than before, let the values go and poll at once."""
        now = self._clock.time()
        turned = [
            (polled, today)
            for polled in self._polled
            if polled.target.zone is not None and (today := self._days.today(polled.target.zone, now)) != polled.day
        ]
        if not turned:
            return
        async with self._publishing:
            for polled, today in turned:
                polled.day = today
            await self._let_go([polled for polled, _ in turned], Ledger.begin_day)
        for polled, today in turned:
            self._log.debug("day_began", target=polled.target.name, day=today.isoformat())
            if polled.running:
                polled.again = True
            else:
                self._begin(polled, tasks)

    async def _expire(self) -> None:
        """Let the values go of targets that have not been polled successfully for too long."""
        expired = [polled for polled in self._polled if polled.ledger.has_values and self._is_stale(polled)]
        if not expired:
            return
        async with self._publishing:
            still = [polled for polled in expired if self._is_stale(polled)]
            for polled in still:
                self._log.warning("values_expired", target=polled.target.name)
            await self._let_go(still, Ledger.drop_values)

    async def _let_go(
        self, several: Sequence[_Polled], drop: Callable[[Ledger, Draft], Generator[None, None, None]]
    ) -> None:
        """Let the values of targets go, all in one page."""
        draft = self._store.draft()
        for polled in several:
            await _paced(drop(polled.ledger, draft))
        draft.publish()

    def _is_stale(self, polled: _Polled) -> bool:
        """Tell by both clocks: one stands still while a machine sleeps, the other may be set back."""
        success = polled.ledger.polls.last_success_timestamp_seconds or 0.0
        age = max(self._clock.monotonic() - polled.success_monotonic, self._clock.time() - success)
        return age > polled.target.stale_after_seconds

    async def _poll_again(self, polled: _Polled) -> None:
        polled.again = True
        while polled.again:
            polled.again = False
            try:
                await self._poll(polled)
            except Exception:  # noqa: BLE001 # what fails while a failure is told ends no other target's polling
                trace = polled.mask(traceback.format_exc())
                self._log.error("poll_not_recorded", target=polled.target.name, traceback=trace)
            polled.tried = True
        polled.running = False

    async def _poll(self, polled: _Polled) -> None:
        begun, day = self._clock.monotonic(), polled.day
        polled.note_token()
        try:
            body = await self._upstream.fetch(polled.target, day)
            await self._take(polled, body, day, begun)
        except PollError as error:
            await self._end_badly(polled, begun, error.reason, error=polled.mask(str(error)))
        except Exception:  # noqa: BLE001 # the boundary of a target: a bug met by one is no other's business
            trace = polled.mask(traceback.format_exc())
            await self._end_badly(polled, begun, INTERNAL, error="a bug of this program", traceback=trace)

    async def _take(self, polled: _Polled, body: bytes, day: date | None, begun: float) -> None:
        """Publish what an answer says, unless its day is over."""
        ledger, zone = polled.ledger, polled.target.zone
        async with self._publishing:
            draft = self._store.draft()
            taken: Taken | None = await _paced(ledger.read(body, day, draft))
            now = self._clock.time()
            if zone is not None and day != self._days.today(zone, now):
                self._log.info("answer_too_late", target=polled.target.name, day=day and day.isoformat())
                ledger.forget_answer()
                draft = self._store.draft()
                taken = None
            with ledger.undone_on_error():
                if taken is not None:
                    await _paced(ledger.settle(taken, day, now, draft))
                polled.success_monotonic = self._clock.monotonic()
                ledger.polls.last_success_timestamp_seconds = now
                self._publish_poll(polled, draft, begun, up=True)
        seconds = round(self._clock.monotonic() - begun, 3)
        self._log.debug("poll_succeeded", target=polled.target.name, bytes=len(body), seconds=seconds)
        if polled.failing is not None:
            reason, since = polled.failing
            away = round(self._clock.monotonic() - since, 3)
            self._log.info("poll_recovered", target=polled.target.name, reason=reason, after_seconds=away)
            polled.failing = None

    async def _end_badly(self, polled: _Polled, begun: float, reason: str, **told: str) -> None:
        polled.ledger.polls.failures[reason] += 1
        async with self._publishing:
            self._publish_poll(polled, self._store.draft(), begun, up=False)
        was, since = polled.failing or (None, begun)
        if was != reason:
            self._log.warning("poll_failed", target=polled.target.name, reason=reason, **told)
        polled.failing = (reason, since)

    def _publish_poll(self, polled: _Polled, draft: Draft, begun: float, *, up: bool) -> None:
        polls = polled.ledger.polls
        polls.up = up
        polls.polls += 1
        polls.last_poll_timestamp_seconds = self._clock.time()
        polls.last_poll_duration_seconds = self._clock.monotonic() - begun
        polled.ledger.put_polls(draft)
        draft.publish()


def _offset_seconds(target: Target) -> float:
    """Give where in its interval a target is polled: the same after a restart, and spread over all targets."""
    # FNV-1a gives names that differ in their last letters, Test01 and Test02, numbers that are nearly the same.
    return stable_hash(target) * _GOLDEN_RATIO % 2**64 / 2**64 * target.interval_seconds


async def _paced(steps: Generator[None, None, _Result]) -> _Result:
    pauses = Pauses()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # what the generator returns
        if pauses.due:
            await pauses.take()
