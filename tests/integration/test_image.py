"""The image, built and run. `base_image` is a Debian that the tests create, so that no image registry is needed."""

# ruff: noqa: S310, S603 # it runs only its own commands, and requests only its own URLs

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from exporter import __version__
from exporter.exposition.text_format import Format
from tests.support.base_image import CERTIFICATES, ran
from tests.support.checked_config import CHECKED, CONFIG
from tests.support.exposition_oracle import assert_valid
from tests.support.repository import ROOT
from tools.bench.measure import free_port

NAME = "localhost/vspark-exporter-test"
HARDENED = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges")
UNCHECKED_HASH = 1

LISTING = """
import glob, importlib.util, os
lib = glob.glob("/opt/vspark-exporter/lib/python3*/site-packages")[0]
sources = glob.glob(lib + "/**/*.py", recursive=True) + [os.__file__]
flags = {open(importlib.util.cache_from_source(path), "rb").read(8)[4] for path in sources}
print(flags, os.path.exists(lib + "/pip"))
"""
WRITABLE = """
import os
print(os.getuid(), os.getgid())
for folder, _, files in os.walk("/"):
    if not folder.startswith(("/proc", "/sys", "/dev")):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            if os.access(path, os.W_OK) and not os.path.islink(path):
                print(path)
"""


@pytest.fixture(scope="module")
def image(base_image: str) -> Iterator[str]:
    """Build the image without a cache, in the docker format, which has the health check."""
    ran(
        *("buildah", "bud", "--quiet", "--no-cache", "--runtime=runc", "--network=host", "--format=docker"),
        *(f"--build-arg=BASE_IMAGE={base_image}", "--build-arg=REVISION=a6f9aa3", f"--tag={NAME}", str(ROOT)),
    )
    yield NAME
    ran("podman", "rmi", "--force", NAME)


def inspected(image: str) -> dict[str, Any]:
    (found,) = json.loads(ran("podman", "inspect", image))
    assert isinstance(found, dict)
    return found


def command(image: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command that runs the image with as few permissions as possible."""
    return [
        *("podman", "--runtime=runc", "run", "--rm", "--no-healthcheck", *HARDENED),
        *("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", *options, image, *arguments),
    ]


@contextmanager
def container(image: str, *arguments: str, options: Sequence[str]) -> Iterator[str]:
    """Run the image and yield the name of the container; on SIGTERM it has to exit with 0, within seconds."""
    name = f"vspark-exporter-test-{free_port()}"
    words = command(image, *arguments, options=(f"--name={name}", *options))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = ""
        while "look at " not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        try:
            yield name
        finally:
            begun = time.monotonic()
            ran("podman", "stop", "--time=20", name)
            seconds = time.monotonic() - begun
            said += process.stdout.read()
    assert process.returncode == 0
    events = [" ".join(each) for each in re.findall(r"level=(\S+) event=(\S+)", said)]
    events = [each for each in events if not each.endswith("_failed")]  # one org fails after a second, if it still runs
    assert events == ["info listening", "info stopped"]
    assert seconds < 10, "killed after the grace period"


def inside(name: str, *arguments: str) -> tuple[int, str]:
    """Run a command in a container; return its exit code and its output."""
    words = ("podman", "--runtime=runc", "exec", name, *arguments)
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return ended.returncode, ended.stdout


@pytest.mark.release
def test_how_it_is_run(base_image: str, image: str) -> None:
    config = inspected(image)["Config"]
    assert config == {
        "User": "65532:65532",
        "ExposedPorts": {"10219/tcp": {}},
        "Env": [
            f"PIP_CERT={CERTIFICATES}",
            "PATH=/opt/vspark-exporter/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE=1",
        ],
        "Entrypoint": ["vspark-exporter"],
        "WorkingDir": "/etc/vspark-exporter",
        "Labels": {
            "io.buildah.version": config["Labels"]["io.buildah.version"],
            "org.opencontainers.image.base.name": base_image,
            "org.opencontainers.image.description": "V-Spark call analytics as Prometheus metrics",
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.revision": "a6f9aa3",
            "org.opencontainers.image.title": "vspark-exporter",
            "org.opencontainers.image.version": __version__,
        },
    }
    assert inspected(image)["Healthcheck"]["Test"] == ["CMD", "vspark-exporter", "healthcheck"]


@pytest.mark.release
def test_what_is_in_it(image: str) -> None:
    python = "--entrypoint=/opt/vspark-exporter/bin/python3"
    assert ran(*command(image, "-c", LISTING, options=(python,))) == f"{{{UNCHECKED_HASH}}} False\n"
    assert ran(*command(image, "-c", WRITABLE, options=(python,))) == "65532 65532\n"


@pytest.mark.release
def test_it_is_scraped(image: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    listen = f"--web.listen-address={url.removeprefix('http://127.0.0.1')}"
    with container(image, "demo", listen, options=("--network=host",)):
        wait_until_ready(url)
        with urlopen(f"{url}/metrics") as response:
            found = assert_valid(response.read(), Format.TEXT)
    up = {dict(labels)["org"]: value for (name, labels), value in found.items() if name == "vspark_up"}
    assert up.pop("DocTestCo-West") in (0.0, 1.0)  # fails every other minute
    assert list(up.values()) == [1.0] * 4


def wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{url}/-/ready"):
                return
        except URLError:
            time.sleep(0.05)
    pytest.fail(f"{url} is not ready")


@pytest.mark.release
def test_its_health_check_and_no_shell(image: str, tmp_path: Path) -> None:
    none = tmp_path / "none"
    none.touch()
    no_shell = [f"--volume={none}:/usr/bin/{shell}:ro" for shell in ("dash", "bash")]
    _, *check = inspected(image)["Healthcheck"]["Test"]
    with container(image, "demo", options=("--network=none", *no_shell)) as name:
        assert inside(name, *check) == (0, "healthy: http://localhost:10219/-/healthy\n")
        assert inside(name, *check, "--web.listen-address=:1") == (
            1,
            "unhealthy: http://localhost:1/-/healthy: Connection refused\n",
        )
        assert inside(name, "sh", "-c", "true")[0] != 0


@pytest.mark.release
def test_its_configuration(image: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(url="https://vspark.example.com:3000"))
    mounted = ("--network=none", f"--volume={path}:/etc/vspark-exporter/config.yaml:ro")
    assert ran(*command(image, "--config.check", options=mounted)) == CHECKED
    ended = subprocess.run(command(image, options=("--network=none",)), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "config.yaml does not exist: name it with --config.file, or start from config.example.yaml\n"
