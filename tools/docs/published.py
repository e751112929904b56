"""The version of exporter/__init__.py and the registry of pyproject.toml, in the files that cannot look them up."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from exporter import __version__

ROOT: Final = Path(__file__).parents[2]
REGISTRY: Final[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["vspark-exporter"][
    "registry"
]

_IMAGE: Final = r'[^\s"]+(?=/vspark-exporter:[0-9])'
_TAG: Final = r"(?<=/vspark-exporter:)[0-9.]*[0-9]"
_CHART: Final = r"(?<=oci://)\S+(?=/charts/vspark-exporter)"
_CHART_VERSION: Final = r"(?<=/charts/vspark-exporter --version )\S+"

PUBLISHED: Final[Mapping[str, Mapping[str, str]]] = {
    "Dockerfile": {r'(?<=org\.opencontainers\.image\.version=").*(?=")': __version__},
    "helm/vspark-exporter/Chart.yaml": {r'(?<=appVersion: ").*(?=")': __version__, r"(?<=\nversion: ).*": __version__},
    "helm/vspark-exporter/values.yaml": {r"(?<=\n  repository: ).*(?=/vspark-exporter\n)": REGISTRY},
    "helm/vspark-exporter/README.md": {_CHART: REGISTRY, _CHART_VERSION: __version__},
    "docs/deployment.md": {_IMAGE: REGISTRY, _TAG: __version__},
}
"""Each file, and the patterns in it with what replaces their matches."""


def with_published_names(name: str) -> str:
    """Return the text of a file with the current version and registry.

    Raises:
        ValueError: a pattern does not match

    """
    text = (ROOT / name).read_text("utf-8")
    for pattern, current in PUBLISHED[name].items():
        text, count = re.subn(pattern, current, text)
        if not count:
            raise ValueError(f"{name}: nothing matches {pattern}; correct the pattern in tools/docs/published.py")
    return text
