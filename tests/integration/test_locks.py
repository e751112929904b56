"""The dependencies: every package is locked to one version with its hashes, and that version is installed.

pip compares a package with its hashes when it is installed (`--require-hashes` in the Makefile and the Dockerfile).
"""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from exporter import __version__
from tests.support.helm_chart import HELMS
from tests.support.lock_files import OURS, entries, locked
from tests.support.repository import ROOT

LOCKS = ("requirements/run.lock", "requirements/build.lock", "requirements/dev.lock")
OF_THE_ENVIRONMENT = {"pip", "setuptools", "uv"}  # python -m venv and make lock install them


def versions(lock: str) -> dict[str, str]:
    return {name: str(requirement.specifier) for name, (requirement, _) in locked(lock).items()}


def here(lock: str) -> dict[str, Version]:
    """Return the locked versions of the packages that this machine and this Python need."""
    return {
        name: Version(str(requirement.specifier).removeprefix("=="))
        for name, (requirement, _) in locked(lock).items()
        if requirement.marker is None or requirement.marker.evaluate()
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_one_version_and_hashes(lock: str) -> None:
    entry = re.compile(r"[\w.-]+==[\w.!+-]+( ; [^\\#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert [text for text in entries(lock) if not entry.fullmatch(text.strip())] == []
    assert len(locked(lock)) == len(entries(lock)) > 0


def test_what_is_developed_with_is_what_runs_and_builds() -> None:
    assert versions("requirements/run.lock").items() <= versions("requirements/dev.lock").items()
    assert versions("requirements/build.lock").items() <= versions("requirements/dev.lock").items()


@pytest.mark.skipif(not Path(sys.prefix).is_relative_to(ROOT), reason="not the environment that make sets up")
def test_what_is_installed_is_what_is_locked() -> None:
    installed: dict[str, Version] = {canonicalize_name(each.name): Version(each.version) for each in distributions()}
    assert installed.pop(OURS) == Version(__version__)
    for name in OF_THE_ENVIRONMENT:
        installed.pop(name, None)
    assert installed == here("requirements/dev.lock")


def test_ci_compiles_the_versions_of_helm_that_the_tests_name() -> None:
    required = (ROOT / ".ci" / "helm" / "go.mod").read_text("utf-8")
    for package in HELMS.values():
        path, _, version = package.partition("@")
        assert f"\n\t{path.removesuffix('/cmd/helm')} {version} " in required
