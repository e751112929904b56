"""Releases of the chart, installed, upgraded and uninstalled by Helm 3 and Helm 4."""

from pathlib import Path

import pytest

from tests.support.helm_chart import HELMS, helm, render, values
from tests.support.kubernetes_api import kubernetes_api
from tools.docs.chart import CHART

OBJECTS = {f"{kind}/calls-vspark-exporter" for kind in ("ConfigMap", "Deployment", "Service", "ServiceAccount")}


@pytest.mark.parametrize("path", sorted((CHART / "ci").glob("*.yaml")), ids=lambda path: path.stem)
def test_both_versions_of_helm_render_the_same(path: Path) -> None:
    assert render("-f", path, name="helm3") == render("-f", path)


@pytest.mark.parametrize("name", HELMS)
def test_a_release_is_installed_upgraded_and_uninstalled(name: str) -> None:
    with kubernetes_api() as (api, url):

        def run(command: str, *arguments: str | Path) -> str:
            done = helm(command, "calls", *arguments, "-n", "vspark", "--kube-apiserver", url, name=name)
            assert done.returncode == 0, done.stderr
            return done.stdout

        # The simulated API server has no schemas to validate against.
        files = (CHART, "--disable-openapi-validation", "-f")
        assert "WARNING: config contains a token." in run("install", *files, values("inline-token"))
        assert api.names() == (OBJECTS - {"ConfigMap/calls-vspark-exporter"}) | {"Secret/calls-vspark-exporter"}
        assert "WARNING" not in run(
            *("upgrade", *files, values("everything")),
            *("--set", "fullnameOverride=null,nameOverride=null,namespaceOverride=null,extraManifests=null"),
        )
        assert api.names() == (OBJECTS - {"ServiceAccount/calls-vspark-exporter"}) | {
            *(
                "ServiceAccount/calls",
                "NetworkPolicy/calls-vspark-exporter",
                "PodDisruptionBudget/calls-vspark-exporter",
            ),
        }
        run("uninstall")
        assert api.objects == {}


@pytest.mark.parametrize("name", HELMS)
def test_an_upgrade_to_shards_and_back(name: str) -> None:
    with kubernetes_api() as (api, url):
        cluster = ("-n", "vspark", "--kube-apiserver", url, "--disable-openapi-validation")
        plain = {f"{kind}/calls-vspark-exporter" for kind in ("Deployment", "Service")}
        sharded = {"StatefulSet/calls-vspark-exporter", "Service/calls-vspark-exporter-shards"}
        steps = [("install", 0, plain), ("upgrade", 3, sharded), ("upgrade", 4, sharded), ("upgrade", 0, plain)]
        for command, shards, expected in steps:
            done = helm(
                *(command, "calls", CHART, *cluster, "-f", values("minimal"), "--set", f"shards={shards}"), name=name
            )
            assert done.returncode == 0, done.stderr
            assert {
                each for each in api.names() if each.split("/")[0] not in ("ConfigMap", "ServiceAccount")
            } == expected


@pytest.mark.parametrize("name", HELMS)
def test_a_typo_is_reported_before_anything_is_installed(name: str) -> None:
    with kubernetes_api() as (api, url):
        done = helm(
            *("install", "calls", CHART, "-n", "vspark", "--kube-apiserver", url, "-f", values("minimal")),
            *("--set", "config.companies[0].orgs[0].folder={Test01}"),
            name=name,
        )
        assert done.returncode == 1
        assert "at '/config/companies/0/orgs/0': additional properties 'folder' not allowed" in done.stderr
        assert api.objects == {}
