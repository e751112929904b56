"""When the previous day of each target is polled: after its midnight, and once at start. Times are monotonic seconds.

One request at a time, and only in a slot that no other request needs, so that no poll of today waits for it.
"""

import asyncio
import heapq
from collections.abc import Iterable
from datetime import date
from itertools import count
from math import inf
from typing import Final

from structlog.typing import FilteringBoundLogger

from exporter.errors import PollError
from exporter.polling.batches import Batches
from exporter.polling.org_day import ZoneDays, midnight, previous_day
from exporter.polling.poll import PollRunner
from exporter.polling.target_state import TargetState
from exporter.runtime.clock import Clock
from exporter.runtime.steps import Pauses, paced

_EVERY_INTERVALS: Final = 10
_FIRST_POLL_PATIENCE_SECONDS: Final = 1.0
_RUNNING_SECONDS: Final = 1.0


class PreviousDayPolls:
    """Polls the previous day of every target that wants it, until the last response that counts has arrived.

    That is the first one that was requested after the period in which calls may still be added.
    """

    def __init__(
        self, runner: PollRunner, batches: Batches, days: ZoneDays, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._runner = runner
        self._batches = batches
        self._days = days
        self._clock = clock
        self._log = log
        self._due: dict[TargetState, float] = {}
        """When each target is due; infinite while it is polled. A target without another poll today is missing."""
        self._heap: list[tuple[float, int, TargetState]] = []
        """The targets in the order in which they are due. Entries that differ from `_due` are void."""
        self._numbers = count()
        self._reasons: dict[TargetState, str] = {}
        """Why the last poll failed, of targets whose last poll did."""
        self._task: asyncio.Task[None] | None = None

    def replace(self, states: Iterable[TargetState]) -> None:
        """Poll the previous day of these targets from now on: at once, if what is published is missing or outdated."""
        before, self._due, self._heap = self._due, {}, []
        wanted = [each for each in states if each.target.previous_day_seconds and each.day is not None]
        self._reasons = {state: self._reasons[state] for state in wanted if state in self._reasons}
        for state in wanted:
            if not state.series.previous_day.is_known_at(0):
                self.poll_soon(state)
            elif not self._is_final(state):
                self._set_due(state, before.get(state, self._clock.monotonic()))

    def poll_soon(self, state: TargetState) -> None:
        """Poll the previous day of a target at the next opportunity, if it is wanted."""
        if state.target.previous_day_seconds and state.day is not None and not state.removed:
            self._set_due(state, self._clock.monotonic())

    def begin_due(self, tasks: asyncio.TaskGroup) -> None:
        """Poll the targets that are due, one after the other, if this is not under way."""
        if self._task is None and self._heap and self._heap[0][0] <= self._clock.monotonic():
            self._task = tasks.create_task(self._poll_due(), name="previous days")

    def seconds_to_next(self) -> float | None:
        """Return the time until a target is due; None if none is known to be.

        While polls are under way, that is a second: they may have found out that another one is due.
        """
        if self._task is not None:
            return _RUNNING_SECONDS
        return max(0.0, self._heap[0][0] - self._clock.monotonic()) if self._heap else None

    async def cancel(self) -> None:
        """Break off the request that is running."""
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if self._task is task:  # it was cancelled before it ran for the first time
                self._task = None

    async def _poll_due(self) -> None:
        pauses = Pauses()
        try:
            while self._heap and self._heap[0][0] <= self._clock.monotonic():
                due, _, state = heapq.heappop(self._heap)
                if self._due.get(state) == due:
                    await self._poll(state)
                if pauses.due:  # if V-Spark is down, nothing is requested for thousands of targets
                    await pauses.take()
        finally:
            self._task = None

    async def _poll(self, state: TargetState) -> None:
        if not state.series.published.polls.up:
            # The reason is known already, or will be in a moment.
            patience = state.target.interval_seconds if state.tried else _FIRST_POLL_PATIENCE_SECONDS
            self._set_due(state, self._clock.monotonic() + patience)
            return
        next_due, self._due[state] = self._clock.monotonic() + self._pause_seconds(state), inf
        try:
            async with self._runner.boundary(state):
                await self._request(state)
        finally:
            if self._due.get(state) == inf:
                del self._due[state]
                if not self._is_final(state):
                    self._set_due(state, next_due)

    async def _request(self, state: TargetState) -> None:
        target, today, series = state.target, state.day, state.series.previous_day
        assert target.zone is not None and today is not None  # noqa: S101, PT018 # others are never due
        day = previous_day(target.zone, today)
        request = series.request(target, day, state.series.published.rules, self._clock.time())
        state.remember_token()
        try:
            body = await self._runner.upstream.fetch(target, day, spare=True)
            response = await paced(series.read(body, request))
        except PollError as error:
            self._log_failure(state, day, error)
            return
        async with self._batches.draft() as draft:
            if not self._is_today(state, today):
                self._log.info("answer_too_late", target=target.name, day=day.isoformat())
                return
            if state not in self._due or not series.is_current(request):  # by a reload, after which it is due again
                return
            await paced(series.settle(response, state.target, state.series.published.folders, draft))
            draft.commit()
        if self._reasons.pop(state, None):
            self._log.info("previous_day_recovered", target=target.name, day=day.isoformat())

    def _is_today(self, state: TargetState, day: date) -> bool:
        zone = state.target.zone
        return state.day == day and zone is not None and self._days.today(zone, self._clock.time()) == day

    def _is_final(self, state: TargetState) -> bool:
        return state.series.previous_day.is_known_at(self._period_end(state))

    def _pause_seconds(self, state: TargetState) -> float:
        """Return the time from the beginning of a poll to the next one, the last of which is after the period."""
        left = self._period_end(state) - self._clock.time()
        pause = _EVERY_INTERVALS * state.target.interval_seconds
        return min(pause, left) if left > 0 else pause

    def _period_end(self, state: TargetState) -> float:
        """Return the Unix time until which calls may be added to the previous day."""
        assert state.target.zone is not None and state.day is not None  # noqa: S101, PT018 # as above
        return midnight(state.target.zone, state.day) + state.target.previous_day_seconds

    def _set_due(self, state: TargetState, due: float) -> None:
        self._due[state] = due
        heapq.heappush(self._heap, (due, next(self._numbers), state))

    def _log_failure(self, state: TargetState, day: date, error: PollError) -> None:
        """Log that a previous day cannot be read: the first time, and for a new reason."""
        text = state.mask(str(error))
        if self._reasons.get(state) != error.reason:
            self._log.warning(
                "previous_day_failed", target=state.target.name, day=day.isoformat(), reason=error.reason, error=text
            )
        self._reasons[state] = error.reason
