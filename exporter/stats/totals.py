"""Sums of calls and mean durations, of several records or of agents (rule 7)."""

from collections.abc import Sequence
from itertools import chain, compress, islice
from typing import Any, Final

from exporter.runtime.steps import Steps
from exporter.stats.model import AgentDay, AgentDays

_AT_A_TIME: Final = 2000


class Sum:
    """The sum of the calls of several parts, and the mean duration of those that have one, weighted by calls."""

    __slots__ = ("_last", "_parts", "_seconds", "_weight", "calls")

    def __init__(self) -> None:
        self.calls = 0
        self._seconds = 0.0
        self._weight = 0
        self._parts = 0
        self._last = 0.0

    def add(self, calls: int, average_seconds: float | None) -> None:
        """Add one part; the average of a part without calls does not count."""
        self.calls += calls
        if average_seconds is not None and calls:
            self._seconds += calls * average_seconds
            self._weight += calls
            self._parts += 1
            self._last = average_seconds

    def add_all(self, agents: AgentDays) -> None:
        """Add agents, one after the other."""
        calls: list[int] = agents.calls
        averages: list[Any] = agents.average_seconds
        if 0 in calls or None in averages:
            timed = [number > 0 and average is not None for number, average in zip(calls, averages, strict=True)]
            calls, averages = list(compress(calls, timed)), list(compress(averages, timed))
        seconds = self._seconds
        for number, average in zip(calls, averages, strict=True):
            seconds += number * average
        self.calls += sum(agents.calls)
        self._seconds = seconds
        self._weight += sum(calls)
        self._parts += len(calls)
        if averages:
            self._last = averages[-1]

    @property
    def average_seconds(self) -> float | None:
        """The mean of all parts, None if no part has one; the exact mean of a single part."""
        if self._parts == 1:
            return self._last
        return self._seconds / self._weight if self._parts else None


def sum_of(agents: AgentDays) -> Steps[Sum]:
    """Return the sum of all agents."""
    total = Sum()
    for some in agents.slices(_AT_A_TIME):
        total.add_all(some)
        yield
    return total


def merged(parts: Sequence[AgentDays]) -> Steps[AgentDays]:
    """Return the agents of several parts, those of the same id added up, in the order in which they first appear."""
    if len(parts) == 1 and len(set(parts[0].agents)) == len(parts[0]):
        return parts[0]
    ids: set[str] = set()
    together = AgentDays.of(())
    for some in chain.from_iterable(part.slices(_AT_A_TIME) for part in parts):
        ids.update(some.agents)
        together.extend(some)
        yield
    if len(ids) == len(together):
        return together
    by_id: dict[str, Sum] = {}
    for some in together.slices(_AT_A_TIME):
        for agent in some:
            by_id.setdefault(agent.agent, Sum()).add(agent.calls, agent.average_seconds)
        yield
    columns, sums = AgentDays.of(()), iter(by_id.items())
    while added := [AgentDay(agent, part.calls, part.average_seconds) for agent, part in islice(sums, _AT_A_TIME)]:
        columns.extend(AgentDays.of(added))
        yield
    return columns
