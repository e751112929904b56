"""A target and the state of its polling. Times are monotonic seconds unless their names say otherwise."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, Self

from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from exporter.config.targets import Target
from exporter.config.tokens import Token
from exporter.errors import REASONS
from exporter.exposition.families import FolderFigures
from exporter.polling.day_curve import DayCurve
from exporter.polling.org_day import midnight
from exporter.polling.target_series import TargetSeries
from exporter.runtime.clock import Clock
from exporter.runtime.steps import Steps

_TOKENS_KEPT: Final = 3
_LOG_AGAIN_SECONDS: Final = 3600.0
_LONGEST_ERROR: Final = 1000
_CURVE_PATIENCE_INTERVALS: Final = 2
"""Calls since the poll before still count in the current half hour if it was at most so many intervals ago."""


class LastError(Struct, frozen=True, gc=False):
    """Why a target's last failed poll failed; `hint` says what to do, `at` is a Unix time."""

    reason: str
    text: str
    hint: str
    at: float

    @classmethod
    def of(cls, reason: str, text: str, at: float) -> Self:
        """Return the error with a `text` in which tokens are masked already. Of a long text the beginning is kept."""
        cut = text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]}…"
        return cls(reason, cut, REASONS[reason].action, at)


class TargetState:
    """The state of one target between its polls; `day` is the org's current day, `due` the time of the next poll."""

    def __init__(self, target: Target, series: TargetSeries, day: date | None, due: float) -> None:
        self.target = target
        self.series = series
        self.curve = DayCurve()
        self.day = day
        self.due = due
        self.task: asyncio.Task[None] | None = None
        """The poll that is running."""
        self.poll_again = False
        self.off_schedule = False
        """Whether the poll that is running was not due: it takes the place of the next one that is."""
        self.tried = False
        """Whether a poll has ended, successfully or not, and is published."""
        self.removed = False
        """Whether the target has left the configuration."""
        self.skipped = 0
        self.success_monotonic = 0.0
        self.day_began = 0.0
        """When the poller noticed that `day` had begun."""
        self.expires_from = 0.0
        """Before this, nothing expires: removing the series has failed, which is tried once in each interval."""
        self.last_error: LastError | None = None
        self._tokens: deque[Token] = deque(maxlen=_TOKENS_KEPT)
        self._outage: _Outage | None = None

    def remember_token(self) -> None:
        """Remember the token that was read last, so that it is still masked after another one has replaced it."""
        token = self.target.token.known
        if token is not None and token not in self._tokens:
            self._tokens.append(token)

    def mask(self, text: str) -> str:
        """Return a text in which every known token is masked."""
        self.remember_token()
        for token in self._tokens:
            text = token.mask(text)
        return text

    def success_age_seconds(self, clock: Clock) -> float | None:
        """Return the time since the last success, None before the first."""
        success = self.series.published.polls.last_success_timestamp_seconds
        if success is None:
            return None
        # By both clocks: one stands still while the machine sleeps, the other may be set back.
        return max(clock.monotonic() - self.success_monotonic, clock.time() - success)

    def is_expired(self, clock: Clock) -> bool:
        """Return whether the values, or a new day's counters without values, have waited for a success for too long."""
        left = self.seconds_to_expiry(clock)
        return left is not None and left < 0 and clock.monotonic() >= self.expires_from

    def seconds_to_expiry(self, clock: Clock) -> float | None:
        """Return for how long they may still wait, negative if it was too long already; None if there are none."""
        published, age = self.series.published, None
        if published.has_values:
            age = self.success_age_seconds(clock)
        elif published.has_counters:
            age = clock.monotonic() - self.day_began
        return None if age is None else self.target.stale_after_seconds - age

    def add_to_curve(self, before: Mapping[str, FolderFigures], changed: Iterable[str], now: float) -> Steps[None]:
        """Add a successful poll to the curve; `before` has the figures that it replaced, `now` is a Unix time."""
        zone, published = self.target.zone, self.series.published
        if zone is None or published.day is None:
            return
        self.curve.keep_only(published.folders)
        new_calls = ((each, _calls(published.folders.get(each)) - _calls(before.get(each))) for each in changed)
        patience_seconds = _CURVE_PATIENCE_INTERVALS * self.target.interval_seconds
        yield from self.curve.add(new_calls, now, midnight(zone, published.day), patience_seconds)

    def log_failure(
        self, log: FilteringBoundLogger, begun: float, now: float, reason: str, details: Mapping[str, str]
    ) -> None:
        """Log that a poll that began at `begun` has failed: the first time, for a new reason, and once an hour."""
        outage = self._outage
        if outage is None:
            outage = self._outage = _Outage(begun)
        if outage.reason != reason:
            log.warning("poll_failed", target=self.target.name, reason=reason, **details)
        elif now - outage.logged_at >= _LOG_AGAIN_SECONDS:
            seconds = round(now - outage.since, 3)
            log.warning("poll_still_failing", target=self.target.name, reason=reason, for_seconds=seconds, **details)
        else:
            return
        outage.reason, outage.logged_at = reason, now

    def log_success(self, log: FilteringBoundLogger, now: float) -> None:
        """Log that a poll has succeeded, if the one before failed."""
        if self._outage is not None:
            seconds = round(now - self._outage.since, 3)
            log.info("poll_recovered", target=self.target.name, reason=self._outage.reason, after_seconds=seconds)
            self._outage = None


class _Outage(Struct):
    """Failures in a row: since when, and the reason that was logged last, and when."""

    since: float
    reason: str = ""
    logged_at: float = 0.0


def _calls(figures: FolderFigures | None) -> int:
    return (figures and figures.calls_total) or 0
