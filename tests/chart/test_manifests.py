"""The objects that the real helm renders from the chart.

testdata/manifests holds the output of `helm template calls helm/vspark-exporter -n vspark -f FILE` for files of ci/.
VERSION stands for the exporter's version, HTTP_CHECK for the script of the pod of helm test and of a readiness probe.
"""

import asyncio
import json
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


@pytest.mark.parametrize("shards", ["0", "2"])
def test_names_of_digits_stay_text(shards: str) -> None:
    """Kubernetes allows such names, but rejects a number in place of one."""
    names = (
        "fullnameOverride",
        "namespaceOverride",
        "priorityClassName",
        "serviceAccount.name",
        "webConfig.existingSecret",
    )
    sets = [f"--set-string={name}={number}" for number, name in enumerate((*names, "secrets[1]"), 100)]
    for source in ((), ("--set-string=existingConfigMap=200", "--set=config=null")):
        objects = render("-f", values("operator"), *sets, *source, f"--set=shards={shards}")
        for each in objects:
            assert each["metadata"]["name"].startswith(("100", "103"))
            assert each["metadata"]["namespace"] in ("101", "monitoring")
            if each["kind"] not in OPERATORS:
                kubernetes_validate.validate(each, KUBERNETES[1], strict=True)
        assert of_kind("ServiceMonitor", objects)["spec"]["namespaceSelector"]["matchNames"] == ["101"]


def test_the_chart_installs_the_exporter_of_its_commit() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"] == __version__


def test_a_kubernetes_version_that_is_too_old_is_rejected() -> None:
    message = rejected("-f", values("minimal"), "--kube-version", "1.24.17")
    assert "chart requires kubeVersion: >=1.25.0-0 which is incompatible with Kubernetes v1.24.17" in message


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
