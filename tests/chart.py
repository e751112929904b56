"""The chart as the real helm sees it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from docs.chart import CHART
from tests.tools import tool


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = tool("helm", "helm.sh/helm/v4/cmd/helm@v4.3.1", "go install")
    # No cluster of whoever runs the tests is asked.
    environment = {**os.environ, "KUBECONFIG": os.devnull}
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environment)  # noqa: S603


def values(name: str) -> Path:
    return CHART / "ci" / f"{name}-values.yaml"


def render(*arguments: str | Path, chart: Path = CHART) -> list[Any]:
    """Give the objects that the chart makes."""
    done = helm("template", "calls", chart, "-n", "vspark", *arguments)
    assert done.returncode == 0, done.stderr
    return sorted(
        filter(None, yaml.safe_load_all(done.stdout)), key=lambda each: (each["kind"], each["metadata"]["name"])
    )


def refused(*arguments: str | Path) -> str:
    """Give what helm says of values that it does not take."""
    done = helm("template", "calls", CHART, "-n", "vspark", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def of_kind(kind: str, objects: list[Any]) -> Any:
    (found,) = (each for each in objects if each["kind"] == kind)
    return found
