"""The metric families of V-Spark's data: names, types, labels, HELP texts, and the value of each sample.

Names, types and labels are promises to users; docs/metrics.md is generated from here. To add a family, add an entry to
the table of its kind: `FOLDER_VALUES`, `PREVIOUS_DAY_VALUES`, `ORG_VALUES` or `POLL_VALUES`. The exporter's own metrics
are in `self_metrics`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from exporter.stats.model import AgentDays

_AGE: Final = "As old as the last successful poll: at most poll.interval plus the duration of the request."
_PREVIOUS: Final = (
    "Includes calls that were transcribed late, as of the last successful poll of that day. "
    "Exposed until the next midnight, only if poll.previous_day_for is set."
)
_ORG: Final = ("company", "org")
_FOLDER: Final = ("company", "org", "folder")
_AGENT: Final = ("company", "org", "folder", "agent")


class Family(Struct, frozen=True, eq=False):
    """A metric family. There is one object of each, and it is equal to itself only.

    `unit` is the suffix of the name if OpenMetrics has to declare it, else empty. A `created` counter also exposes in
    OpenMetrics when it began (`_created`; OpenMetrics 1.0.0, section Counter).
    """

    name: str
    type: str
    help: str
    labels: tuple[str, ...]
    unit: str = ""
    created: bool = False


class FolderFigures(Struct, frozen=True, gc=False):
    """The figures of one folder's day.

    `calls_total` is the value of the counter, None if it is not exposed. `agents` is the number of agents before
    filters and the cap, `folded` the number of those that are summed into `_other`.
    """

    calls: int = 0
    calls_total: int | None = 0
    average_seconds: float | None = None
    agents: int = 0
    folded: int = 0


class OrgFigures(Struct, frozen=True, gc=False):
    """The figures of one org whose values are published: their day's start, a Unix time, and the number of folders."""

    day_start: float | None = None
    folders: int = 0


class PollFigures(Struct, frozen=True, gc=False):
    """The figures of one target's polls; times are Unix times in seconds."""

    up: bool = False
    last_poll_timestamp_seconds: float = 0.0
    last_success_timestamp_seconds: float | None = None
    last_poll_duration_seconds: float = 0.0
    polls: int = 0
    skipped: int = 0
    failures: Mapping[str, int] = {}


class DiscoveryFigures(Struct, frozen=True):
    """The figures of the discovery of one company; the last success is a Unix time, None before the first."""

    up: bool = False
    last_success_timestamp_seconds: float | None = None
    failures: Mapping[str, int] = {}


_Figures = TypeVar("_Figures")
_Values = dict[Family, Callable[[_Figures], float | None]]
"""Families with the value of their sample; None: no sample."""


def _call_seconds(figures: FolderFigures) -> float | None:
    if not figures.calls:
        return 0.0
    return None if figures.average_seconds is None else figures.calls * figures.average_seconds


def _gauge(name: str, help_text: str, labels: tuple[str, ...], unit: str = "") -> Family:
    return Family(name, "gauge", help_text, labels, unit)


FOLDER_CALLS_TOTAL: Final = Family(
    "vspark_folder_calls_total",
    "counter",
    f"Calls of the org's current day, as a counter that resets at the org's midnight. {_AGE}",
    _FOLDER,
    created=True,
)
AGENT_CALLS: Final = _gauge(
    "vspark_agent_calls_today",
    f"Calls of an agent on the org's current day. Agents without calls are left out. {_AGE}",
    _AGENT,
)
AGENT_AVERAGE: Final = _gauge(
    "vspark_agent_call_duration_average_seconds",
    f"Mean duration of an agent's calls on the org's current day, if V-Spark reports it. {_AGE}",
    _AGENT,
    "seconds",
)
AGENT_CALLS_PREVIOUS_DAY: Final = _gauge(
    "vspark_agent_calls_previous_day",
    f"Calls of an agent on the org's previous day. Agents without calls are left out. {_PREVIOUS}",
    _AGENT,
)
POLL_FAILURES: Final = Family(
    "vspark_poll_failures_total", "counter", "Failed polls of a target, by reason.", (*_FOLDER, "reason")
)

FOLDER_VALUES: Final[_Values[FolderFigures]] = {
    _gauge("vspark_folder_calls_today", f"Calls of the org's current day. {_AGE}", _FOLDER): lambda folder: (
        folder.calls
    ),
    FOLDER_CALLS_TOTAL: lambda folder: folder.calls_total,
    _gauge(
        "vspark_folder_call_duration_average_seconds",
        "Mean call duration of the org's current day. Absent without calls, or if V-Spark does not report it. " + _AGE,
        _FOLDER,
        "seconds",
    ): lambda folder: folder.average_seconds if folder.calls else None,
    _gauge(
        "vspark_folder_call_seconds_today",
        f"Calls multiplied by their mean duration, for means over several folders. {_AGE}",
        _FOLDER,
    ): _call_seconds,
    _gauge(
        "vspark_folder_agents_today",
        "Agents with calls on the org's current day, before filters and the cap. 0 if V-Spark names none. " + _AGE,
        _FOLDER,
    ): lambda folder: folder.agents,
    _gauge(
        "vspark_folder_agents_folded",
        'Agents whose calls are summed into agent="_other", because the folder has more than agents.max_per_folder.',
        _FOLDER,
    ): lambda folder: folder.folded,
}

PREVIOUS_DAY_VALUES: Final[_Values[FolderFigures]] = {
    _gauge(
        "vspark_folder_calls_previous_day", f"Calls of the org's previous day. {_PREVIOUS}", _FOLDER
    ): lambda folder: folder.calls,
    _gauge(
        "vspark_folder_call_seconds_previous_day",
        f"Calls of the org's previous day multiplied by their mean duration. {_PREVIOUS}",
        _FOLDER,
    ): _call_seconds,
}

ORG_VALUES: Final[_Values[OrgFigures]] = {
    _gauge(
        "vspark_day_start_timestamp_seconds",
        "Midnight at which the day of the org's values began, as a Unix time. Absent if the time zone is unknown.",
        _ORG,
        "seconds",
    ): lambda org: org.day_start,
}

POLL_VALUES: Final[_Values[PollFigures]] = {
    _gauge(
        "vspark_up", "1 if the target's last poll succeeded. The folder is empty for a whole org.", _FOLDER
    ): lambda polls: polls.up,
    _gauge(
        "vspark_last_poll_timestamp_seconds", "When the target's last poll ended, as a Unix time.", _FOLDER, "seconds"
    ): lambda polls: polls.last_poll_timestamp_seconds,
    _gauge(
        "vspark_last_success_timestamp_seconds",
        "When the target's last successful poll ended, as a Unix time.",
        _FOLDER,
        "seconds",
    ): lambda polls: polls.last_success_timestamp_seconds,
    _gauge(
        "vspark_last_poll_duration_seconds",
        "Duration of the target's last poll, with all attempts and the wait for a free slot.",
        _FOLDER,
        "seconds",
    ): lambda polls: polls.last_poll_duration_seconds,
    Family("vspark_polls_total", "counter", "Polls of a target that have ended.", _FOLDER): lambda polls: polls.polls,
    Family(
        "vspark_polls_skipped_total",
        "counter",
        "Polls of a target that were due while the previous one was still running.",
        _FOLDER,
    ): lambda polls: polls.skipped,
}

ORG_TIMEZONE_MISMATCH: Final = _gauge(
    "vspark_org_timezone_mismatch",
    "1 if the org's configured time zone differs from V-Spark's at any time this year. Absent if V-Spark's is unknown.",
    _ORG,
)
DISCOVERY_FAILURES: Final = Family(
    "vspark_discovery_failures_total", "counter", "Failed discoveries of a company, by reason.", ("company", "reason")
)
DISCOVERY_VALUES: Final[_Values[DiscoveryFigures]] = {
    _gauge(
        "vspark_discovery_up",
        "1 if the last discovery of the company succeeded. The company is empty for the list of companies.",
        ("company",),
    ): lambda discovery: discovery.up,
    _gauge(
        "vspark_discovery_last_success_timestamp_seconds",
        "When the last successful discovery of the company ended, as a Unix time.",
        ("company",),
        "seconds",
    ): lambda discovery: discovery.last_success_timestamp_seconds,
}

FAMILIES: Final[tuple[Family, ...]] = (
    *FOLDER_VALUES,
    AGENT_CALLS,
    AGENT_AVERAGE,
    *PREVIOUS_DAY_VALUES,
    AGENT_CALLS_PREVIOUS_DAY,
    *ORG_VALUES,
    ORG_TIMEZONE_MISMATCH,
    *POLL_VALUES,
    POLL_FAILURES,
    *DISCOVERY_VALUES,
    DISCOVERY_FAILURES,
)
"""Every family, in the order of the page."""


def agent_columns(agents: AgentDays) -> Iterator[tuple[Family, Sequence[str], Sequence[float]]]:
    """Yield each agent family with the agents' ids and, in the same order, their values."""
    yield AGENT_CALLS, agents.agents, agents.calls
    timed = [average for average in agents.average_seconds if average is not None]
    if len(timed) == len(agents):
        yield AGENT_AVERAGE, agents.agents, timed
    else:
        yield AGENT_AVERAGE, [agent.agent for agent in agents if agent.average_seconds is not None], timed
