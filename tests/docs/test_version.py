import re

import pytest

from exporter import __version__
from tests.support.repository import ROOT
from tools.docs.version import VERSIONED, with_version


@pytest.mark.parametrize("name", VERSIONED)
def test_a_file_has_the_version_of_the_code(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == with_version(name), f"{name} is stale; run `make docs`"


def test_a_new_version_goes_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.docs.version.__version__", "2.3.4")
    assert '      org.opencontainers.image.version="2.3.4" \\\n' in with_version("Dockerfile")
    assert 'appVersion: "2.3.4"\n' in with_version("helm/vspark-exporter/Chart.yaml")


def test_a_file_without_a_version_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.docs.version.VERSIONED", {"LICENSE": "no such text"})
    message = "LICENSE: 0 versions instead of one; correct the pattern in tools/docs/version.py"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        with_version("LICENSE")


def test_the_version_is_a_release() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
