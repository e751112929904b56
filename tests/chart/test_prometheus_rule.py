"""The rules that the real helm renders, unchanged or as the values change them, inhibit rules, and the dashboards."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helm_chart import of_kind, render, values
from tests.support.repository import ROOT
from tools.docs.chart import CHART


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """Return a copy of the chart with two small rule files and one small dashboard."""
    for path in sorted(CHART.rglob("*")):
        if path.is_file() and path.parent.name not in ("rules", "dashboards"):
            (tmp_path / path.relative_to(CHART)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(CHART)).write_bytes(path.read_bytes())
    for name, text in (
        (
            "rules/a.yaml",
            "groups:\n  - name: a\n    rules: [{alert: A, expr: up == 0, annotations: {x: '{{ $value }}'}}]\n",
        ),
        ("rules/b.yaml", "groups:\n  - name: b\n    rules: [{record: 'x:y:z', expr: up}]\n"),
        ("dashboards/vspark-calls.json", '{"title": "{{ x }}"}\n'),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_rules_and_dashboards_are_rendered_unchanged(chart: Path) -> None:
    objects = render("-f", values("operator"), "--set", "prometheusRule.rules=null", chart=chart)
    rule = of_kind("PrometheusRule", objects)
    assert rule["spec"] == {
        "groups": [
            {"name": "a", "rules": [{"alert": "A", "expr": "up == 0", "annotations": {"x": "{{ $value }}"}}]},
            {"name": "b", "rules": [{"record": "x:y:z", "expr": "up"}]},
        ]
    }
    assert rule["metadata"]["namespace"] == "monitoring"
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    (dashboard,) = (each for each in objects if each["metadata"]["name"] == "calls-vspark-exporter-vspark-calls")
    assert dashboard["data"] == {"vspark-calls.json": '{"title": "{{ x }}"}\n'}
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "V-Spark"}


def test_alerts_link_to_the_runbook_at_runbook_url() -> None:
    url = "https://wiki.example.com/vspark"
    objects = render("-f", values("operator"), "--set", f"prometheusRule.runbookUrl={url}")
    groups = of_kind("PrometheusRule", objects)["spec"]["groups"]
    alerts = {rule["alert"]: rule["annotations"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert {name: each["runbook_url"] for name, each in alerts.items()} == {
        name: f"{url}#{name.lower()}" for name in alerts
    }
    assert len(alerts) > 0
    assert not any("runbook" in each for each in alerts.values())


def test_the_inhibit_rules_are_those_of_the_documentation() -> None:
    def matchers(matches: list[dict[str, str]]) -> list[str]:
        return [f"{each['name']} {each['matchType']} {each['value']}" for each in matches]

    spec = of_kind("AlertmanagerConfig", render("-f", values("operator")))["spec"]
    found = [
        {
            "source_matchers": matchers(rule["sourceMatch"]),
            "target_matchers": matchers(rule["targetMatch"]),
            "equal": rule["equal"],
        }
        for rule in spec["inhibitRules"]
    ]
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (block,) = [text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if text.startswith("inhibit_rules:")]
    assert found == yaml.safe_load(block.replace('"', ""))["inhibit_rules"]
    assert list(spec) == ["inhibitRules"]


def test_rules_and_dashboards_are_off_by_default(chart: Path) -> None:
    assert [each["kind"] for each in render("-f", values("minimal"), chart=chart)] == [
        *("ConfigMap", "Deployment", "Pod", "Service", "ServiceAccount"),
    ]


def rule_groups(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    """Return the rules of a PrometheusRule by their names."""
    (rule,) = render(
        *("-f", values("minimal"), "-s", "templates/prometheusrule.yaml", "--set", "prometheusRule.enabled=true"),
        *arguments,
    )
    return {each.get("alert") or each["record"]: each for group in rule["spec"]["groups"] for each in group["rules"]}


def test_single_rules_are_changed_and_the_others_are_not() -> None:
    rules = rule_groups()
    expected = {name: rule for name, rule in rules.items() if name != "VSparkAgentsFolded"}
    stale = rules["VSparkDataStale"]
    assert stale["expr"].endswith(") < time() - 900\n")
    expected["VSparkDataStale"] = stale | {
        "expr": stale["expr"].replace("- 900\n", "- 1800"),
        "for": "5m",
        "labels": {"severity": "page"},
    }
    hours = "job_company_org:vspark_business_hours:hours_since"
    expected[hours] = {"record": hours, "expr": "job_company_org:vspark_day_start:hours_since >= 8 < 20"}
    operator = yaml.safe_load(values("operator").read_text("utf-8"))["prometheusRule"]["rules"]
    assert rule_groups("--set-json", f"prometheusRule.rules={json.dumps(operator)}") == expected


@pytest.mark.parametrize(
    ("name", "threshold", "end"),
    [
        ("VSparkAgentsFolded", "2.5", "vspark_folder_agents_folded > 2.5"),
        ("VSparkCertificateExpiring", "30", "timestamp_seconds < time() + 86400 * 30"),
    ],
)
def test_a_threshold_is_the_number_at_the_end(name: str, threshold: str, end: str) -> None:
    change = ("--set-json", f"prometheusRule.rules.{name}.threshold={threshold}")
    assert rule_groups(*change)[name]["expr"].endswith(end)


def test_a_group_without_rules_is_left_out(chart: Path) -> None:
    rule = of_kind(
        "PrometheusRule",
        render(
            *("-f", values("minimal"), "--set", "prometheusRule.enabled=true,prometheusRule.rules.A.enabled=false"),
            chart=chart,
        ),
    )
    assert rule["spec"] == {"groups": [{"name": "b", "rules": [{"record": "x:y:z", "expr": "up"}]}]}
