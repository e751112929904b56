import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.tools import tool

GRAFANA = Path(__file__).parent / "dashboards" / "grafana"

# How long an example takes is the machine's business.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the proxy of whoever runs the tests out of them."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install Grafana's library, in the versions that are locked, outside of the working tree."""
    npm = tool("npm", "npm")
    folder = tmp_path_factory.mktemp("grafana")
    for path in GRAFANA.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    install = [npm, "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True)  # noqa: S603 # what is locked beside it
    return folder
