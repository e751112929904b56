"""Which agents are shown, and under which name: filters, keyed hash, cap."""

import heapq
import hmac
import re
from collections.abc import Iterable
from typing import Final

from exporter.dayrecord import Sum, merged
from exporter.model import AgentDay, AgentDays

OTHER: Final = "_other"
_HASH_DIGITS: Final = 16


class AgentRules:
    """What the section `agents` of the configuration does to a folder's agents."""

    def __init__(
        self, *, enabled: bool, max_per_folder: int, include: str, exclude: str, hash_key: bytes | None = None
    ) -> None:
        self._enabled = enabled
        self._max = max_per_folder
        self._include = re.compile(include) if include != ".*" else None
        self._exclude = re.compile(exclude) if exclude else None
        self._hash_key = hash_key

    def apply(self, agents: Iterable[AgentDay]) -> tuple[AgentDays, int]:
        """Give the agents to show, and how many are summed into `_other`: first the filters, then the cap."""
        if not self._enabled:
            return AgentDays(), 0
        if (include := self._include) is not None:
            agents = [agent for agent in agents if include.fullmatch(agent.agent)]
        if (exclude := self._exclude) is not None:
            agents = [agent for agent in agents if not exclude.fullmatch(agent.agent)]
        if (key := self._hash_key) is not None:
            agents = merged(AgentDay(_hash(key, agent.agent), agent.calls, agent.average_seconds) for agent in agents)
        return self._capped(AgentDays.of(agents))

    def _capped(self, agents: AgentDays) -> tuple[AgentDays, int]:
        if len(agents) <= self._max:
            return agents, 0
        least = heapq.nlargest(self._max, agents.calls)[-1]
        kept = [index for index, calls in enumerate(agents.calls) if calls > least]
        ties = (index for index, calls in enumerate(agents.calls) if calls == least)
        kept += heapq.nsmallest(self._max - len(kept), ties, key=agents.agents.__getitem__)
        others, stays = Sum(), set(kept)
        for index, (calls, average) in enumerate(zip(agents.calls, agents.average_seconds, strict=True)):
            if index not in stays:
                others.add(calls, average)
        shown = [AgentDay(agents.agents[index], agents.calls[index], agents.average_seconds[index]) for index in kept]
        return merged([*shown, AgentDay(OTHER, others.calls, others.average_seconds)]), len(agents) - len(kept)


def _hash(key: bytes, agent: str) -> str:
    return hmac.digest(key, agent.encode(), "sha256").hex()[:_HASH_DIGITS]
