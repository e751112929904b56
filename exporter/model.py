"""What is read from `/stats`: one folder's day, and one agent's part in it. Immutable."""

from msgspec import Struct


class AgentDay(Struct, frozen=True, gc=False):
    """One agent's calls in one folder on one day; `average_seconds` is None where V-Spark gives no mean."""

    agent: str
    calls: int
    average_seconds: float | None = None


class FolderDay(Struct, frozen=True):
    """One folder's calls on one day.

    `average_seconds` is the mean call duration, None where V-Spark gives none; `agents` are those with calls.
    """

    folder: str
    calls: int
    average_seconds: float | None = None
    agents: tuple[AgentDay, ...] = ()
