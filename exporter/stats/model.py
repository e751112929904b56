"""The values of `/stats`: the calls of one folder on one day, and those of its agents. Do not change them."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct


class AgentDay(Struct, frozen=True, gc=False):
    """One agent's calls in one folder on one day; `average_seconds` is None if V-Spark reports no mean."""

    agent: str
    calls: int
    average_seconds: float | None = None


class AgentDays:
    """The agents of one folder and day, as columns, because work on a whole column is faster than on each agent."""

    __slots__ = ("agents", "average_seconds", "calls")

    def __init__(
        self, agents: Iterable[str] = (), calls: Iterable[int] = (), average_seconds: Iterable[float | None] = ()
    ) -> None:
        self.agents = agents if isinstance(agents, list) else list(agents)
        self.calls = calls if isinstance(calls, list) else list(calls)
        self.average_seconds = average_seconds if isinstance(average_seconds, list) else list(average_seconds)

    @classmethod
    def of(cls, agents: Iterable[AgentDay]) -> "AgentDays":
        """Return the columns of `agents`, which may be columns already."""
        if isinstance(agents, cls):
            return agents
        agents = list(agents)
        return cls(
            [agent.agent for agent in agents],
            [agent.calls for agent in agents],
            [agent.average_seconds for agent in agents],
        )

    @classmethod
    def joined(cls, parts: Sequence["AgentDays"]) -> "AgentDays":
        """Return the agents of all parts."""
        if len(parts) == 1:
            return parts[0]
        together = cls()
        for part in parts:
            together.extend(part)
        return together

    def extend(self, more: "AgentDays") -> None:
        """Append the agents of `more`."""
        self.agents += more.agents
        self.calls += more.calls
        self.average_seconds += more.average_seconds

    def slices(self, size: int) -> Iterator["AgentDays"]:
        """Return the agents in parts of at most `size`."""
        for start in range(0, len(self), size):
            end = start + size
            yield AgentDays(self.agents[start:end], self.calls[start:end], self.average_seconds[start:end])

    def __len__(self) -> int:
        return len(self.agents)

    def __iter__(self) -> Iterator[AgentDay]:
        return map(AgentDay, self.agents, self.calls, self.average_seconds)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, AgentDays | tuple) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # as of lists

    def __repr__(self) -> str:
        return repr(tuple(self))


class FolderDay(Struct, frozen=True):
    """One folder's calls on one day, their mean duration (None if V-Spark reports none), and the agents with calls."""

    folder: str
    calls: int
    average_seconds: float | None = None
    agents: AgentDays | tuple[AgentDay, ...] = ()
