"""The dashboard *V-Spark calls*, for the people who run the call centre."""

from typing import Final

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards.page import Rows, page
from tools.dashboards.panels import (
    bars,
    distribution,
    grid,
    lines,
    now,
    number,
    over_time,
    rows,
)
from tools.dashboards.variables import FOLDERS, ORGS, datasource, folders, job

CALLS: Final = f"vspark_folder_calls_today{{{FOLDERS}}}"
SECONDS: Final = f"vspark_folder_call_seconds_today{{{FOLDERS}}}"
AGENTS: Final = f"vspark_folder_agents_today{{{FOLDERS}}}"
AGENT_CALLS: Final = f'vspark_agent_calls_today{{{FOLDERS},agent!="_other"}}'
AGENT_MEAN: Final = f'vspark_agent_call_duration_average_seconds{{{FOLDERS},agent!="_other"}}'

BY_ORG: Final = "by (company, org)"
BY_AGENT: Final = "by (company, org, agent)"
YESTERDAY: Final = "offset 1d"
WEEK_AGO: Final = "offset 1w"

SAYS: Final = """\
Calls of today. A day is that of each org, in its own time zone; where orgs of several zones are added up, each adds \
what it has of its own day. "At this time" is 24 hours or 7 days earlier."""
_AGENT_IN_TWO: Final = "An agent with calls in two folders counts in both."


def mean(by: str = "") -> str:
    """Give the mean duration weighted by calls, over the folders of which V-Spark gives one."""
    return f"sum {by} ({SECONDS}) / (sum {by} ({CALLS} and {SECONDS}) > 0)"


def _change(earlier: str) -> str:
    return f"sum({CALLS}) / (sum({CALLS} {earlier}) > 0) - 1"


def _agent_mean() -> str:
    """Give an agent's mean duration, weighted by calls where the agent has some in several folders."""
    return f"sum {BY_AGENT} ({AGENT_CALLS} * {AGENT_MEAN}) / sum {BY_AGENT} ({AGENT_CALLS} and {AGENT_MEAN})"


def _rows() -> Rows:
    busiest_agents = f"topk(20, sum {BY_AGENT} ({AGENT_CALLS}))"
    return {
        "Today": [
            number(
                "Calls",
                "Calls of today, and what there was at this time yesterday and a week ago.",
                now(f"sum({CALLS})", "today"),
                now(f"sum({CALLS} {YESTERDAY})", "yesterday"),
                now(f"sum({CALLS} {WEEK_AGO})", "a week ago"),
                unit=units.LocaleFormat,
            )
            .span(9)
            .height(5),
            number(
                "Change",
                "Calls of today against those at this time yesterday and a week ago.",
                now(_change(YESTERDAY), "to yesterday"),
                now(_change(WEEK_AGO), "to a week ago"),
                unit=units.PercentUnit,
            )
            .decimals(0)
            .span(7)
            .height(5),
            number(
                "Mean duration",
                "Weighted by calls, over the folders of which V-Spark gives a mean.",
                now(mean()),
                unit=units.DurationInHoursMinutesSeconds,
            )
            .span(4)
            .height(5),
            number("Agents with calls", _AGENT_IN_TWO, now(f"sum({AGENTS})"), unit=units.LocaleFormat)
            .span(4)
            .height(5),
        ],
        "Course": [
            lines(
                "Calls since midnight",
                "Each org's calls begin anew at its own midnight.",
                over_time(f"sum({CALLS})", "today"),
                over_time(f"sum({CALLS} {YESTERDAY})", "a day before"),
                over_time(f"sum({CALLS} {WEEK_AGO})", "a week before"),
                unit=units.LocaleFormat,
            )
            .span(12)
            .height(10),
            lines(
                "Calls per minute by org",
                "Calls arrive here when V-Spark has counted them.",
                over_time(
                    f"sum {BY_ORG} (rate(vspark_folder_calls_total{{{FOLDERS}}}[$__rate_interval])) * 60", "{{org}}"
                ),
                unit=units.Short,
            )
            # Counts move once in a poll: over less than some polls their rate would be a comb.
            .interval("5m")
            .span(12)
            .height(10),
            lines(
                "Mean duration by org",
                "Of all calls of the day so far, weighted by calls.",
                over_time(mean(BY_ORG), "{{org}}"),
                unit=units.DurationInHoursMinutesSeconds,
            )
            .span(12)
            .height(9),
            lines(
                "Agents with calls by org",
                f"Since midnight. {_AGENT_IN_TWO}",
                over_time(f"sum {BY_ORG} ({AGENTS})", "{{org}}"),
                unit=units.LocaleFormat,
            )
            .span(12)
            .height(9),
        ],
        "Orgs": [
            grid(
                "Orgs",
                "Calls of each org's day, what it had at this time before, and how long its day has lasted.",
                {
                    "Calls today": rows(f"sum {BY_ORG} ({CALLS})"),
                    "Yesterday": rows(f"sum {BY_ORG} ({CALLS} {YESTERDAY})"),
                    "A week ago": rows(f"sum {BY_ORG} ({CALLS} {WEEK_AGO})"),
                    "Mean duration": rows(mean(BY_ORG)),
                    "Agents": rows(f"sum {BY_ORG} ({AGENTS})"),
                    "Since midnight": rows(
                        f"time() - max {BY_ORG} (vspark_day_start_timestamp_seconds{{{ORGS}}})"
                        f" and on (company, org) {CALLS}"
                    ),
                },
                ("company", "org"),
                {
                    "Mean duration": units.DurationInHoursMinutesSeconds,
                    "Since midnight": units.DurationInHoursMinutesSeconds,
                },
            )
            .span(24)
            .height(8),
        ],
        "Folders and agents": [
            bars(
                "Busiest folders",
                "The ten folders with the most calls today.",
                now(f"topk(10, sum by (company, org, folder) ({CALLS}))", "{{org}} / {{folder}}"),
                unit=units.LocaleFormat,
            )
            .span(9)
            .height(12),
            grid(
                "Top agents",
                "The twenty agents with the most calls today, over the chosen folders of their org.",
                {
                    "Calls today": rows(busiest_agents),
                    "Mean duration": rows(f"({_agent_mean()}) and on (company, org, agent) {busiest_agents}"),
                },
                ("company", "org", "agent"),
                {"Mean duration": units.DurationInHoursMinutesSeconds},
            )
            .span(15)
            .height(12),
            distribution(
                "Calls per agent",
                "How many agents have how many calls today.",
                rows(f"sum {BY_AGENT} ({AGENT_CALLS})"),
                unit=units.LocaleFormat,
            )
            .span(12)
            .height(8),
            distribution(
                "Mean duration per agent",
                "How many agents have which mean duration today.",
                rows(_agent_mean()),
                unit=units.DurationInHoursMinutesSeconds,
            )
            .span(12)
            .height(8),
        ],
    }


def calls() -> Dashboard:
    """Give the dashboard."""
    return page("V-Spark calls", "vspark-calls", SAYS, [datasource(), job(), *folders()], _rows(), since="now-24h")
