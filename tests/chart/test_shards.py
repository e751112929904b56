"""The StatefulSet that the real helm renders with shards, and what belongs to it."""

import re
from pathlib import Path

import pytest

from exporter.cli.main import main
from tests.support.helm_chart import files_of, of_kind, rejected, render, values

ETC = "/etc/vspark-exporter"


def test_shards_need_a_version_that_numbers_the_pods() -> None:
    message = rejected("-f", values("shards"), "--kube-version", "1.27.16")
    assert (
        "shards: requires Kubernetes 1.28, which labels each pod of a StatefulSet with its number; "
        "this cluster has v1.27.16"
    ) in message


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


def test_the_pods_of_the_shards_poll_every_target_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [f"Test{number:02}" for number in range(20)]
    objects = render(
        *("-f", values("minimal"), "--set", "shards=3"),
        *("--set", f"config.companies[0].orgs[0].folders={{{','.join(folders)}}}"),
    )
    config = files_of(of_kind("ConfigMap", objects))["config.yaml"].replace(ETC, str(tmp_path))
    for name, text in (("config/config.yaml", config), ("secrets/doctestco/token", "token")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
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
        flags = [each.replace(ETC, str(tmp_path)).replace("$(POD_INDEX)", str(index)) for each in container["args"]]
        assert main([*flags, "--config.check"]) == 0
        found.append(re.findall(r"Test\d\d", capsys.readouterr().out))
    assert all(found)
    assert sorted(name for names in found for name in names) == folders
