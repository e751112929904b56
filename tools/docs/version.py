"""The version of exporter/__init__.py in the files that cannot import it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from exporter import __version__

ROOT: Final = Path(__file__).parents[2]

VERSIONED: Final[Mapping[str, str]] = {
    "Dockerfile": r'(?<=org\.opencontainers\.image\.version=").*(?=")',
    "helm/vspark-exporter/Chart.yaml": r'(?<=appVersion: ").*(?=")',
}
"""Each file, and the pattern of the version in it."""


def with_version(name: str) -> str:
    """Return the text of a file with the current version.

    Raises:
        ValueError: the pattern does not match exactly once

    """
    text, count = re.subn(VERSIONED[name], __version__, (ROOT / name).read_text("utf-8"))
    if count != 1:
        raise ValueError(f"{name}: {count} versions instead of one; correct the pattern in tools/docs/version.py")
    return text
