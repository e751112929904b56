"""The chart's objects, checked by the schemas of the Prometheus operator and by checkov's security policies."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.helm_chart import render, values
from tests.support.tools import missing, tool

OPERATOR = Path(__file__).parent / "prometheus_operator"


def problems(objects: list[object]) -> str:
    """Return the errors that the operator's schemas report, one line for each object."""
    node = tool("node", "nodejs")
    if not (OPERATOR / "node_modules").is_dir():
        missing("the operator's schemas are missing: npm ci --ignore-scripts --prefix tests/chart/prometheus_operator")
    done = subprocess.run(  # noqa: S603
        [node, OPERATOR / "validate.js"], input=json.dumps(objects), capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("name", ["operator", "podmonitor", "shards", "web", "web-client"])
def test_objects_match_the_operators_schemas(name: str) -> None:
    objects = [each for each in render("-f", values(name)) if each["apiVersion"].startswith("monitoring.coreos.com/")]
    assert objects != []
    assert problems(objects) == ""


def test_the_operators_schemas_report_errors() -> None:
    objects = render(
        "-f", values("podmonitor"), "-s", "templates/podmonitor.yaml", "--set", "podMonitor.bodySizeLimit=x"
    )
    assert problems(objects).startswith("PodMonitor: data/spec/bodySizeLimit must match pattern")


ENDS = "the pod of helm test ends on its own"
EXPLAINED = {
    ("CKV_K8S_11", "exporter"): "a CPU limit would only delay scrapes",
    ("CKV_K8S_11", "test"): ENDS,
    ("CKV_K8S_8", "test"): ENDS,
    ("CKV_K8S_9", "test"): ENDS,
    ("CKV2_K8S_6", "test"): ENDS,
}
EXPLAINED_BY_DEFAULT = EXPLAINED | {
    ("CKV_K8S_43", "exporter"): "the digest is known only after the image has been pushed",
    ("CKV_K8S_43", "test"): "as for the exporter",
    ("CKV_K8S_15", "exporter"): "the image of a tag does not change, so it need not be pulled again",
    ("CKV_K8S_15", "test"): "as for the exporter",
    ("CKV2_K8S_6", "exporter"): "networkPolicy.enabled is off because the chart does not know where Prometheus runs",
}


@pytest.mark.parametrize(
    ("name", "explained"),
    [
        ("minimal", EXPLAINED_BY_DEFAULT),
        ("inline-token", EXPLAINED_BY_DEFAULT),
        ("web-client", EXPLAINED_BY_DEFAULT),
        ("shards", {each: why for each, why in EXPLAINED_BY_DEFAULT.items() if each != ("CKV2_K8S_6", "exporter")}),
        ("everything", EXPLAINED),
    ],
)
def test_every_failed_check_of_checkov_is_explained(
    name: str, explained: dict[tuple[str, str], str], tmp_path: Path
) -> None:
    checkov = tool("checkov", "checkov", "pip install")
    file = tmp_path / "objects.yaml"
    # Additional containers are the user's own.
    objects = render("-f", values(name), "--set", "initContainers=null,extraContainers=null")
    file.write_text(yaml.safe_dump_all(objects))
    done = subprocess.run(  # noqa: S603
        [checkov, "--framework", "kubernetes", "--skip-download", "--soft-fail", "-o", "json", "-f", file],
        capture_output=True,
        text=True,
        check=True,
    )
    results = json.loads(done.stdout)
    assert results["summary"]["passed"] > 0
    assert {
        (each["check_id"], "test" if each["resource"].endswith("-test") else "exporter")
        for each in results["results"]["failed_checks"]
    } == set(explained)
