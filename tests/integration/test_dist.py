"""What `make dist` builds: twice the same, and installable without a network."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from tests.support.base_image import ran
from tests.support.repository import ROOT
from tests.support.tools import tool

BUILT = [
    "SHA256SUMS",
    f"vspark-exporter-{__version__}-image.tar",
    f"vspark-exporter-{__version__}-requirements.txt",
    f"vspark-exporter-{__version__}.cdx.json",
    f"vspark-exporter-{__version__}.tgz",
    f"vspark_exporter-{__version__}-py3-none-any.whl",
    f"vspark_exporter-{__version__}.tar.gz",
]
DATE = "2026-11-24T12:00:00+00:00"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "a"), ("EMAIL", "a@example.com"), ("DATE", DATE))
}


def committed(folder: Path, umask: int) -> Path:
    """Copy the files of the working tree, make them one commit of a repository of their own, and return its folder."""
    git = tool("git", "git")
    names = ran(git, "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
            (folder / name).chmod(0o777 & ~umask if os.access(ROOT / name, os.X_OK) else 0o666 & ~umask)
    for command in ("init --quiet", "config core.fileMode false", "add .", "commit --quiet --message=a"):
        subprocess.run([git, *command.split()], cwd=folder, env={**os.environ, **IDENTITY}, check=True)  # noqa: S603 # git
    return folder


def make_dist(folder: Path, base_image: str) -> subprocess.CompletedProcess[str]:
    """Run `make dist` there, with the environment of this repository."""
    venv = Path(sys.prefix)
    arguments = ["make", "-o", str(venv / "dev.stamp"), "dist", f"VENV={venv}", f"BASE_IMAGE={base_image}"]
    environ = {**os.environ, "BUILDAH_ISOLATION": "chroot"}  # needs no network of its own
    return subprocess.run(arguments, cwd=folder, env=environ, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.fixture(scope="module")
def releases(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Build the release twice, in folders that differ in the files' permissions and in what else lies there."""
    tool("helm", "helm.sh/helm/v4/cmd/helm", "go install")
    built: list[Path] = []
    for umask in (0o022, 0o077):
        folder = committed(tmp_path_factory.mktemp("release"), umask)
        if built:
            (folder / "exporter" / "__pycache__").mkdir()
            (folder / "exporter" / "__pycache__" / "app.cpython-311.pyc").write_bytes(b"of another machine")
            (folder / ".git" / "info" / "exclude").write_text("*.token\n", "utf-8")
            (folder / "exporter" / "doctestco.token").write_text("canary-T0ken", "utf-8")
        done = make_dist(folder, base_image)
        assert done.returncode == 0, done.stdout + done.stderr
        built.append(folder / "dist")
    yield built
    ran("podman", "rmi", "--force", f"localhost/vspark-exporter:{__version__}")


@pytest.mark.release
def test_a_release_has_all_parts_with_their_checksums(releases: list[Path]) -> None:
    folder = releases[0]
    assert sorted(path.name for path in folder.iterdir()) == BUILT
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in BUILT[1:]]
    assert (folder / "SHA256SUMS").read_text("ascii").splitlines() == sums


@pytest.mark.release
def test_two_builds_of_a_commit_are_equal(releases: list[Path]) -> None:
    one, two = ((folder / "SHA256SUMS").read_text("ascii").splitlines() for folder in releases)
    assert one == two


@pytest.mark.release
def test_the_wheel_installs_with_the_lock_and_without_a_network(releases: list[Path], tmp_path: Path) -> None:
    lock = str(releases[0] / f"vspark-exporter-{__version__}-requirements.txt")
    wheel = str(releases[0] / f"vspark_exporter-{__version__}-py3-none-any.whl")
    wheels, environment = tmp_path / "wheels", tmp_path / "venv"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    ran(*pip, "download", "--require-hashes", "--only-binary=:all:", "-r", lock, "-d", str(wheels))
    ran(sys.executable, "-m", "venv", str(environment))
    offline = [*pip, f"--python={environment}/bin/python", "install", "--no-index", f"--find-links={wheels}"]
    ran(*offline, "--require-hashes", "-r", lock)
    ran(*offline, "--no-deps", wheel)
    assert ran(f"{environment}/bin/vspark-exporter", "--version").startswith(f"vspark-exporter {__version__}")
    assert ran(*pip, f"--python={environment}/bin/python", "check") == ""


@pytest.mark.release
def test_chart_and_image_have_the_same_version(releases: list[Path]) -> None:
    with tarfile.open(releases[0] / f"vspark-exporter-{__version__}.tgz") as chart:
        about = chart.extractfile("vspark-exporter/Chart.yaml")
        assert about is not None
        assert yaml.safe_load(about)["appVersion"] == __version__
    with tarfile.open(releases[0] / f"vspark-exporter-{__version__}-image.tar") as image:
        index = image.extractfile("index.json")
        assert index is not None
        (manifest,) = json.load(index)["manifests"]
    assert manifest["annotations"] == {"org.opencontainers.image.ref.name": f"vspark-exporter:{__version__}"}


def test_uncommitted_changes_are_refused(tmp_path: Path) -> None:
    folder = committed(tmp_path, 0o022)
    (folder / "token").write_text("canary-T0ken", "utf-8")
    done = make_dist(folder, "")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "commit your changes, or remove them: a release is built from a commit"
    assert not (folder / "dist").exists()
