"""Snapshot of the exporter as a whole: what the status page and its JSON show. Times are Unix times in seconds."""

from collections.abc import Iterable, Mapping
from typing import Self

from msgspec import Struct

from exporter.config.loaded import ALL, Share
from exporter.polling.discovery_log import DiscoveryFailure
from exporter.polling.snapshot import Health, TargetStatus


class ConfigState(Struct, frozen=True):
    """When the configuration in use was loaded, the problems of a later one that was rejected, and of discovery.

    `share` is the part of the targets that this instance polls.
    """

    loaded_at: float
    problems: tuple[str, ...] = ()
    discovery_failures: tuple[DiscoveryFailure, ...] = ()
    share: Share = ALL


class Totals(Struct, frozen=True):
    """Sums over all targets. An agent with calls in two folders counts twice.

    `by_health` has a count for every `Health`. `folders`, `calls` and `agents` are sums over the targets with values,
    None if no target has values. `without_values` is the number of the other targets.
    """

    targets: int
    by_health: Mapping[Health, int]
    without_values: int
    folders: int | None
    calls: int | None
    agents: int | None

    @classmethod
    def of(cls, targets: Iterable[TargetStatus]) -> Self:
        """Return the sums."""
        by_health = dict.fromkeys(Health, 0)
        with_values = folders = calls = agents = 0
        for status in targets:
            by_health[status.health] += 1
            if status.figures is not None:
                with_values += 1
                folders += len(status.folders)
                calls += status.figures.calls
                agents += status.figures.agents
        count = sum(by_health.values())
        sums = (folders, calls, agents) if with_values else (None, None, None)
        return cls(count, by_health, count - with_values, *sums)


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
