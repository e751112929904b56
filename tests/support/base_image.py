"""A base for the image, like the official Python image: Python without compiled modules, certificates, nothing else."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tools import missing, tool

BASE = "localhost/vspark-exporter-test-base:bookworm"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
ENVIRONMENT = (f"PIP_CERT={CERTIFICATES}", "PATH=/usr/local/bin:/usr/bin:/bin")


def ran(*command: str) -> str:
    """Run a command that has to succeed, and return its output."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # the tests' own
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


@contextmanager
def base_created(folder: Path) -> Iterator[str]:
    """Create the base, with its files in `folder` meanwhile; remove it after the block."""
    for name in ("buildah", "podman", "runc", "debootstrap"):
        tool(name, name)
    if os.geteuid() != 0:
        missing("debootstrap has to be run as root")
    root = folder / "root"
    ran("debootstrap", "--variant=minbase", "--include=ca-certificates,python3,python3-venv", "bookworm", str(root))
    shutil.copy(CERTIFICATES, f"{root}{CERTIFICATES}")
    for path in (root / "usr/lib/python3.11").rglob("*.pyc"):
        path.unlink()
    archive = folder / "root.tar"
    ran("tar", "-C", str(root), "--exclude=./var/cache/apt", "--exclude=./var/lib/apt", "-cf", str(archive), ".")
    shutil.rmtree(root)
    ran("podman", "import", "--quiet", *(f"--change=ENV {each}" for each in ENVIRONMENT), str(archive), BASE)
    archive.unlink()
    yield BASE
    ran("podman", "rmi", "--force", BASE)
