"""The queries about finished days. A bar at a day's midnight, where Grafana writes the date, has that day's calls.

Grafana evaluates a query with a step of one day at each midnight of the dashboard's time zone. At 10:30 of the day
after, an org's previous day is the bar's day, if its clocks are at most 10 hours behind and 13 hours ahead: with a
dashboard in UTC, everywhere but in the Line Islands and American Samoa. The samples of a backfill may be hours apart,
so each query looks back for six hours. It takes the maximum of all instances, because a pod that was replaced has left
series too.
"""

from typing import Final

from tools.dashboards.variables import FOLDER_MATCHERS, ORG_MATCHERS

BY_ORG: Final = "by (company, org)"
_BY_FOLDER: Final = "by (company, org, folder)"
NEXT_MORNING: Final = "offset -2070m"
NEXT_MORNING_A_WEEK_AGO: Final = "offset 8010m"
_A_DAY_BEFORE_IT: Final = {NEXT_MORNING: "time() + 37800", NEXT_MORNING_A_WEEK_AGO: "time() - 567000"}
"""A midnight until then cannot be the one that ended the bar's day."""
_DAY_START: Final = f"vspark_day_start_timestamp_seconds{{{ORG_MATCHERS}}}"


def day_calls(next_morning: str = NEXT_MORNING) -> str:
    """Return the calls of each folder on the bar's day, or on the same weekday of the week before.

    An org whose current day is still the bar's day has no result yet, if the exporter says when that day began.
    """
    calls = f"last_over_time(vspark_folder_calls_previous_day{{{FOLDER_MATCHERS}}}[6h] {next_morning})"
    began = f"last_over_time({_DAY_START}[6h] {next_morning})"
    too_early = f"{began} <= {_A_DAY_BEFORE_IT[next_morning]}"
    return f"(max {_BY_FOLDER} ({calls}) unless on (company, org) {too_early})"


def late_calls() -> str:
    """Return the calls of each org that were added to the bar's day after its end.

    Five minutes after the org's midnight, the last value of the ended day is 310 seconds old. All midnights are at a
    full quarter of an hour.
    """
    last = f"sum {BY_ORG} (max {_BY_FOLDER} (vspark_folder_calls_today{{{FOLDER_MATCHERS}}} offset 310s))"
    after_midnight = f"time() - max {BY_ORG} ({_DAY_START}) == 300"
    at_midnight = f"max_over_time(({last} and on (company, org) {after_midnight})[1d:5m] {NEXT_MORNING})"
    return f"sum {BY_ORG} {day_calls()} - {at_midnight}"
