"""The table of metric families, and what each of them says of a folder's day, an agent or a poll.

Names, types and labels are a promise to users; docs/metrics.md is made from here. The exporter's own metrics
are in `telemetry`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from exporter.stats.model import AgentDays

_AGE: Final = "As old as the last successful poll: at most poll.interval plus the request's time."
_ORG: Final = ("company", "org")
_FOLDER: Final = ("company", "org", "folder")
_AGENT: Final = ("company", "org", "folder", "agent")


class Family(Struct, frozen=True):
    """A metric family: `unit` is the name's suffix where OpenMetrics wants it told, else empty.

    `created`: OpenMetrics also gets when the counter began (`_created`, OpenMetrics 1.0.0, section Counter).
    """

    name: str
    type: str
    help: str
    labels: tuple[str, ...]
    unit: str = ""
    created: bool = False


class FolderFigures(Struct, frozen=True, gc=False):
    """What is published of one folder's day.

    `calls_total` is the counter's value, None where it is not told; `agents` is the number of agents before filters and
    the cap, `folded` how many of them are summed into `_other`.
    """

    calls: int = 0
    calls_total: int | None = 0
    average_seconds: float | None = None
    agents: int = 0
    folded: int = 0


class PollFigures(Struct, frozen=True):
    """What is published of one target's polls; times are Unix times in seconds."""

    up: bool = False
    last_poll_timestamp_seconds: float = 0.0
    last_success_timestamp_seconds: float | None = None
    last_poll_duration_seconds: float = 0.0
    polls: int = 0
    skipped: int = 0
    failures: Mapping[str, int] = {}


def _call_seconds(figures: FolderFigures) -> float | None:
    if not figures.calls:
        return 0.0
    return None if figures.average_seconds is None else figures.calls * figures.average_seconds


FOLDER_CALLS_TOTAL: Final = Family(
    "vspark_folder_calls_total",
    "counter",
    f"Calls of the org's current day, as a counter that resets at the org's midnight. {_AGE}",
    _FOLDER,
    created=True,
)
DAY_START: Final = Family(
    "vspark_day_start_timestamp_seconds",
    "gauge",
    "Midnight that began the day the org's values are of, as a Unix time. Only where the org's time zone is known.",
    _ORG,
    "seconds",
)
AGENT_CALLS: Final = Family(
    "vspark_agent_calls_today",
    "gauge",
    f"Calls of an agent on the org's current day; agents without calls are left out. {_AGE}",
    _AGENT,
)
AGENT_AVERAGE: Final = Family(
    "vspark_agent_call_duration_average_seconds",
    "gauge",
    f"Mean duration of an agent's calls on the org's current day, where V-Spark gives it. {_AGE}",
    _AGENT,
    "seconds",
)
POLL_FAILURES: Final = Family(
    "vspark_poll_failures_total", "counter", "Polls of a target that failed, by reason.", (*_FOLDER, "reason")
)

FOLDER_VALUES: Final[dict[Family, Callable[[FolderFigures], float | None]]] = {
    Family("vspark_folder_calls_today", "gauge", f"Calls of the org's current day. {_AGE}", _FOLDER): lambda figures: (
        figures.calls
    ),
    FOLDER_CALLS_TOTAL: lambda figures: figures.calls_total,
    Family(
        "vspark_folder_call_duration_average_seconds",
        "gauge",
        f"Mean call duration of the org's current day; absent without calls or where V-Spark gives none. {_AGE}",
        _FOLDER,
        "seconds",
    ): lambda figures: figures.average_seconds if figures.calls else None,
    Family(
        "vspark_folder_call_seconds_today",
        "gauge",
        f"Calls times their mean duration, so that means add up over folders. {_AGE}",
        _FOLDER,
    ): _call_seconds,
    Family(
        "vspark_folder_agents_today",
        "gauge",
        f"Agents with calls on the org's current day, before filters and the cap; 0 where V-Spark names none. {_AGE}",
        _FOLDER,
    ): lambda figures: figures.agents,
    Family(
        "vspark_folder_agents_folded",
        "gauge",
        'Agents whose calls are summed into agent="_other", because the folder has more than agents.max_per_folder.',
        _FOLDER,
    ): lambda figures: figures.folded,
}
"""What each family of a folder says; None: no sample."""

POLL_VALUES: Final[dict[Family, Callable[[PollFigures], float | None]]] = {
    Family(
        "vspark_up", "gauge", "1 where the target's last poll succeeded; the folder is empty for a whole org.", _FOLDER
    ): lambda figures: figures.up,
    Family(
        "vspark_last_poll_timestamp_seconds",
        "gauge",
        "When the target's last poll ended, as a Unix time.",
        _FOLDER,
        "seconds",
    ): lambda figures: figures.last_poll_timestamp_seconds,
    Family(
        "vspark_last_success_timestamp_seconds",
        "gauge",
        "When the target's last successful poll ended, as a Unix time.",
        _FOLDER,
        "seconds",
    ): lambda figures: figures.last_success_timestamp_seconds,
    Family(
        "vspark_last_poll_duration_seconds",
        "gauge",
        "How long the target's last poll took, with all of its tries and the wait for its turn.",
        _FOLDER,
        "seconds",
    ): lambda figures: figures.last_poll_duration_seconds,
    Family("vspark_polls_total", "counter", "Polls of a target that have ended.", _FOLDER): lambda figures: (
        figures.polls
    ),
    Family(
        "vspark_polls_skipped_total",
        "counter",
        "Polls of a target that were due while the one before was still running.",
        _FOLDER,
    ): lambda figures: figures.skipped,
}
"""What each family of a target's polls says; None: no sample."""

FAMILIES: Final[tuple[Family, ...]] = (
    *FOLDER_VALUES,
    AGENT_CALLS,
    AGENT_AVERAGE,
    DAY_START,
    *POLL_VALUES,
    POLL_FAILURES,
)
"""Every family, in the order of the page."""


def agent_columns(agents: AgentDays) -> Iterator[tuple[Family, Sequence[str], Sequence[float]]]:
    """Give each agent family with its agents' ids and their values, side by side."""
    yield AGENT_CALLS, agents.agents, agents.calls
    timed = [average for average in agents.average_seconds if average is not None]
    if len(timed) == len(agents):
        yield AGENT_AVERAGE, agents.agents, timed
    else:
        yield AGENT_AVERAGE, [agent.agent for agent in agents if agent.average_seconds is not None], timed
