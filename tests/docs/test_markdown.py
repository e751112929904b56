"""Every Markdown file of the repository: its links lead somewhere, and what it names exists."""

import importlib.util
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.main import main
from exporter.exposition.families import FAMILIES
from exporter.exposition.self_metrics import SelfMetrics
from tests.support.repository import ROOT

DOCS = ROOT / "docs"
OPERATORS = {
    *("configuration", "dashboards", "deployment", "history", "metrics", "operations", "runbook", "scaling"),
    *("security", "stats-format", "status", "web-configuration"),
}
DEVELOPERS = {"architecture", "benchmarks", "decisions", "testing"}
NOT_OURS = {".git", ".venv", "build", "dist", "found", "node_modules", "testdata"}
FENCE = re.compile(r"^( *)```.*?^\1```\n", re.DOTALL | re.MULTILINE)
FOLDERS = "exporter|tests|tools|deploy|helm|docs|requirements"


def markdown_files() -> Iterator[Path]:
    for folder, below, files in os.walk(ROOT):
        below[:] = [name for name in below if name not in NOT_OURS and not name.endswith("_cache")]
        yield from (Path(folder, name) for name in files if name.endswith(".md"))


PAGES = sorted(markdown_files())
TEXT = {page: page.read_text("utf-8") for page in PAGES}
PROSE = {page: FENCE.sub("\n", text) for page, text in TEXT.items()}
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.*?) *$", PROSE[page], re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        again = (f"{slug}-{number}" for number in range(1, 100))
        found.add(slug if slug not in found else next(each for each in again if each not in found))
    return found


def test_there_are_twelve_pages_for_operators_and_four_for_developers() -> None:
    assert {page.stem for page in DOCS.glob("*.md")} == OPERATORS
    assert {page.stem for page in (DOCS / "development").glob("*.md")} == DEVELOPERS
    assert {page.parent for page in PAGES if DOCS in page.parents} == {DOCS, DOCS / "development"}


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(<?([^)>\s]+)", PROSE[page]):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@every_page
def test_every_table_is_whole(page: Path) -> None:
    for table in re.findall(r"(?:^ *\|.*\n)+", f"{PROSE[page]}\n", re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", row.strip())[1:-1] for row in table.splitlines()]
        assert {len(row) for row in rows} == {len(rows[0])}, table
        assert [cell for cell in rows[1] if not re.fullmatch(r":?-+:?", cell)] == [], table


@every_page
def test_every_path_exists(page: Path) -> None:
    text = re.sub(r"\]\([^)]*\)", "]", TEXT[page])  # links are looked up from the page
    named = re.findall(rf"(?<![\w./-])(?:{FOLDERS})/[\w./*-]*[\w/*]", text)
    # A word in capitals stands for a name; what the fuzzers find is not in the repository.
    stands_for_others = re.compile(r"(?<![A-Za-z])(?!README)[A-Z]{2,}|tests/fuzz/found")
    paths = {path for path in named if not stands_for_others.search(path)}
    assert sorted(path for path in paths if not any(ROOT.glob(path))) == []


@every_page
def test_every_module_that_is_run_exists(page: Path) -> None:
    named = set(re.findall(r"python3? -m ((?:exporter|tests|tools)[\w.]*)", TEXT[page]))
    assert sorted(name for name in named if importlib.util.find_spec(name) is None) == []


@every_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make ([a-z-]+)", TEXT[page], re.MULTILINE))
    assert named <= targets


@every_page
def test_every_metric_exists(page: Path) -> None:
    self_metrics = SelfMetrics(process=False)
    self_metrics.web_config_loaded(0.0, 0.0)
    own = {sample.name for metric in self_metrics.registry.collect() for sample in metric.samples}
    known = own | {family.name for family in FAMILIES}
    known |= {family.name.removesuffix("_total") + "_created" for family in FAMILIES if family.created}
    known |= {"vspark_api_request_duration_seconds", "vspark_exporter_build_info"}
    named = set(re.findall(r"(?<![\w:./-])vspark_[a-z_]+\b(?![\w:…*./-]|_)", TEXT[page]))
    assert sorted(name for name in named if name not in known) == []


def test_every_page_that_other_files_name_exists() -> None:
    broken = []
    for folder, below, files in os.walk(ROOT):
        below[:] = [name for name in below if name not in NOT_OURS and not name.endswith("_cache")]
        for path in (Path(folder, name) for name in files):
            if path.suffix not in {".py", ".yaml", ".yml", ".toml", ".tpl", ".txt", ".json", ".service", ""}:
                continue
            for name, anchor in re.findall(
                r"(?<![\w/])(docs/[\w./-]+\.md)(?:#([\w-]+))?", path.read_text("utf-8", "replace")
            ):
                page = ROOT / name
                if not page.exists() or (anchor and anchor not in anchors(page)):
                    broken.append(f"{path.relative_to(ROOT)}: {name}#{anchor}")
    assert broken == []


def test_every_alert_is_listed() -> None:
    rules = (ROOT / "helm" / "vspark-exporter" / "rules" / "alerts.yaml").read_text("utf-8")
    listed = re.findall(r"^\| `(VSpark\w+)` \|", (DOCS / "operations.md").read_text("utf-8"), re.MULTILINE)
    assert listed == re.findall(r"- alert: (\w+)", rules)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = sorted(re.split(r"[<>=]", dependency)[0] for dependency in project["dependencies"])
    page = (DOCS / "development" / "architecture.md").read_text("utf-8").partition("## Dependencies")[2]
    assert re.findall(r"^\| ([\w-]+) \|", page, re.MULTILINE)[1:] == needed


def test_every_flag_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["probe"], ["demo"], ["healthcheck"], ["backfill"]):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z.-]*[a-z]", capsys.readouterr().out))
    pages = TEXT[DOCS / "operations.md"] + TEXT[DOCS / "history.md"]
    documented = set(re.findall(r"--[a-z][a-z.-]*[a-z]", pages))
    assert {"--config.file", "--shard", "--from"} <= flags
    assert flags <= documented


@every_page
def test_every_flag_on_a_page_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z.-]*[a-z]", capsys.readouterr().out))
    named = set(re.findall(r"(?<![\w-])--(?:config|web|log)\.[a-z.-]*[a-z]", TEXT[page]))
    assert named - {"--web.enable-admin-api"} <= flags  # Prometheus'
