"""The contents of the lock files."""

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.repository import ROOT

OURS = "vspark-exporter"


def entries(lock: str) -> list[str]:
    """Return each requirement with its hashes as one line."""
    lines = (ROOT / lock).read_text("utf-8").replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def locked(lock: str) -> dict[str, tuple[Requirement, set[str]]]:
    """Return each requirement and its hashes by its normalized name."""
    found: dict[str, tuple[Requirement, set[str]]] = {}
    for entry in entries(lock):
        text, *hashes = re.split(r"\s+--hash=sha256:", entry.strip())
        requirement = Requirement(text)
        found[canonicalize_name(requirement.name)] = (requirement, set(hashes))
    return found
