"""Which agents are shown, and under which ids: filters, keyed hash, cap."""

import heapq
import hmac
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

from exporter.runtime.steps import Steps
from exporter.stats.model import AgentDay, AgentDays
from exporter.stats.totals import Sum, merged

OTHER: Final = "_other"
_HASH_DIGITS: Final = 16
_CHUNK: Final = 2000


class AgentRules:
    """Applies the section `agents` of the configuration to the agents of a folder."""

    def __init__(
        self, *, enabled: bool, max_per_folder: int, include: str, exclude: str, hash_key: bytes | None = None
    ) -> None:
        self._enabled = enabled
        self._max = max_per_folder
        self._include = re.compile(include) if include != ".*" else None
        self._exclude = re.compile(exclude) if exclude else None
        self._hash_key = hash_key

    def apply(self, agents: AgentDays) -> Steps[tuple[AgentDays, int]]:
        """Return the agents to show and the number of those summed into `_other`: filters first, then the cap."""
        if not self._enabled:
            return AgentDays(), 0
        if self._include or self._exclude or self._hash_key:
            passed = []
            for chunk in agents.slices(_CHUNK):
                passed.append(AgentDays.of(self._passed(chunk)))
                yield
            agents = yield from merged(passed)
        return (yield from self._capped(agents))

    def _passed(self, agents: AgentDays) -> Iterator[AgentDay]:
        """Yield the agents that pass the filters, with hashed ids if there is a key."""
        include, exclude, key = self._include, self._exclude, self._hash_key
        for agent in agents:
            if include is not None and not include.fullmatch(agent.agent):
                continue
            if exclude is not None and exclude.fullmatch(agent.agent):
                continue
            yield agent if key is None else AgentDay(_hash(key, agent.agent), agent.calls, agent.average_seconds)

    def _capped(self, agents: AgentDays) -> Steps[tuple[AgentDays, int]]:
        if len(agents) <= self._max:
            return agents, 0
        kept = yield from self._busiest(agents)
        others, kept_indexes = Sum(), set(kept)
        for index, (calls, average) in enumerate(zip(agents.calls, agents.average_seconds, strict=True)):
            if index not in kept_indexes:
                others.add(calls, average)
            if index % _CHUNK == 0:
                yield
        shown = AgentDays()
        for start in range(0, len(kept), _CHUNK):
            some = kept[start : start + _CHUNK]
            columns = (agents.agents, agents.calls, agents.average_seconds)
            shown.extend(AgentDays(*(map(column.__getitem__, some) for column in columns)))
            yield
        shown.extend(AgentDays([OTHER], [others.calls], [others.average_seconds]))
        return (yield from merged([shown])), len(agents) - len(kept)

    def _busiest(self, agents: AgentDays) -> Steps[list[int]]:
        """Return the indexes of the agents with most calls, as many as allowed; of equals the first by id."""
        chunks = [range(start, min(start + _CHUNK, len(agents))) for start in range(0, len(agents), _CHUNK)]
        number_with: Counter[int] = Counter()
        for chunk in chunks:  # the numbers first: to sort agents takes longer
            number_with.update(agents.calls[chunk.start : chunk.stop])
            yield
        left = self._max
        for least in sorted(number_with, reverse=True):
            if number_with[least] >= left:
                break
            left -= number_with[least]
        kept: list[int] = []
        ties: list[list[int]] = []
        for chunk in chunks:
            kept += [index for index in chunk if agents.calls[index] > least]
            equals = (index for index in chunk if agents.calls[index] == least)
            ties.append(sorted(equals, key=agents.agents.__getitem__))
            yield
        by_id = islice(heapq.merge(*ties, key=agents.agents.__getitem__), left)
        while some := list(islice(by_id, _CHUNK)):
            kept += some
            yield
        return kept


def _hash(key: bytes, agent: str) -> str:
    return hmac.digest(key, agent.encode(), "sha256").hex()[:_HASH_DIGITS]
