import re

import pytest

from exporter import __version__
from tests.support.repository import ROOT
from tools.docs import published
from tools.docs.published import PUBLISHED, with_published_names


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_file_has_the_version_of_the_code_and_the_registry_of_the_project(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == with_published_names(name), f"{name} is stale; run `make docs`"


def test_a_new_version_and_registry_go_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = {
        name: {
            pattern: "2.3.4" if current == __version__ else "images.example.org/x" for pattern, current in names.items()
        }
        for name, names in PUBLISHED.items()
    }
    monkeypatch.setattr(published, "PUBLISHED", renamed)
    assert '      org.opencontainers.image.version="2.3.4" \\\n' in with_published_names("Dockerfile")
    chart = with_published_names("helm/vspark-exporter/Chart.yaml")
    assert 'appVersion: "2.3.4"\n' in chart
    assert "\nversion: 2.3.4\n" in chart
    assert "\n  repository: images.example.org/x/vspark-exporter\n" in with_published_names(
        "helm/vspark-exporter/values.yaml"
    )
    readme = with_published_names("helm/vspark-exporter/README.md")
    assert "oci://images.example.org/x/charts/vspark-exporter --version 2.3.4 " in readme
    deployment = with_published_names("docs/deployment.md")
    assert " images.example.org/x/vspark-exporter:2.3.4 demo\n" in deployment
    assert published.REGISTRY not in deployment


def test_a_pattern_without_a_match_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "PUBLISHED", {"LICENSE": {"no such text": "x"}})
    message = "LICENSE: nothing matches no such text; correct the pattern in tools/docs/published.py"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        with_published_names("LICENSE")


def test_the_version_is_a_release() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
