"""Snapshots of targets for the status page and its JSON. Times are Unix times in seconds. No token, no URL."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final, Self

from msgspec import Struct

from exporter.config.targets import Target
from exporter.exposition.families import FolderFigures, PollFigures
from exporter.polling.day_curve import DayCurve
from exporter.polling.target_series import Published
from exporter.polling.target_state import LastError, TargetState
from exporter.runtime.clock import Clock


class Health(StrEnum):
    """How a target is doing, the worst first."""

    STALE = "stale"
    FAILING = "failing"
    WAITING = "waiting"
    OK = "ok"


SEVERITY: Final[Mapping[Health, int]] = {health: number for number, health in enumerate(Health)}


class TargetFigures(Struct, frozen=True, gc=False):
    """A target's calls of the day, their mean duration if it is known, and agents with calls, summed over folders."""

    calls: int
    average_seconds: float | None
    agents: int

    @classmethod
    def of(cls, folders: Collection[FolderFigures]) -> Self:
        """Return the sum. The mean is weighted by calls."""
        calls = timed = agents = 0
        seconds = 0.0
        for figures in folders:
            calls += figures.calls
            agents += figures.agents
            if figures.average_seconds is not None:
                timed += figures.calls
                seconds += figures.calls * figures.average_seconds
        return cls(calls, seconds / timed if timed else None, agents)


class TargetStatus(Struct, frozen=True, gc=False):
    """Snapshot of one target.

    `folders` are those with published values and `figures` their sum, None without values. `polling` is whether a poll
    is running. `success_age_seconds` is None before the first success. `last_error` stays after a recovery.
    """

    target: Target
    health: Health
    polling: bool
    polls: PollFigures
    next_poll_seconds: float
    success_age_seconds: float | None
    last_error: LastError | None
    folders: Mapping[str, FolderFigures]
    figures: TargetFigures | None
    curve: DayCurve

    @property
    def recovered(self) -> bool:
        """Whether a poll has succeeded since the last error."""
        return self.health in (Health.OK, Health.WAITING)

    @property
    def failing_reason(self) -> str | None:
        """The reason for which it fails now; empty if it is stale without an error, None if it does not fail."""
        if self.recovered:
            return None
        return self.last_error.reason if self.last_error is not None else ""

    @classmethod
    def of(cls, state: TargetState, clock: Clock) -> Self:
        """Return a snapshot of a target."""
        published = state.series.published
        has_values = published.has_values
        age = state.success_age_seconds(clock)
        age = None if age is None else max(0.0, age)
        return cls(
            target=state.target,
            health=_health(state.target, published, age),
            polling=state.task is not None,
            polls=published.polls,
            next_poll_seconds=max(0.0, state.due - clock.monotonic()),
            success_age_seconds=age,
            last_error=state.last_error,
            folders=published.folders if has_values else {},
            figures=TargetFigures.of(published.folders.values()) if has_values else None,
            curve=state.curve,
        )


def _health(target: Target, published: Published, success_age_seconds: float | None) -> Health:
    if success_age_seconds is not None and not published.has_values:
        if success_age_seconds > target.stale_after_seconds:
            return Health.STALE
        if published.polls.up:  # a new day has begun
            return Health.WAITING
    if not published.polls.polls:
        return Health.WAITING
    return Health.OK if published.polls.up else Health.FAILING
