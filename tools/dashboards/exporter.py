"""The dashboard *V-Spark exporter*, for operators of the exporter."""

from typing import Final

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard, ValueMap, ValueMappingResult

from tools.dashboards.layout import Rows, lay_out
from tools.dashboards.panels import (
    bar_panel,
    color_by_thresholds,
    color_override,
    instant_query,
    line_panel,
    polls_panel,
    range_query,
    stacked_panel,
    stat_panel,
    table_panel,
    table_query,
    threshold_override,
    thresholds,
)
from tools.dashboards.variables import JOB_MATCHER, datasource, job, namespace, poll_figures

UP: Final = f"vspark_up{{{JOB_MATCHER}}}"
LAST_SUCCESS: Final = f"vspark_last_success_timestamp_seconds{{{JOB_MATCHER}}}"
POLL_SECONDS: Final = f"vspark_last_poll_duration_seconds{{{JOB_MATCHER}}}"
FAILURES: Final = f"vspark_poll_failures_total{{{JOB_MATCHER}}}"
BUCKETS: Final = f"vspark_api_request_duration_seconds_bucket{{{JOB_MATCHER}}}"
REQUESTS: Final = f"vspark_api_request_duration_seconds_count{{{JOB_MATCHER}}}"
RELOADED: Final = f"vspark_exporter_config_last_reload_successful{{{JOB_MATCHER}}}"
RELOADED_AT: Final = f"vspark_exporter_config_last_reload_success_timestamp_seconds{{{JOB_MATCHER}}}"

DISCOVERY_UP: Final = f"vspark_discovery_up{{{JOB_MATCHER}}}"
DISCOVERY_FAILURES: Final = f"vspark_discovery_failures_total{{{JOB_MATCHER}}}"
ZONE_MISMATCH: Final = f"vspark_org_timezone_mismatch{{{JOB_MATCHER}}}"

BY_TARGET: Final = "by (company, org, folder)"
TARGET: Final = "{{org}} / {{folder}}"
SUCCEEDING: Final = f"count(max {BY_TARGET} ({UP}) == 1) or vector(0)"
FAILING: Final = f"count(max {BY_TARGET} ({UP}) == 0) or vector(0)"
WHOLE_ORG: Final = '"folder", "(whole org)", "folder", ""'
"""The arguments of `label_replace` that name the folder of a whole-org target."""
LIST_OF_COMPANIES: Final = '"company", "(list of companies)", "company", ""'
"""The arguments of `label_replace` that name the company of the list of companies."""

DESCRIPTION: Final = "How the exporter polls V-Spark. A target is a folder, or a whole org with an empty folder."


def _request_duration(quantile: float) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate({BUCKETS}[$__rate_interval])))"


def _rows() -> Rows:
    return {
        "Current state": [
            stat_panel(
                "Targets",
                "Targets by the result of their last poll.",
                instant_query(SUCCEEDING, "succeeding"),
                instant_query(FAILING, "failing"),
                unit=units.LocaleFormat,
            )
            .color_scheme(color_by_thresholds())
            .override_by_name("succeeding", [threshold_override((None, "green"))])
            .override_by_name("failing", [threshold_override((None, "green"), (1, "red"))])
            .span(8)
            .height(5),
            stat_panel(
                "Oldest success",
                "Time since the last successful poll of the target whose success is oldest.",
                instant_query(f"max(time() - {LAST_SUCCESS})"),
                unit=units.DurationSeconds,
            )
            .color_scheme(color_by_thresholds())
            .thresholds(thresholds((None, "green"), (180, "orange"), (300, "red")))
            .span(5)
            .height(5),
            stat_panel(
                "Configuration",
                "Result of the last attempt to load the configuration.",
                instant_query(f"min({RELOADED})"),
                unit=units.Short,
            )
            .mappings(
                [
                    ValueMap(
                        {
                            "0": ValueMappingResult(text="rejected", color="red"),
                            "1": ValueMappingResult(text="loaded", color="green"),
                        }
                    )
                ]
            )
            .span(3)
            .height(5),
            stat_panel(
                "Configuration loaded",
                "Time of the last successful load of the configuration.",
                instant_query(f"min({RELOADED_AT}) * 1000"),
                unit=units.DateTimeFromNow,
            )
            .span(4)
            .height(5),
            stat_panel(
                "Exporters",
                "Exporters that Prometheus can scrape.",
                instant_query(f"sum(up{{{JOB_MATCHER}}})"),
                unit=units.LocaleFormat,
            )
            .color_scheme(color_by_thresholds())
            .thresholds(thresholds((None, "red"), (1, "green")))
            .span(4)
            .height(5),
            polls_panel(),
        ],
        "Targets": [
            stacked_panel(
                "Targets by state",
                "Targets by the result of their last poll.",
                range_query(SUCCEEDING, "succeeding"),
                range_query(FAILING, "failing"),
                unit=units.LocaleFormat,
            )
            .override_by_name("succeeding", [color_override("green")])
            .override_by_name("failing", [color_override("red")])
            .span(12)
            .height(8),
            stacked_panel(
                "Failed polls by reason",
                "docs/metrics.md explains each reason.",
                range_query(f"sum by (reason) (increase({FAILURES}[$__rate_interval])) > 0", "{{reason}}"),
                unit=units.Short,
            )
            .span(12)
            .height(8),
            table_panel(
                "Failing targets",
                "Failed polls of targets that are failing now, since the exporter started. Its log has the errors.",
                {
                    "Failed polls": table_query(
                        f"label_replace(sum by (company, org, folder, reason) ({FAILURES}) > 0"
                        f" and on (company, org, folder) {UP} == 0, {WHOLE_ORG})"
                    )
                },
                ("company", "org", "folder", "reason"),
                {},
            )
            .span(15)
            .height(8),
            bar_panel(
                "Oldest values",
                "Time since the last successful poll, for the ten targets whose success is oldest.",
                instant_query(
                    f"topk(10, time() - max {BY_TARGET} (label_replace({LAST_SUCCESS}, {WHOLE_ORG})))", TARGET
                ),
                unit=units.DurationSeconds,
            )
            .span(9)
            .height(8),
        ],
        "Discovery and time zones": [
            stat_panel(
                "Discoveries",
                "Companies, and the list of companies, by the result of their last discovery, in all shards.",
                instant_query(f"count(min by (company) ({DISCOVERY_UP}) == 1) or vector(0)", "succeeded"),
                instant_query(f"count(min by (company) ({DISCOVERY_UP}) == 0) or vector(0)", "failed"),
                unit=units.LocaleFormat,
            )
            .color_scheme(color_by_thresholds())
            .override_by_name("succeeded", [threshold_override((None, "green"))])
            .override_by_name("failed", [threshold_override((None, "green"), (1, "red"))])
            .span(6)
            .height(6),
            stat_panel(
                "Time zones",
                "Orgs by whether the time zone in use is V-Spark's. The status page names both.",
                instant_query(f"count(max by (company, org) ({ZONE_MISMATCH}) == 0) or vector(0)", "as in V-Spark"),
                instant_query(f"count(max by (company, org) ({ZONE_MISMATCH}) == 1) or vector(0)", "different"),
                unit=units.LocaleFormat,
            )
            .color_scheme(color_by_thresholds())
            .override_by_name("as in V-Spark", [threshold_override((None, "green"))])
            .override_by_name("different", [threshold_override((None, "green"), (1, "red"))])
            .span(6)
            .height(6),
            table_panel(
                "Failing discoveries",
                "Failed discoveries of companies that fail now, since the exporter started. Its log has the errors.",
                {
                    "Failed discoveries": table_query(
                        f"label_replace(sum by (company, reason) ({DISCOVERY_FAILURES})"
                        f" and on (company) {DISCOVERY_UP} == 0, {LIST_OF_COMPANIES})"
                    )
                },
                ("company", "reason"),
                {},
            )
            .span(12)
            .height(6),
        ],
        "Polls and requests": [
            line_panel(
                "Poll duration",
                "Duration of the last polls, including retries and the wait for a request slot.",
                range_query(f"quantile(0.5, {POLL_SECONDS})", "median"),
                range_query(f"quantile(0.95, {POLL_SECONDS})", "95th percentile"),
                range_query(f"max({POLL_SECONDS})", "slowest target"),
                unit=units.Seconds,
            )
            .span(12)
            .height(8),
            line_panel(
                "Request duration",
                "Duration of requests to V-Spark. Each retry counts as a request.",
                range_query(_request_duration(0.5), "median"),
                range_query(_request_duration(0.95), "95th percentile"),
                range_query(_request_duration(0.99), "99th percentile"),
                unit=units.Seconds,
            )
            .span(12)
            .height(8),
            stacked_panel(
                "Requests by status",
                'HTTP status of the responses; "none" if no status arrived.',
                range_query(f"sum by (code) (rate({REQUESTS}[$__rate_interval]))", "{{code}}"),
                unit=units.RequestsPerSecond,
            )
            .span(12)
            .height(8),
            line_panel(
                "Polls",
                "A poll is skipped if it is due while the target's previous poll is still running.",
                range_query(f"sum(rate(vspark_polls_total{{{JOB_MATCHER}}}[$__rate_interval])) * 60", "completed"),
                range_query(
                    f"sum(rate(vspark_polls_skipped_total{{{JOB_MATCHER}}}[$__rate_interval])) * 60", "skipped"
                ),
                unit=units.CountsPerMinute,
            )
            .span(12)
            .height(8),
        ],
        "Exporter process": [
            line_panel(
                "Series",
                "Samples per scrape, and agents that are summed into _other because their folder has too many.",
                range_query(f"sum by (instance) (scrape_samples_scraped{{{JOB_MATCHER}}})", "{{instance}}"),
                range_query(f"sum(vspark_folder_agents_folded{{{JOB_MATCHER}}})", "agents in _other"),
                unit=units.LocaleFormat,
            )
            .span(8)
            .height(8),
            line_panel(
                "Memory",
                "Resident memory of each exporter.",
                range_query(f"process_resident_memory_bytes{{{JOB_MATCHER}}}", "{{instance}}"),
                unit=units.BytesIEC,
            )
            .span(8)
            .height(8),
            line_panel(
                "CPU",
                "CPU cores that each exporter uses.",
                range_query(f"rate(process_cpu_seconds_total{{{JOB_MATCHER}}}[$__rate_interval])", "{{instance}}"),
                unit=units.Short,
            )
            .span(8)
            .height(8),
            line_panel(
                "Scrape duration",
                "Duration of scrapes, measured by Prometheus.",
                range_query(f"scrape_duration_seconds{{{JOB_MATCHER}}}", "{{instance}}"),
                unit=units.Seconds,
            )
            .span(12)
            .height(8),
            table_panel(
                "Builds",
                "Version, Python version and shard of each exporter. Without shards, it is number 0 of 1.",
                {
                    "Exporters": table_query(
                        "count by (instance, version, pythonversion, shard, total_shards)"
                        f" (vspark_exporter_build_info{{{JOB_MATCHER}}})"
                    )
                },
                ("instance", "version", "pythonversion", "shard", "total_shards"),
                {},
            )
            .span(12)
            .height(8),
        ],
    }


def exporter() -> Dashboard:
    """Return the dashboard."""
    return lay_out(
        "V-Spark exporter",
        "vspark-exporter",
        DESCRIPTION,
        [datasource(), job(), namespace(), *poll_figures()],
        _rows(),
        since="now-6h",
    )
