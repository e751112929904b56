"""That the exporters that are compared do the same work: the values of the same responses."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.repository import ROOT
from tools.bench.measure import PYTHON, Server, free_port, running, waiting
from tools.bench.report import ORDINARY, OURS
from tools.bench.site import EXPORTERS, Site
from tools.bench.upstream import FORMS

COMPARED = {
    "vspark_folder_calls_today",
    "vspark_folder_call_duration_average_seconds",
    "vspark_agent_calls_today",
    "vspark_agent_call_duration_average_seconds",
    "vspark_up",
}
FOLDERS, AGENTS = 3, 4


def samples(exporter: Server) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the samples that both have, each with its labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): round(sample.value, 6)
        for family in text_string_to_metric_families(exporter.get("/metrics").decode())
        for sample in family.samples
        if sample.name in COMPARED
    }


@pytest.mark.parametrize("by_folder", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_both_exporters_read_the_same_values(form: str, tmp_path: Path, *, by_folder: bool) -> None:
    site = Site(FOLDERS, AGENTS, form=form, by_folder=by_folder)
    found = {}
    with site.upstream() as upstream:
        for name in EXPORTERS:
            with site.exporter(name, upstream, 3600, tmp_path) as exporter:
                exporter.wait_for("/-/ready")
                found[name] = samples(exporter)
    assert found[OURS] == found[ORDINARY]
    targets = FOLDERS if by_folder else 1
    assert len(found[OURS]) == 2 * FOLDERS + 2 * FOLDERS * AGENTS + targets


@pytest.mark.parametrize("mode", ["same", "some", "all"])
def test_the_upstream_changes_as_many_folders_as_its_mode_says(mode: str) -> None:
    with Site(folders=200, agents=2).upstream() as upstream:
        upstream.get(f"/mode/{mode}", post=True)
        bodies = [upstream.get("/stats/WideCo/WideCo-Org0") for _ in range(2)]
    first, second = (body.split(b'{"folder": ') for body in bodies)
    changed = sum(one != other for one, other in zip(first, second, strict=True))
    assert changed == {"same": 0, "some": 4, "all": 200}[mode]  # "some": the two of this response, the two before


def test_the_cpu_clock_is_that_of_the_process() -> None:
    busy = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ntime.sleep(60)"
    with running(free_port(), sys.executable, "-c", busy) as server:
        deadline = time.monotonic() + 30
        while server.cpu_seconds() < 0.3:
            assert time.monotonic() < deadline
            time.sleep(0.01)  # the process is another one, without an event of ours
        before = server.cpu_seconds()
        assert 0.3 <= before < 1.5
        sum(range(3_000_000))  # the CPU time of this process
        assert server.cpu_seconds() - before < 0.05


def test_a_stall_is_the_work_that_a_request_waits_for(tmp_path: Path) -> None:
    """All agents of a large org change, so the ordinary exporter reads them in one step."""
    site = Site(folders=20, agents=500)
    with site.upstream() as upstream, site.exporter(ORDINARY, upstream, 0.3, tmp_path) as exporter:
        exporter.wait_for("/-/ready")
        with waiting(exporter, "/-/healthy") as waits:
            expected = int(upstream.get("/responses")) + 4
            while int(upstream.get("/responses")) < expected:
                time.sleep(0.02)
    assert waits.longest_cpu_milliseconds > 10
    assert waits.longest_cpu_milliseconds <= waits.longest_milliseconds + 1
    assert sorted(wait.cpu_seconds for wait in waits)[len(waits) // 4] < 0.005


def bench(*arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 # our own command
        [*PYTHON, "tools.bench", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_row_that_does_not_exist() -> None:
    ended = bench("smal", "floors", path=os.environ["PATH"])
    assert ended.returncode == 2
    assert ended.stderr.endswith("python -m tools.bench: error: no such row: floors, smal\n")


def test_a_row_whose_program_is_missing_is_skipped_with_one_line(tmp_path: Path) -> None:
    ended = bench("prometheus", "--json", str(tmp_path / "report.json"), path=str(tmp_path))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split("\n", 2)[1] == "prometheus is not on PATH, so its cost of a series is not measured"
