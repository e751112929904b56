"""The dashboard *V-Spark calls*, for the people who run the call center."""

from typing import Final

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import BarAlignment, StackingMode
from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards.days import BY_ORG, NEXT_MORNING_A_WEEK_AGO, day_calls, late_calls
from tools.dashboards.layout import Rows, lay_out
from tools.dashboards.panels import (
    bar_panel,
    beside,
    color_override,
    dashed,
    day_panel,
    histogram_panel,
    instant_query,
    line_panel,
    polls_panel,
    range_query,
    stat_panel,
    table_panel,
    table_query,
)
from tools.dashboards.variables import FOLDER_MATCHERS, ORG_MATCHERS, datasource, folders, job, namespace, poll_figures

CALLS: Final = f"vspark_folder_calls_today{{{FOLDER_MATCHERS}}}"
SECONDS: Final = f"vspark_folder_call_seconds_today{{{FOLDER_MATCHERS}}}"
AGENTS: Final = f"vspark_folder_agents_today{{{FOLDER_MATCHERS}}}"
AGENT_CALLS: Final = f'vspark_agent_calls_today{{{FOLDER_MATCHERS},agent!="_other"}}'
AGENT_MEAN: Final = f'vspark_agent_call_duration_average_seconds{{{FOLDER_MATCHERS},agent!="_other"}}'

BY_AGENT: Final = "by (company, org, agent)"
YESTERDAY: Final = "offset 1d"
WEEK_AGO: Final = "offset 1w"

DESCRIPTION: Final = """\
Calls of the current day. Each org's day follows its own time zone; a total over several time zones adds up each org's \
day so far. "At this time" means exactly 24 hours or 7 days earlier."""
_PREVIOUS_DAY: Final = (
    "Needs poll.previous_day_for, or a backfill. A day appears early on the next one, with the number of 10:30 at the "
    "latest, in the dashboard's time zone."
)
_COUNTED_PER_FOLDER: Final = "An agent with calls in two folders counts twice."


def once(series: str, earlier: str = "") -> str:
    """Return the series of each folder or agent once, `earlier` if that is an offset.

    While a folder moves to another shard, or a PodMonitor replaces a ServiceMonitor, Prometheus has two of them.
    """
    agent = ", agent" if series.startswith("vspark_agent") else ""
    return f"max by (company, org, folder{agent}) ({f'{series} {earlier}'.rstrip()})"


def mean(by: str = "") -> str:
    """Return the mean duration, weighted by calls, over the folders that have one."""
    return f"sum {by} ({SECONDS}) / (sum {by} ({CALLS} and {SECONDS}) > 0)"


def _change(earlier: str) -> str:
    return f"sum({once(CALLS)}) / (sum({once(CALLS, earlier)}) > 0) - 1"


def _agent_mean() -> str:
    """Return each agent's mean duration, weighted by calls over the agent's folders."""
    return f"sum {BY_AGENT} ({AGENT_CALLS} * {AGENT_MEAN}) / sum {BY_AGENT} ({AGENT_CALLS} and {AGENT_MEAN})"


def _rows() -> Rows:
    busiest_agents = f"topk(20, sum {BY_AGENT} ({once(AGENT_CALLS)}))"
    return {
        "Today": [
            stat_panel(
                "Calls",
                "Calls today, and at this time yesterday and a week ago.",
                instant_query(f"sum({once(CALLS)})", "today"),
                instant_query(f"sum({once(CALLS, YESTERDAY)})", "yesterday"),
                instant_query(f"sum({once(CALLS, WEEK_AGO)})", "a week ago"),
                unit=units.LocaleFormat,
            )
            .span(9)
            .height(5),
            stat_panel(
                "Change in calls",
                "Calls today compared with this time yesterday and a week ago.",
                instant_query(_change(YESTERDAY), "vs. yesterday"),
                instant_query(_change(WEEK_AGO), "vs. a week ago"),
                unit=units.PercentUnit,
            )
            .decimals(0)
            .span(7)
            .height(5),
            stat_panel(
                "Mean duration",
                "Weighted by calls. Folders without a mean duration are left out.",
                instant_query(mean()),
                unit=units.DurationInHoursMinutesSeconds,
            )
            .span(4)
            .height(5),
            stat_panel(
                "Agents with calls", _COUNTED_PER_FOLDER, instant_query(f"sum({once(AGENTS)})"), unit=units.LocaleFormat
            )
            .span(4)
            .height(5),
            polls_panel(),
        ],
        "Over time": [
            line_panel(
                "Calls since midnight by org",
                "Each org in its own day: the count restarts at the org's midnight. Dashed: one week earlier.",
                range_query(f"sum {BY_ORG} ({once(CALLS)})", "{{org}}"),
                range_query(f"sum {BY_ORG} ({once(CALLS, WEEK_AGO)})", "{{org}}, one week earlier"),
                unit=units.LocaleFormat,
            )
            .override_by_regexp("/, one week earlier$/", [dashed()])
            .span(12)
            .height(10),
            line_panel(
                "Calls per minute by org",
                "A call appears when V-Spark has counted it, not when it takes place.",
                range_query(
                    f"sum {BY_ORG} (rate(vspark_folder_calls_total{{{FOLDER_MATCHERS}}}[$__rate_interval])) * 60",
                    "{{org}}",
                ),
                unit=units.Short,
            )
            # Counts change once per poll. Over a shorter interval the rate would alternate between 0 and peaks.
            .interval("5m")
            .span(12)
            .height(10),
            line_panel(
                "Mean duration by org",
                "Mean over all calls of the day so far.",
                range_query(mean(BY_ORG), "{{org}}"),
                unit=units.DurationInHoursMinutesSeconds,
            )
            .span(12)
            .height(9),
            line_panel(
                "Agents with calls by org",
                f"Since midnight. {_COUNTED_PER_FOLDER}",
                range_query(f"sum {BY_ORG} ({once(AGENTS)})", "{{org}}"),
                unit=units.LocaleFormat,
            )
            .span(12)
            .height(9),
        ],
        "Days": [
            day_panel(
                "Calls per day",
                f"Calls of each finished day of the org, of the last three weeks. {_PREVIOUS_DAY}",
                range_query(f"sum {BY_ORG} {day_calls()}", "{{org}}"),
                since="3w",
                unit=units.LocaleFormat,
            )
            .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
            .span(24)
            .height(9),
            day_panel(
                "Weekday against weekday",
                f"Calls of each finished day, next to those of the same weekday one week earlier. {_PREVIOUS_DAY}",
                range_query(f"sum({day_calls()})", "day"),
                range_query(f"sum({day_calls(NEXT_MORNING_A_WEEK_AGO)}) and sum({day_calls()})", "one week earlier"),
                since="8d",
                unit=units.LocaleFormat,
            )
            .bar_width_factor(0.4)
            .override_by_name("one week earlier", [beside(BarAlignment.BEFORE), color_override("#6e7987")])
            .override_by_name("day", [beside(BarAlignment.AFTER), color_override("blue")])
            .span(12)
            .height(9),
            day_panel(
                "Late calls",
                "Calls that V-Spark added to a day after the org's midnight: the previous day's number minus the last "
                f"one of the day itself. Only for days that the exporter has polled live. {_PREVIOUS_DAY}",
                range_query(late_calls(), "{{org}}"),
                since="2w",
                unit=units.LocaleFormat,
            )
            .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
            .span(12)
            .height(9),
        ],
        "Orgs": [
            table_panel(
                "Orgs",
                "Calls of each org today and at this time yesterday and a week ago, and the time since its midnight.",
                {
                    "Calls today": table_query(f"sum {BY_ORG} ({once(CALLS)})"),
                    "Yesterday": table_query(f"sum {BY_ORG} ({once(CALLS, YESTERDAY)})"),
                    "A week ago": table_query(f"sum {BY_ORG} ({once(CALLS, WEEK_AGO)})"),
                    "Mean duration": table_query(mean(BY_ORG)),
                    "Agents": table_query(f"sum {BY_ORG} ({once(AGENTS)})"),
                    "Since midnight": table_query(
                        f"time() - max {BY_ORG} (vspark_day_start_timestamp_seconds{{{ORG_MATCHERS}}})"
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
            bar_panel(
                "Busiest folders",
                "The ten folders with the most calls today.",
                instant_query(f"topk(10, {once(CALLS)})", "{{org}} / {{folder}}"),
                unit=units.LocaleFormat,
            )
            .span(9)
            .height(12),
            table_panel(
                "Top agents",
                "The twenty agents with the most calls today, summed over the selected folders of their org.",
                {
                    "Calls today": table_query(busiest_agents),
                    "Mean duration": table_query(f"({_agent_mean()}) and on (company, org, agent) {busiest_agents}"),
                },
                ("company", "org", "agent"),
                {"Mean duration": units.DurationInHoursMinutesSeconds},
            )
            .span(15)
            .height(12),
            histogram_panel(
                "Calls per agent",
                "Number of agents by their number of calls today.",
                table_query(f"sum {BY_AGENT} ({once(AGENT_CALLS)})"),
                unit=units.LocaleFormat,
            )
            .span(12)
            .height(8),
            histogram_panel(
                "Mean duration per agent",
                "Number of agents by their mean call duration today.",
                table_query(_agent_mean()),
                unit=units.DurationInHoursMinutesSeconds,
            )
            .span(12)
            .height(8),
        ],
    }


def calls() -> Dashboard:
    """Return the dashboard."""
    return lay_out(
        "V-Spark calls",
        "vspark-calls",
        DESCRIPTION,
        [datasource(), job(), namespace(), *folders(), *poll_figures()],
        _rows(),
        since="now-24h",
    )
