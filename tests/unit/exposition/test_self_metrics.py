import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from exporter import __version__
from exporter.config.loaded import Share
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.text_format import Format
from tests.support.exposition_oracle import END, assert_valid

BUILD = f'{{pythonversion="{platform.python_version()}",shard="0",total_shards="1",version="{__version__}"}}'

PAGE = f"""\
# HELP vspark_api_request_duration_seconds Duration of each attempt of a request to V-Spark; \
code="none" if no status arrived.
# TYPE vspark_api_request_duration_seconds histogram
vspark_api_request_duration_seconds_bucket{{code="200",le="0.01"}} 1.0
vspark_api_request_duration_seconds_bucket{{code="200",le="0.025"}} 1.0
vspark_api_request_duration_seconds_bucket{{code="200",le="0.05"}} 1.0
vspark_api_request_duration_seconds_bucket{{code="200",le="0.1"}} 1.0
vspark_api_request_duration_seconds_bucket{{code="200",le="0.25"}} 2.0
vspark_api_request_duration_seconds_bucket{{code="200",le="0.5"}} 2.0
vspark_api_request_duration_seconds_bucket{{code="200",le="1.0"}} 2.0
vspark_api_request_duration_seconds_bucket{{code="200",le="2.5"}} 2.0
vspark_api_request_duration_seconds_bucket{{code="200",le="5.0"}} 2.0
vspark_api_request_duration_seconds_bucket{{code="200",le="10.0"}} 2.0
vspark_api_request_duration_seconds_bucket{{code="200",le="30.0"}} 2.0
vspark_api_request_duration_seconds_bucket{{code="200",le="+Inf"}} 2.0
vspark_api_request_duration_seconds_count{{code="200"}} 2.0
vspark_api_request_duration_seconds_sum{{code="200"}} 0.2578125
vspark_api_request_duration_seconds_bucket{{code="none",le="0.01"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="0.025"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="0.05"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="0.1"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="0.25"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="0.5"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="1.0"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="2.5"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="5.0"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="10.0"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="30.0"}} 0.0
vspark_api_request_duration_seconds_bucket{{code="none",le="+Inf"}} 1.0
vspark_api_request_duration_seconds_count{{code="none"}} 1.0
vspark_api_request_duration_seconds_sum{{code="none"}} 31.0
# HELP vspark_exporter_build_info Always 1; the labels identify the build and the shard, 0 of 1 without shards.
# TYPE vspark_exporter_build_info gauge
vspark_exporter_build_info{BUILD} 1.0
# HELP vspark_exporter_config_last_reload_successful 1 if the last attempt to load the configuration succeeded.
# TYPE vspark_exporter_config_last_reload_successful gauge
vspark_exporter_config_last_reload_successful 1.0
# HELP vspark_exporter_config_last_reload_success_timestamp_seconds When the configuration was last loaded \
successfully, as a Unix time.
# TYPE vspark_exporter_config_last_reload_success_timestamp_seconds gauge
vspark_exporter_config_last_reload_success_timestamp_seconds 1.7954100005e+09
# HELP vspark_exporter_web_config_last_reload_successful 0 if the web configuration file, or a file that it names, \
has changed and was rejected.
# TYPE vspark_exporter_web_config_last_reload_successful gauge
vspark_exporter_web_config_last_reload_successful 1.0
"""


@pytest.mark.parametrize(
    ("form", "expected"),
    [(Format.TEXT, PAGE), (Format.OPENMETRICS, PAGE.replace('"none" if', '\\"none\\" if') + END.decode())],
)
def test_the_page(form: Format, expected: str) -> None:
    self_metrics = SelfMetrics(process=False)
    self_metrics.observe_request("200", 0.0078125)
    self_metrics.observe_request("200", 0.25)
    self_metrics.observe_request("none", 31.0)
    self_metrics.config_loaded(1_795_410_000.5)
    page = self_metrics.exposition(form)
    assert page.decode() == expected
    assert_valid(page, form)


def test_a_web_configuration() -> None:
    self_metrics = SelfMetrics(process=False)
    self_metrics.web_config_loaded(1_795_410_000.5, None)
    self_metrics.web_config_rejected()
    before = self_metrics.exposition(Format.TEXT).decode()
    assert before.endswith("""\
vspark_exporter_web_config_last_reload_successful 0.0
# HELP vspark_exporter_web_config_last_reload_success_timestamp_seconds When the web configuration file was last read \
successfully, as a Unix time; absent without one.
# TYPE vspark_exporter_web_config_last_reload_success_timestamp_seconds gauge
vspark_exporter_web_config_last_reload_success_timestamp_seconds 1.7954100005e+09
""")
    self_metrics.web_config_loaded(1_795_410_060.0, 1_800_000_000.0)
    self_metrics.web_config_loaded(1_795_410_120.0, 1_900_000_000.0)
    page = self_metrics.exposition(Format.TEXT)
    values = {name: value for (name, _), value in assert_valid(page, Format.TEXT).items()}
    assert values["vspark_exporter_web_config_last_reload_successful"] == 1.0
    assert values["vspark_exporter_web_config_last_reload_success_timestamp_seconds"] == 1_795_410_120.0
    assert values["vspark_exporter_web_tls_certificate_expiration_timestamp_seconds"] == 1_900_000_000.0


def test_a_renewed_certificate_whose_date_is_unknown_does_not_keep_the_old_date() -> None:
    self_metrics = SelfMetrics(process=False)
    for expires_at in (1_800_000_000.0, None, None):
        self_metrics.web_config_loaded(1_795_410_000.0, expires_at)
    assert "certificate" not in self_metrics.exposition(Format.TEXT).decode()
    self_metrics.web_config_loaded(1_795_410_000.0, 1_900_000_000.0)
    assert "certificate_expiration_timestamp_seconds 1.9e+09\n" in self_metrics.exposition(Format.TEXT).decode()


def test_the_build_names_the_shard() -> None:
    page = SelfMetrics(process=False, share=Share(2, 3)).exposition(Format.TEXT).decode()
    assert f"vspark_exporter_build_info{BUILD} 1.0\n".replace('"0"', '"2"').replace('"1"', '"3"') in page


def test_before_anything_has_happened() -> None:
    page = SelfMetrics(process=False).exposition(Format.TEXT)
    assert {name: value for (name, _), value in assert_valid(page, Format.TEXT).items()} == {
        "vspark_exporter_build_info": 1.0,
        "vspark_exporter_config_last_reload_successful": 0.0,
        "vspark_exporter_config_last_reload_success_timestamp_seconds": 0.0,
        "vspark_exporter_web_config_last_reload_successful": 1.0,
    }


CHANGES: Mapping[str, Callable[[SelfMetrics], None]] = {
    "observe_request": lambda metrics: metrics.observe_request("200", 0.5),
    "config_loaded": lambda metrics: metrics.config_loaded(1_795_410_000.5),
    "config_rejected": lambda metrics: metrics.config_rejected(),
    "web_config_rejected": lambda metrics: metrics.web_config_rejected(),
    "web_config_loaded": lambda metrics: metrics.web_config_loaded(1.0, 2.0),
}


def test_every_method_that_changes_a_metric_is_tested_here() -> None:
    """One that forgets to have the text rendered again would leave an old number in the page."""
    assert {name for name in vars(SelfMetrics) if not name.startswith("_")} == {*CHANGES, "exposition"}


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_in_the_next_page(form: Format, change: Callable[[SelfMetrics], None]) -> None:
    """The oracle is prometheus_client."""
    self_metrics = SelfMetrics(process=False)
    self_metrics.observe_request("none", 31.0)
    self_metrics.config_loaded(1_795_400_000)
    generate = openmetrics.generate_latest if form is Format.OPENMETRICS else generate_latest
    before = self_metrics.exposition(form)
    assert before == generate(self_metrics.registry) == self_metrics.exposition(form)
    change(self_metrics)
    after = self_metrics.exposition(form)
    assert after == generate(self_metrics.registry)
    assert after != before


@pytest.mark.parametrize("form", list(Format))
def test_the_process_is_measured_for_every_page(form: Format) -> None:
    self_metrics = SelfMetrics(process=True)

    def open_descriptors() -> float:
        return assert_valid(self_metrics.exposition(form), form)["process_open_fds", ()]

    before = open_descriptors()
    with Path(os.devnull).open("rb"):
        assert open_descriptors() == before + 1


@pytest.mark.parametrize("form", list(Format))
def test_the_process(form: Format) -> None:
    page = SelfMetrics(process=True).exposition(form)
    assert {name for name, _ in assert_valid(page, form) if not name.startswith("vspark_")} == {
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
        "python_gc_collections_total",
        "python_gc_objects_collected_total",
        "python_gc_objects_uncollectable_total",
        "python_info",
    }


def test_two_do_not_share_anything() -> None:
    one, other = SelfMetrics(process=True), SelfMetrics(process=True)
    one.observe_request("200", 1.0)
    assert b'code="200"' in one.exposition(Format.TEXT)
    assert b'code="200"' not in other.exposition(Format.TEXT)
