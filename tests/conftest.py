import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.tools import tool

GRAFANA = Path(__file__).parent / "dashboards" / "grafana"

# Without a deadline: how long an example takes depends on the load of the machine.
settings.register_profile("quick", deadline=None, max_examples=20)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden pages instead of comparing them")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the proxy settings of the environment out of the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the locked versions of Grafana's library outside of the working tree, and return the folder."""
    npm = tool("npm", "npm")
    folder = tmp_path_factory.mktemp("grafana")
    for path in GRAFANA.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    install = [npm, "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True)  # noqa: S603 # the lock file is copied too
    return folder
