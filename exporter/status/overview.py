"""Where the exporter and its targets stand, as values for people who look: the status page and its JSON.

Times are Unix times in seconds. Nothing here knows a token or a URL.
"""

from collections.abc import Iterable, Mapping
from typing import Self

from msgspec import Struct

from exporter.polling.snapshot import State, TargetStatus


class ConfigState(Struct, frozen=True):
    """When the configuration that is in use was loaded, and why a later one was refused, if that is so."""

    loaded_at: float
    problems: tuple[str, ...] = ()


class Totals(Struct, frozen=True):
    """Sums over all targets; `states` has every state. An agent with calls in two folders counts twice.

    `folders`, `calls` and `agents` are of those that have values, None where none has; `unknown` is how many have not.
    """

    targets: int
    states: Mapping[State, int]
    unknown: int
    folders: int | None
    calls: int | None
    agents: int | None

    @classmethod
    def of(cls, targets: Iterable[TargetStatus]) -> Self:
        """Add up."""
        states = dict.fromkeys(State, 0)
        known = folders = calls = agents = 0
        for status in targets:
            states[status.state] += 1
            if status.figures is not None:
                known += 1
                folders += len(status.folders)
                calls += status.figures.calls
                agents += status.figures.agents
        count = sum(states.values())
        if not known:
            return cls(count, states, count, None, None, None)
        return cls(count, states, count - known, folders, calls, agents)


class Overview(Struct, frozen=True):
    """The exporter at `now`."""

    now: float
    version: str
    python_version: str
    started_at: float
    uptime_seconds: float
    config: ConfigState
    targets: tuple[TargetStatus, ...]
    totals: Totals
