"""Snapshots of targets, as values for people who look: the status page and its JSON.

Times are Unix times in seconds. Nothing here knows a token or a URL.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Self

from msgspec import Struct

from exporter.config.targets import Target
from exporter.errors import REASONS
from exporter.exposition.families import FolderFigures
from exporter.polling.day_curve import DayCurve
from exporter.polling.target_series import TargetSeries

_LONGEST_ERROR = 1000


class State(StrEnum):
    """How a target is, the worst first."""

    STALE = "stale"
    FAILING = "failing"
    WAITING = "waiting"
    OK = "ok"


SEVERITY: Mapping[State, int] = {state: number for number, state in enumerate(State)}


class LastError(Struct, frozen=True, gc=False):
    """What the last failed poll of a target said; `hint` is what to do about it."""

    reason: str
    text: str
    hint: str
    at: float

    @classmethod
    def of(cls, reason: str, text: str, at: float) -> Self:
        """Keep `text`, out of which tokens are masked; only its beginning where it is long."""
        cut = text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]}…"
        return cls(reason, cut, REASONS[reason], at)


class Figures(Struct, frozen=True, gc=False):
    """Calls of the day, their mean duration where it is known, and agents with calls, added up over folders."""

    calls: int
    average_seconds: float | None
    agents: int

    @classmethod
    def of(cls, folders: Collection[FolderFigures]) -> Self:
        """Add up; the mean is weighted by calls."""
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
    """Where one target stands; its `folder` is None for a whole org.

    `folders` are those whose values are published, `figures` their sum, None where no values are. `next_poll_seconds`
    is how long it is until the next poll is due, `polling` whether one runs now. A `last_error` stays after a recovery.
    """

    target: Target
    state: State
    never_succeeded: bool
    polling: bool
    next_poll_seconds: float
    last_success: float | None
    success_age_seconds: float | None
    last_poll: float | None
    last_poll_duration_seconds: float | None
    polls: int
    failures: int
    last_error: LastError | None
    folders: Mapping[str, FolderFigures]
    figures: Figures | None
    curve: DayCurve

    @property
    def recovered(self) -> bool:
        """Whether a poll has succeeded since the last error."""
        return self.state in (State.OK, State.WAITING)

    @classmethod
    def of(
        cls,
        target: Target,
        ledger: TargetSeries,
        *,
        polling: bool,
        next_poll_seconds: float,
        success_age_seconds: float | None,
        last_error: LastError | None,
    ) -> Self:
        """Take down where a target stands."""
        polls, folders = ledger.polls, ledger.folders
        age = None if success_age_seconds is None else max(0.0, success_age_seconds)
        return cls(
            target=target,
            state=_state(target, ledger, age),
            never_succeeded=age is None,
            polling=polling,
            next_poll_seconds=max(0.0, next_poll_seconds),
            last_success=polls.last_success_timestamp_seconds,
            success_age_seconds=age,
            last_poll=polls.last_poll_timestamp_seconds if polls.polls else None,
            last_poll_duration_seconds=polls.last_poll_duration_seconds if polls.polls else None,
            polls=polls.polls,
            failures=polls.failures.total(),
            last_error=last_error,
            folders=folders,
            figures=Figures.of(folders.values()) if ledger.has_values else None,
            curve=ledger.curve,
        )


def _state(target: Target, ledger: TargetSeries, success_age_seconds: float | None) -> State:
    if success_age_seconds is not None and not ledger.has_values:
        if success_age_seconds > target.stale_after_seconds:
            return State.STALE
        if ledger.polls.up:  # a new day has begun
            return State.WAITING
    if not ledger.polls.polls:
        return State.WAITING
    return State.OK if ledger.polls.up else State.FAILING
