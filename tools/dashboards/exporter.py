"""The dashboard *V-Spark exporter*, for those who run the exporter."""

from typing import Final

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard, ValueMap, ValueMappingResult

from tools.dashboards.page import Rows, page
from tools.dashboards.panels import (
    bars,
    by_thresholds,
    colour_override,
    grid,
    lines,
    now,
    number,
    over_time,
    rows,
    stacked,
    threshold_override,
    thresholds,
)
from tools.dashboards.variables import JOB, datasource, job

UP: Final = f"vspark_up{{{JOB}}}"
LAST_SUCCESS: Final = f"vspark_last_success_timestamp_seconds{{{JOB}}}"
POLL_SECONDS: Final = f"vspark_last_poll_duration_seconds{{{JOB}}}"
FAILURES: Final = f"vspark_poll_failures_total{{{JOB}}}"
BUCKETS: Final = f"vspark_api_request_duration_seconds_bucket{{{JOB}}}"
REQUESTS: Final = f"vspark_api_request_duration_seconds_count{{{JOB}}}"
RELOADED: Final = f"vspark_exporter_config_last_reload_successful{{{JOB}}}"
RELOADED_AT: Final = f"vspark_exporter_config_last_reload_success_timestamp_seconds{{{JOB}}}"

BY_TARGET: Final = "by (company, org, folder)"
TARGET: Final = "{{org}} / {{folder}}"
SUCCEEDING: Final = f"count({UP} == 1) or vector(0)"
FAILING: Final = f"count({UP} == 0) or vector(0)"
WHOLE_ORG: Final = '"folder", "(whole org)", "folder", ""'
"""What `label_replace` gives a target without a folder to be called by."""

SAYS: Final = "How the exporter polls V-Spark. A target is a folder, or a whole org: then its folder is empty."


def _of_requests(share: float) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({BUCKETS}[$__rate_interval])))"


def _rows() -> Rows:
    return {
        "Now": [
            number(
                "Targets",
                "By what became of their last poll.",
                now(SUCCEEDING, "succeed"),
                now(FAILING, "fail"),
                unit=units.LocaleFormat,
            )
            .color_scheme(by_thresholds())
            .override_by_name("succeed", [threshold_override((None, "green"))])
            .override_by_name("fail", [threshold_override((None, "green"), (1, "red"))])
            .span(8)
            .height(5),
            number(
                "Oldest success",
                "How long ago the target that is worst off was last polled with success.",
                now(f"max(time() - {LAST_SUCCESS})"),
                unit=units.DurationSeconds,
            )
            .color_scheme(by_thresholds())
            .thresholds(thresholds((None, "green"), (180, "orange"), (300, "red")))
            .span(5)
            .height(5),
            number(
                "Configuration",
                "What became of the last attempt to load it.",
                now(f"min({RELOADED})"),
                unit=units.Short,
            )
            .mappings(
                [
                    ValueMap(
                        {
                            "0": ValueMappingResult(text="refused", color="red"),
                            "1": ValueMappingResult(text="loaded", color="green"),
                        }
                    )
                ]
            )
            .span(3)
            .height(5),
            number(
                "Configuration loaded",
                "When it was last loaded with success.",
                now(f"min({RELOADED_AT}) * 1000"),
                unit=units.DateTimeFromNow,
            )
            .span(4)
            .height(5),
            number(
                "Exporters",
                "Those that Prometheus reaches.",
                now(f"sum(up{{{JOB}}})"),
                unit=units.LocaleFormat,
            )
            .color_scheme(by_thresholds())
            .thresholds(thresholds((None, "red"), (1, "green")))
            .span(4)
            .height(5),
        ],
        "Targets": [
            stacked(
                "Targets by state",
                "By what became of their last poll.",
                over_time(SUCCEEDING, "succeed"),
                over_time(FAILING, "fail"),
                unit=units.LocaleFormat,
            )
            .override_by_name("succeed", [colour_override("green")])
            .override_by_name("fail", [colour_override("red")])
            .span(12)
            .height(8),
            stacked(
                "Failed polls by reason",
                "docs/metrics.md says what each reason means. A reason's very first failure is not seen here.",
                over_time(f"sum by (reason) (increase({FAILURES}[$__rate_interval]))", "{{reason}}"),
                unit=units.Short,
            )
            .span(12)
            .height(8),
            grid(
                "Failing targets",
                "Of the targets whose last poll failed: what has failed since the exporter started. Its log says more.",
                {
                    "Failed polls": rows(
                        f"label_replace(sum by (company, org, folder, reason) ({FAILURES})"
                        f" and on (company, org, folder) {UP} == 0, {WHOLE_ORG})"
                    )
                },
                ("company", "org", "folder", "reason"),
                {},
            )
            .span(15)
            .height(8),
            bars(
                "Oldest values",
                "How long ago the ten targets that are worst off were last polled with success.",
                now(f"topk(10, time() - max {BY_TARGET} (label_replace({LAST_SUCCESS}, {WHOLE_ORG})))", TARGET),
                unit=units.DurationSeconds,
            )
            .span(9)
            .height(8),
        ],
        "Polls and requests": [
            lines(
                "Poll duration",
                "A poll's tries all together, and the wait for its turn.",
                over_time(f"quantile(0.5, {POLL_SECONDS})", "half of the targets"),
                over_time(f"quantile(0.95, {POLL_SECONDS})", "95 % of the targets"),
                over_time(f"max({POLL_SECONDS})", "slowest target"),
                unit=units.Seconds,
            )
            .span(12)
            .height(8),
            lines(
                "Request duration",
                "Every try of a request to V-Spark.",
                over_time(_of_requests(0.5), "half of the requests"),
                over_time(_of_requests(0.95), "95 % of the requests"),
                over_time(_of_requests(0.99), "99 % of the requests"),
                unit=units.Seconds,
            )
            .span(12)
            .height(8),
            stacked(
                "Requests by status",
                '"none" where no status came.',
                over_time(f"sum by (code) (rate({REQUESTS}[$__rate_interval]))", "{{code}}"),
                unit=units.RequestsPerSecond,
            )
            .span(12)
            .height(8),
            lines(
                "Polls",
                "A poll that was due while the one before still ran is skipped.",
                over_time(f"sum(rate(vspark_polls_total{{{JOB}}}[$__rate_interval])) * 60", "ended"),
                over_time(f"sum(rate(vspark_polls_skipped_total{{{JOB}}}[$__rate_interval])) * 60", "skipped"),
                unit=units.CountsPerMinute,
            )
            .span(12)
            .height(8),
        ],
        "Process": [
            lines(
                "Series",
                "What a scrape brings, and the agents that are summed up because their folder has too many.",
                over_time(f"sum by (instance) (scrape_samples_scraped{{{JOB}}})", "{{instance}}"),
                over_time(f"sum(vspark_folder_agents_folded{{{JOB}}})", "agents in _other"),
                unit=units.LocaleFormat,
            )
            .span(8)
            .height(8),
            lines(
                "Memory",
                "Resident memory of each exporter.",
                over_time(f"process_resident_memory_bytes{{{JOB}}}", "{{instance}}"),
                unit=units.BytesIEC,
            )
            .span(8)
            .height(8),
            lines(
                "CPU",
                "Cores that each exporter uses.",
                over_time(f"rate(process_cpu_seconds_total{{{JOB}}}[$__rate_interval])", "{{instance}}"),
                unit=units.Short,
            )
            .span(8)
            .height(8),
            lines(
                "Scrape duration",
                "As Prometheus sees it.",
                over_time(f"scrape_duration_seconds{{{JOB}}}", "{{instance}}"),
                unit=units.Seconds,
            )
            .span(12)
            .height(8),
            grid(
                "Builds",
                "Which build runs where.",
                {
                    "Exporters": rows(
                        f"count by (instance, version, pythonversion) (vspark_exporter_build_info{{{JOB}}})"
                    )
                },
                ("instance", "version", "pythonversion"),
                {},
            )
            .span(12)
            .height(8),
        ],
    }


def exporter() -> Dashboard:
    """Give the dashboard."""
    return page("V-Spark exporter", "vspark-exporter", SAYS, [datasource(), job()], _rows(), since="now-6h")
