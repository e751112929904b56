"""Removes values that are no longer true: of a day that has ended, or without a successful poll for too long."""

from collections.abc import Mapping, Sequence
from datetime import date

from structlog.typing import FilteringBoundLogger

from exporter.exposition.store import Draft
from exporter.polling.day_changes import DayChanges
from exporter.polling.day_curve import DayCurve
from exporter.polling.expiry import Expiry
from exporter.polling.org_day import ZoneDays
from exporter.polling.poll import PollRunner
from exporter.polling.previous_day_polls import PreviousDayPolls
from exporter.polling.target_state import TargetState
from exporter.runtime.clock import Clock
from exporter.runtime.steps import Pauses, Steps


class OutdatedValues:
    """The values of all targets, to be looked at whenever `seconds_to_next` have passed."""

    def __init__(
        self,
        runner: PollRunner,
        previous_days: PreviousDayPolls,
        days: ZoneDays,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._runner = runner
        self._previous_days = previous_days
        self._clock = clock
        self._log = log
        self._day_changes = DayChanges(days)
        self._expiry = Expiry(clock)

    def replace(self, states: Sequence[TargetState]) -> None:
        """Replace all targets. Needed as well when the `stale_after_seconds` or the day of one has changed."""
        self._day_changes.replace(states)
        self._expiry.replace(states)

    def seconds_to_next(self) -> float | None:
        """Return the time until a day ends or values may be too old; None without targets."""
        times = self._day_changes.seconds_to_next(self._clock.time()), self._expiry.seconds_to_next()
        return min((each for each in times if each is not None), default=None)

    async def turn_days(self) -> Mapping[TargetState, date]:
        """Remove the values of targets whose org has begun another day; return these targets with their day."""
        turned = self._day_changes.take(self._clock.time())
        if not turned:
            return turned
        await self._runner.change([*turned], lambda state, draft: self._begin_day(state, turned[state], draft))
        pauses = Pauses()
        for state, today in turned.items():
            self._log.debug("day_began", target=state.target.name, day=today.isoformat())
            self._previous_days.poll_soon(state)
            if pauses.due:
                await pauses.take()
        return turned

    async def expire(self) -> Sequence[TargetState]:
        """Remove the values of targets without a success for too long; return these targets."""
        expired = self._expiry.take_expired()
        if not expired:
            return expired
        with_values = [state for state in expired if state.series.published.has_values]
        await self._runner.change(expired, self._drop_values)
        for state in with_values:
            if not state.series.published.has_values:
                self._log.warning("values_expired", target=state.target.name)
        for state in expired:
            if state.is_expired(self._clock):
                state.expires_from = self._clock.monotonic() + state.target.interval_seconds
        return expired

    def _begin_day(self, state: TargetState, today: date, draft: Draft) -> Steps[None]:
        state.day, state.day_began = today, self._clock.monotonic()
        state.curve = DayCurve()
        yield from state.series.begin_day(today, draft)

    def _drop_values(self, state: TargetState, draft: Draft) -> Steps[None]:
        if state.is_expired(self._clock):  # a poll may have succeeded while this waited
            yield from state.series.drop_values(draft)
