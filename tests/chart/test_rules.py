"""The Prometheus rules, run by promtool and compared with their cases, the runbook and the exporter's metrics."""

import re
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
import yaml

from exporter.errors import REASONS
from exporter.exposition.families import FAMILIES
from exporter.exposition.self_metrics import SelfMetrics
from exporter.polling.org_day import midnight
from tests.support.helm_chart import of_kind, render, values
from tests.support.repository import ROOT
from tests.support.tools import tool

RULE_FILES = sorted((ROOT / "helm" / "vspark-exporter" / "rules").glob("*.yaml"))
CASE_FILES = sorted((ROOT / "tests" / "chart" / "testdata" / "rules").glob("*.yaml"))
LABELS_OF_PROMETHEUS = {"job", "instance", "namespace"}
WEEKDAY_SHIFT_SECONDS = 13.75 * 3600


def documents(paths: list[Path]) -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text("utf-8")) for path in paths]


RULES = [rule for document in documents(RULE_FILES) for group in document["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"]: rule for rule in RULES if "record" in rule}
CASES = [case for document in documents(CASE_FILES) for case in document["tests"]]


def promtool(*arguments: str | Path) -> tuple[int, str]:
    program = tool("promtool", "prometheus")
    done = subprocess.run(  # noqa: S603 # the arguments are ours
        [program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def labels_of_families() -> dict[str, set[str]]:
    telemetry = SelfMetrics(process=False)
    telemetry.observe_request("200", 1.0)
    telemetry.web_config_loaded(0.0, 0.0)
    own = {metric.name: set(metric.samples[0].labels) for metric in telemetry.registry.collect()}
    return own | {family.name: set(family.labels) for family in FAMILIES}


def test_promtool_accepts_the_rules() -> None:
    code, output = promtool("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)
    assert (code, re.findall(r"SUCCESS: .*", output)) == (0, ["SUCCESS: 15 rules found", "SUCCESS: 9 rules found"])


def test_promtool_accepts_rules_that_values_change(tmp_path: Path) -> None:
    groups = of_kind("PrometheusRule", render("-f", values("operator")))["spec"]["groups"]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": groups}))
    code, output = promtool("check", "rules", "--lint=all", "--lint-fatal", path)
    left = len(RULES) - 1  # one is disabled
    assert (code, re.findall(r"SUCCESS: .*", output)) == (0, [f"SUCCESS: {left} rules found"])


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_the_rules_pass_their_cases(path: Path) -> None:
    code, output = promtool("test", "rules", path)
    assert code == 0, output


def test_every_alert_has_cases_in_which_it_fires_and_does_not_fire() -> None:
    checks = [check for case in CASES for check in case.get("alert_rule_test", [])]
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == set(ALERTS)
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == set(ALERTS)


def test_every_recording_rule_has_a_case_with_its_values() -> None:
    expressions = [
        check["expr"] for case in CASES for check in case.get("promql_expr_test", []) if "exp_samples" in check
    ]
    tested = {name for name in RECORDED if any(name in expression for expression in expressions)}
    assert tested == set(RECORDED)


def test_rules_use_only_metrics_and_labels_of_the_exporter() -> None:
    families = labels_of_families()
    for rule in RULES:
        expression = " ".join([rule["expr"], *rule.get("annotations", {}).values()])
        used = set(re.findall(r"[a-z_]+:[a-z_]+:\w+", expression))
        assert used <= set(RECORDED), rule
        without_recorded = re.sub(r"[a-z_]+:[a-z_]+:\w+", "", expression)
        names = set(re.findall(r"\bvspark_\w+", without_recorded))
        assert names <= set(families), rule
        assert names | used, rule
        known = LABELS_OF_PROMETHEUS | set().union(
            *(families[name] for name in names), *(levels(name) for name in used)
        )
        listed = {
            label
            for text in re.findall(r"\b(?:by|on|ignoring|group_left) \(([^)]*)\)", expression)
            for label in words(text)
        }
        matched = set(re.findall(r"[{,]\s*(\w+)\s*[=!]", expression))
        annotated = set(re.findall(r"\$labels\.(\w+)", " ".join(rule.get("annotations", {}).values())))
        assert listed | matched | annotated <= known, rule


def levels(name: str) -> set[str]:
    """Return the labels in the level of a recorded series' name."""
    return set(name.partition(":")[0].split("_"))


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def test_a_recorded_name_begins_with_the_labels_that_remain() -> None:
    """Except the namespace, which only Kubernetes adds."""
    for name, rule in RECORDED.items():
        grouped = [words(text) for text in re.findall(r"\bby \(([^)]*)\)", rule["expr"])]
        assert all("namespace" in labels for labels in grouped), name
        kept = grouped + [levels(used) for used in re.findall(r"[a-z_]+:[a-z_]+:\w+", rule["expr"])]
        assert set.intersection(*kept) - {"namespace"} == levels(name), name


def test_no_rule_mixes_two_installations() -> None:
    """Two releases in two namespaces have the same job."""
    for rule in RULES:
        for labels in re.findall(r"\b(?:by|on) \(([^)]+)\)", rule["expr"]):
            assert words(labels) >= {"namespace", "job"}, rule


def test_rules_use_only_reasons_of_the_exporter() -> None:
    reasons = {
        reason
        for rule in RULES
        for text in re.findall(r'reason=~"([^"]*)"', rule["expr"])
        for reason in text.split("|")
    }
    assert reasons == {"auth", "no_token", "not_json", "unrecognized", "mapping"}
    assert reasons <= set(REASONS)


def test_every_alert_has_a_severity_a_description_and_a_link_to_the_runbook() -> None:
    for name, alert in ALERTS.items():
        assert alert["labels"].keys() == {"severity"}, name
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert list(alert["annotations"]) == ["summary", "description", "runbook"], name
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"


def test_the_runbook_has_a_section_for_each_alert() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    _, *sections = re.split(r"^## ", runbook, flags=re.MULTILINE)
    assert [section.partition("\n")[0] for section in sections] == list(ALERTS)
    for section in sections:
        assert re.findall(r"^\*\*(.*?)\*\*", section, flags=re.MULTILINE) == ["Means.", "Look at.", "Do."]


def test_the_weekday_is_right_in_every_zone_except_those_in_the_comment() -> None:
    """The exporter's day starts, shifted as in the rule, have the org's date in UTC."""
    assert "+ 13.75 * 3600" in RECORDED["job_company_org:vspark_day_start:weekday"]["expr"]
    days = [date(2026, 1, 1) + timedelta(days=7 * week) for week in range(53)]
    wrong = {
        name
        for name in available_timezones()
        for day in days
        if datetime.fromtimestamp(midnight(ZoneInfo(name), day) + WEEKDAY_SHIFT_SECONDS, UTC).date() != day
    }
    assert {name for name in wrong if not name.startswith("Etc/")} == {
        *("Pacific/Kiritimati", "Pacific/Midway", "Pacific/Niue", "Pacific/Pago_Pago", "Pacific/Samoa", "US/Samoa"),
    }
