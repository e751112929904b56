"""The chart, rendered by the real helm."""

import os
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.tools import tool
from tools.docs.chart import CHART

HELMS: Final = {"helm": "helm.sh/helm/v4/cmd/helm@v4.3.1", "helm3": "helm.sh/helm/v3/cmd/helm@v3.22.0"}
"""The program of each version, and the Go package that it is built from."""
_KUBERNETES: Final = ("--kube-version", "1.37.0")


def helm(*arguments: str | Path, name: str = "helm") -> subprocess.CompletedProcess[str]:
    """Run a version of helm, without any cluster except one that the arguments name."""
    program = tool(name, HELMS[name], "go install")
    environment = {**os.environ, "KUBECONFIG": os.devnull}
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environment)  # noqa: S603


def values(name: str) -> Path:
    """Return the path of a values file in ci/."""
    return CHART / "ci" / f"{name}-values.yaml"


def render(*arguments: str | Path, chart: Path = CHART, name: str = "helm") -> list[Any]:
    """Return the objects that the chart renders, sorted by kind and name."""
    done = helm("template", "calls", chart, "-n", "vspark", *_KUBERNETES, *arguments, name=name)
    assert done.returncode == 0, done.stderr
    return sorted(
        filter(None, yaml.safe_load_all(done.stdout)), key=lambda each: (each["kind"], each["metadata"]["name"])
    )


def rejected(*arguments: str | Path) -> str:
    """Return the error message of helm for values that it rejects."""
    done = helm("template", "calls", CHART, "-n", "vspark", *_KUBERNETES, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def of_kind(kind: str, objects: list[Any]) -> Any:
    """Return the only object of a kind."""
    (found,) = (each for each in objects if each["kind"] == kind)
    return found


def files_of(each: Any) -> dict[str, str]:
    """Return the files in a ConfigMap or a Secret, decoded."""
    data: dict[str, str] = each["data"]
    return data if each["kind"] == "ConfigMap" else {key: b64decode(value).decode() for key, value in data.items()}
