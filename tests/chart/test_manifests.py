"""The objects that the real helm renders from the chart.

testdata/manifests holds the output of `helm template calls helm/vspark-exporter -n vspark -f FILE` for files of ci/.
VERSION stands for the exporter's version, HTTP_CHECK for the script of the pod of helm test and of a readiness probe.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import trustme
import yaml

from exporter import __version__
from exporter.cli.main import main
from exporter.config.loaded import load_config
from tests.support.helm_chart import files_of, helm, of_kind, rejected, render, values
from tests.support.raw_servers import until
from tests.support.repository import ROOT
from tests.support.web_server import serving
from tools.bench.measure import free_port
from tools.docs.chart import CHART

GOLDEN = Path(__file__).parent / "testdata" / "manifests"
CI = sorted((CHART / "ci").glob("*.yaml"))
KUBERNETES = ("1.25", kubernetes_validate.latest_version())
SHARDS_NEED = "1.28"
OPERATORS = ("ServiceMonitor", "PodMonitor", "PrometheusRule", "AlertmanagerConfig")
CANARY = "s3cret-canary"
ETC = "/etc/vspark-exporter"


@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_helm_lint_reports_nothing(path: Path) -> None:
    done = helm("lint", "--strict", CHART, "-f", path)
    assert done.returncode == 0, done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith(("[WARNING]", "[ERROR]"))] == []


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_every_object_matches_the_kubernetes_schemas(path: Path, version: str) -> None:
    if path == values("shards"):
        version = max(version, SHARDS_NEED)
    for each in render("-f", path, "--kube-version", version):
        if each["kind"] not in OPERATORS:
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("minimal", None),
        ("everything", None),
        ("inline-token", None),
        ("web", None),
        ("web-client", None),
        ("shards", None),
        ("existing-configmap", "deployment"),
        ("config", "deployment"),
        ("discovery", "config"),
        ("operator", "servicemonitor"),
        ("podmonitor", "podmonitor"),
    ],
)
def test_the_rendered_objects(name: str, template: str | None) -> None:
    only = ("-s", f"templates/{template}.yaml") if template else ()
    script = json.dumps((CHART / "files" / "http_check.py").read_text("utf-8"))
    text = (GOLDEN / f"{name}.yaml").read_text("utf-8").replace("VERSION", __version__).replace("HTTP_CHECK", script)
    expected = list(filter(None, yaml.safe_load_all(text)))
    assert render("-f", values(name), *only) == sorted(
        expected, key=lambda each: (each["kind"], each["metadata"]["name"])
    )


def test_the_chart_installs_the_exporter_of_its_commit() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"] == __version__


def test_a_kubernetes_version_that_is_too_old_is_rejected() -> None:
    message = rejected("-f", values("minimal"), "--kube-version", "1.24.17")
    assert "chart requires kubeVersion: >=1.25.0-0 which is incompatible with Kubernetes v1.24.17" in message


def test_shards_need_a_version_that_numbers_the_pods() -> None:
    message = rejected("-f", values("shards"), "--kube-version", "1.27.16")
    assert (
        "shards: requires Kubernetes 1.28, which labels each pod of a StatefulSet with its number; "
        "this cluster has v1.27.16"
    ) in message


@pytest.mark.parametrize(
    ("version", "expected"), [("1.26.15", {}), ("1.27.0", {"unhealthyPodEvictionPolicy": "AlwaysAllow"})]
)
def test_a_pod_that_is_not_ready_does_not_block_a_drain(version: str, expected: dict[str, str]) -> None:
    (budget,) = render(
        *("-f", values("minimal"), "-s", "templates/poddisruptionbudget.yaml"),
        *("--set", "podDisruptionBudget.enabled=true", "--kube-version", version),
    )
    selector = of_kind("Deployment", render("-f", values("minimal")))["spec"]["selector"]
    assert budget["spec"] == {"selector": selector, "maxUnavailable": 1, **expected}


def test_the_number_of_shards_is_the_number_of_pods_and_of_their_flag() -> None:
    for shards in (1, 12):
        stateful = of_kind("StatefulSet", render("-f", values("shards"), "--set", f"shards={shards}"))["spec"]
        assert stateful["replicas"] == shards
        assert stateful["template"]["spec"]["containers"][0]["args"][-2:] == [
            "--shard=$(POD_INDEX)",
            f"--total-shards={shards}",
        ]


def test_every_shard_has_a_name_and_its_service_is_the_only_one() -> None:
    """A ServiceMonitor selects by labels: two Services would be scraped twice."""
    objects = render("-f", values("shards"))
    stateful, service = of_kind("StatefulSet", objects), of_kind("Service", objects)
    assert stateful["spec"]["serviceName"] == service["metadata"]["name"] == "calls-vspark-exporter-shards"
    monitored = of_kind("ServiceMonitor", objects)["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= service["metadata"]["labels"].items()
    for each in ("Service", "NetworkPolicy", "PodDisruptionBudget"):
        spec = of_kind(each, objects)["spec"]
        selector = (
            spec["selector"] if each == "Service" else spec.get("podSelector", spec.get("selector"))["matchLabels"]
        )
        assert selector.items() <= stateful["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("repository", "registry", "image"),
    [
        ("vspark-exporter", "", "vspark-exporter"),
        ("vspark-exporter", "mirror.example.com/", "mirror.example.com/vspark-exporter"),
        ("calls/vspark-exporter", "mirror.example.com", "mirror.example.com/calls/vspark-exporter"),
        ("registry.example.com/calls/vspark-exporter", "", "registry.example.com/calls/vspark-exporter"),
        ("registry.example.com/calls/vspark-exporter", "mirror:5000/x", "mirror:5000/x/calls/vspark-exporter"),
        ("registry:5000/vspark-exporter", "mirror.example.com", "mirror.example.com/vspark-exporter"),
        ("localhost/vspark-exporter", "mirror.example.com", "mirror.example.com/vspark-exporter"),
    ],
)
def test_the_registry_of_the_image(repository: str, registry: str, image: str) -> None:
    objects = render(
        *("-f", values("minimal"), "--set", f"image.repository={repository},global.imageRegistry={registry}")
    )
    pods = [of_kind("Deployment", objects)["spec"]["template"], of_kind("Pod", objects)]
    assert {each["spec"]["containers"][0]["image"] for each in pods} == {f"{image}:{__version__}"}


def test_another_namespace_is_the_one_of_every_object() -> None:
    objects = render("-f", values("web"), "--set", "namespaceOverride=elsewhere")
    assert {each["metadata"]["namespace"] for each in objects} == {"elsewhere"}
    monitor = of_kind("ServiceMonitor", objects)["spec"]
    assert monitor["namespaceSelector"] == {"matchNames": ["elsewhere"]}
    assert monitor["endpoints"][0]["tlsConfig"]["serverName"] == "calls-vspark-exporter.elsewhere.svc"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Return a folder that replaces /etc/vspark-exporter, with every file that a configuration in ci/ names."""
    authority = trustme.CA()
    client = authority.issue_cert("vspark.example.com")
    contents = {
        "ca/ca.pem": authority.cert_pem.bytes(),
        "secrets/client/tls.crt": client.cert_chain_pems[0].bytes(),
        "secrets/client/tls.key": client.private_key_pem.bytes(),
        "secrets/hash/key": b"a key of 16 bytes",
        "secrets/doctestco/token": b"token",
        "secrets/vspark/token": b"token",
        "secrets/vspark.tokens/all": b"token",
        "secrets/vspark.tokens/doctestco": b"token",
    }
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    "path", [path for path in CI if path != values("existing-configmap")], ids=lambda path: path.stem
)
def test_the_exporter_accepts_the_configuration(
    path: Path, etc: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKEN_42", "token")
    (rendered,) = render("-f", path, "-s", "templates/config.yaml")
    file = etc / "config.yaml"
    file.write_text(files_of(rendered)["config.yaml"].replace(ETC, str(etc)))
    assert main(["--config.file", str(file), "--config.check"]) == 0, capsys.readouterr().err
    expected = yaml.safe_load(path.read_text("utf-8"))["config"].get("companies")
    companies = load_config(file).companies
    assert (companies is None) == (expected is None)
    assert [
        (company.name, None if company.orgs is None else [(org.name, org.folders) for org in company.orgs])
        for company in companies or ()
    ] == [
        (
            each["name"],
            [(org["name"], tuple(org["folders"]) if "folders" in org else None) for org in each["orgs"]]
            if "orgs" in each
            else None,
        )
        for each in expected or ()
    ]


def test_the_pods_of_the_shards_poll_every_target_once(etc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [f"Test{number:02}" for number in range(20)]
    objects = render(
        *("-f", values("minimal"), "--set", "shards=3"),
        *("--set", f"config.companies[0].orgs[0].folders={{{','.join(folders)}}}"),
    )
    file = etc / "config" / "config.yaml"
    file.parent.mkdir()
    file.write_text(files_of(of_kind("ConfigMap", objects))["config.yaml"].replace(ETC, str(etc)))
    stateful = of_kind("StatefulSet", objects)["spec"]
    (container,) = stateful["template"]["spec"]["containers"]
    assert container["env"] == [
        {
            "name": "POD_INDEX",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}},
        }
    ]
    found = []
    for index in range(stateful["replicas"]):
        flags = [each.replace(ETC, str(etc)).replace("$(POD_INDEX)", str(index)) for each in container["args"]]
        assert main([*flags, "--config.check"]) == 0
        found.append(re.findall(r"Test\d\d", capsys.readouterr().out))
    assert all(found)
    assert sorted(name for names in found for name in names) == folders


def keys(value: Any) -> Iterator[str]:
    """Yield every key in a document, at any depth."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from keys(child)
    elif isinstance(value, list):
        for child in value:
            yield from keys(child)


@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_changed_files_reach_the_exporter(path: Path) -> None:
    assert {"subPath", "subPathExpr"} & set(keys(render("-f", path))) == set()


def test_a_configuration_with_a_token_is_in_a_secret_only() -> None:
    objects = render("-f", values("inline-token"))
    assert CANARY not in yaml.safe_dump(objects)
    assert yaml.safe_load(files_of(of_kind("Secret", objects))["config.yaml"]) == {
        "vspark": {"url": "http://vspark.example.com:3000", "token": CANARY},
        "companies": [
            {"name": "DocTestCo", "orgs": [{"name": "DocTestCo-DocTesting"}]},
            {"name": "Other", "token": f"{CANARY}-of-other", "orgs": [{"name": "Other-Org"}]},
        ],
    }


@pytest.mark.parametrize(
    "change", ["config.vspark.token=another", "config.companies[1].token=", "config.poll.interval=2m"]
)
def test_a_changed_configuration_does_not_replace_the_pod(change: str) -> None:
    file = ("-f", values("inline-token"))
    before, after = render(*file), render(*file, "--set", change)
    assert of_kind("Deployment", before) == of_kind("Deployment", after)
    assert of_kind("Secret", before) != of_kind("Secret", after)


@pytest.mark.parametrize("change", ["secrets={doctestco,more}", "extraArgs={--log.level=debug}", "webConfig.key=other"])
def test_a_change_that_needs_a_restart_replaces_the_pod(change: str) -> None:
    file = ("-f", values("web"))
    before, after = render(*file), render(*file, "--set", change)
    assert of_kind("Deployment", before) != of_kind("Deployment", after)


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://vspark", 80),
        ("https://vspark/prefix", 443),
        ("HTTPS://vspark", 443),
        ("https://vspark:3000", 3000),
        ("https://[2001:db8::1]", 443),
        ("https://[2001:db8::1]:3000/prefix", 3000),
    ],
)
def test_the_network_policy_allows_traffic_to_the_port_of_the_url(url: str, port: int) -> None:
    (policy,) = render(
        *("-f", values("minimal"), "-s", "templates/networkpolicy.yaml"),
        *("--set", f"config.vspark.url={url}", "--set", "networkPolicy.enabled=true"),
    )
    assert policy["spec"]["egress"][0] == {"ports": [{"port": port, "protocol": "TCP"}]}


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


async def test_helm_test_reads_the_metrics() -> None:
    container = of_kind("Pod", render("-f", values("minimal")))["spec"]["containers"][0]
    python, *script = container["command"]
    seconds, *access, ready, metrics = container["args"]
    host = "http://calls-vspark-exporter:10219"
    assert (python, seconds, ready, metrics) == ("python3", "30", f"{host}/-/ready", f"{host}/metrics")

    async def run(url: str, seconds: str = "0") -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *script, seconds, *access, f"{url}/-/ready", f"{url}/metrics"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        return process.returncode, output.decode(), errors.decode()

    url = f"http://127.0.0.1:{free_port()}"
    assert await run(url) == (1, "", f"{url}/-/ready: [Errno 111] Connection refused\n")
    async with serving() as exporter:
        url = f"http://127.0.0.1:{exporter.port}"
        assert await run(url) == (1, "", f"{url}/-/ready: HTTP status 503\n")
        retrying = asyncio.create_task(run(url, seconds))
        await until(lambda: [each["status"] for each in exporter.logged] == [503, 503])
        exporter.ready = True
        assert await retrying == (0, f"{url}/-/ready: ok\n{url}/metrics: ok\n", "")
