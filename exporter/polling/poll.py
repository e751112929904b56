"""A poll of one target: the request, and what is published of its outcome."""

import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Protocol

from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from exporter.config.targets import Target
from exporter.errors import INTERNAL, PollError
from exporter.exposition.store import Draft
from exporter.polling.batches import Batches
from exporter.polling.org_day import ZoneDays
from exporter.polling.target_state import LastError, TargetState
from exporter.runtime.clock import Clock
from exporter.runtime.steps import Steps, paced


class Upstream(Protocol):
    """The source of responses."""

    async def fetch(self, target: Target, day: date | None, *, spare: bool = False) -> bytes:
        """Return the body of the response; raises PollError. A `spare` request keeps no other one waiting."""
        ...


class PollRunner:
    """Runs polls: requests from `upstream`, which may be replaced, and publishes in `batches`."""

    def __init__(
        self, upstream: Upstream, batches: Batches, days: ZoneDays, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self.upstream = upstream
        self._batches = batches
        self._days = days
        self._clock = clock
        self._log = log

    async def poll(self, state: TargetState) -> None:
        """Poll a target, and poll it again for as long as `poll_again` has been set meanwhile."""
        state.poll_again = True
        while state.poll_again:
            state.poll_again = False
            async with self.boundary(state, begun := self._clock.monotonic()):
                await self._poll(state, begun)
            if not state.tried and state.series.published.polls.polls:
                self._batches.first_poll_ended(state)
        state.task = None

    async def change(self, states: Sequence[TargetState], write: Callable[[TargetState, Draft], Steps[None]]) -> None:
        """Change the series of targets by `write`, in one page."""
        try:
            async with self._batches.at_once() as draft:
                await paced(_each(sorted(states, key=block_order), write, draft))
        except Exception:  # noqa: BLE001 # in the page of its own, the target that raised this meets it again
            for state in states:
                async with self.boundary(state), self._batches.at_once() as draft:
                    await paced(_each([state], write, draft))

    @asynccontextmanager
    async def boundary(self, state: TargetState, begun: float | None = None) -> AsyncIterator[None]:
        """Record what is raised for a target, so that it does not affect the others.

        `begun` is when its poll began, None if it is not a poll that raises.
        """
        try:
            try:
                yield
            except PollError as error:
                await self._fail(state, begun, error.reason, error=state.mask(str(error)))
            except Exception:  # noqa: BLE001 # a bug that one target meets must not affect the others
                trace = state.mask(traceback.format_exc())
                await self._fail(state, begun, INTERNAL, error="a bug of this program", traceback=trace)
        except Exception:  # noqa: BLE001 # a failure that cannot be recorded must not end this target's polling
            trace = state.mask(traceback.format_exc())
            self._log.error("poll_not_recorded", target=state.target.name, traceback=trace)
            if begun is not None:
                self._batches.first_poll_ended(state)

    async def _poll(self, state: TargetState, begun: float) -> None:
        day = state.day
        state.remember_token()
        body = await self.upstream.fetch(state.target, day)
        await self._succeed(state, body, day, begun)

    async def _succeed(self, state: TargetState, body: bytes, day: date | None, begun: float) -> None:
        """Publish what a response says, unless its day is over."""
        async with self._batches.draft() as draft:
            succeeded = await paced(self._read(state, body, day, begun, draft))
            now = self._clock.monotonic()
        if not succeeded:
            self._log.info("answer_too_late", target=state.target.name, day=day and day.isoformat())
            return
        self._log.debug("poll_succeeded", target=state.target.name, bytes=len(body), seconds=round(now - begun, 3))
        state.log_success(self._log, now)

    def _read(self, state: TargetState, body: bytes, day: date | None, begun: float, draft: Draft) -> Steps[bool]:
        """Commit what a response says; return whether its day was not over yet."""
        series = state.series
        if not self._is_today(state, day):
            return False
        before = series.published.folders
        response = yield from series.read(body, day, draft)
        if not self._is_today(state, day):  # midnight has passed while it was read
            return False
        now = self._clock.time()
        yield from series.settle(response, day, now, draft)
        self._commit(state, draft, begun, reason=None)
        state.success_monotonic = self._clock.monotonic()
        yield from state.add_to_curve(before, response.changed, now)
        return True

    def _is_today(self, state: TargetState, day: date | None) -> bool:
        zone = state.target.zone
        return zone is None or day == self._days.today(zone, self._clock.time())

    async def _fail(self, state: TargetState, begun: float | None, reason: str, **details: str) -> None:
        state.last_error = LastError.of(reason, details["error"], self._clock.time())
        async with self._batches.draft() as draft:
            if not state.removed:
                self._commit(state, draft, begun, reason=reason)
        now = self._clock.monotonic()
        state.log_failure(self._log, now if begun is None else begun, now, reason, details)

    def _commit(self, state: TargetState, draft: Draft, begun: float | None, *, reason: str | None) -> None:
        """Commit a draft with a poll's outcome: success without a `reason`, failure with one.

        Without `begun`, only the failure is counted: it was not a poll that failed.
        """
        polls, now = state.series.published.polls, self._clock.time()
        if begun is not None:
            polls = replace(
                polls,
                up=reason is None,
                last_poll_timestamp_seconds=now,
                last_poll_duration_seconds=self._clock.monotonic() - begun,
                polls=polls.polls + 1,
                skipped=state.skipped,
            )
        if reason is None:
            polls = replace(polls, last_success_timestamp_seconds=now)
        else:
            polls = replace(polls, failures={**polls.failures, reason: polls.failures.get(reason, 0) + 1})
        state.series.put_polls(polls, draft)
        draft.commit()


def block_order(state: TargetState) -> str:
    """Return what to sort targets by before all of them are changed: texts that are put in another order are slow.

    That is the order of their blocks' keys, as one text: thousands of texts are sorted in a third of the time.
    """
    target = state.target
    return f"{target.company}\0{target.org}\0{target.folder or ''}"


def _each(
    states: Iterable[TargetState], write: Callable[[TargetState, Draft], Steps[None]], draft: Draft
) -> Steps[None]:
    for state in states:
        if not state.removed:  # by a reload, while this waited for its turn
            yield from write(state, draft)
