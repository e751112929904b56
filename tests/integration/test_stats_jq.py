"""A program in `stats_jq`, in an exporter that runs as a process: its workers, reloads and the end."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from exporter.simulator import Company, Folder, Org, Simulator, Site
from tests.support.exporter_process import Running, run, serving

SITE = Site((Company("Co", "s3cret-canary", (Org("Co-Org", "US/Eastern", (Folder("A", 500),)),)),))
BUSY_SECONDS = 0.2
LOOP = "def loop: loop; loop"
CALLS = ("vspark_folder_calls_today", (("company", "Co"), ("folder", "A"), ("org", "Co-Org")))
UP = ("vspark_up", (("company", "Co"), ("folder", ""), ("org", "Co-Org")))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SITE) as simulator:
        simulator.override("Co", "Co-Org", body=b'{"folders":[{"id":"A","n":7}]}')
        yield simulator


def write(folder: Path, url: str, program: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(
        f"vspark: {{url: '{url}', token: s3cret-canary, timeout: 1s}}\n"
        "poll: {interval: 100ms, stale_after: 1m}\n"
        "discovery: {enabled: false}\n"
        "companies: [{name: Co, orgs: [{name: Co-Org, timezone: US/Eastern}]}]\n"
        f"stats_jq: {json.dumps(program)}\n"
    )
    return path


def workers(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children() if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


async def gone(processes: list[psutil.Process], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes):
            await asyncio.sleep(0.02)


async def value(program: Running, wanted: float) -> None:
    async with asyncio.timeout(20):
        while (await program.series()).get(CALLS) != wanted:
            await asyncio.sleep(0.05)


async def begun(process: psutil.Process) -> list[psutil.Process]:
    """Wait until a worker has used some CPU time, so that its program loops."""
    async with asyncio.timeout(20):
        while True:
            if found := [child for child in workers(process) if child.cpu_times().user > BUSY_SECONDS]:
                return found
            await asyncio.sleep(0.02)


async def test_without_a_program_there_is_no_worker_and_no_jq(tmp_path: Path, simulator: Simulator) -> None:
    simulator.heal_all()
    async with serving(write(tmp_path, simulator.url, "")) as program:
        assert (await program.series())[UP] == 1
        process = psutil.Process(program.process.pid)
        assert workers(process) == []
        assert [each.path for each in process.memory_maps() if Path(each.path).name.startswith("jq.")] == []


async def test_a_reload_adds_replaces_and_removes_the_program(tmp_path: Path, simulator: Simulator) -> None:
    async with serving(write(tmp_path, simulator.url, "")) as program:
        process = psutil.Process(program.process.pid)
        assert (await program.series())[UP] == 0

        write(tmp_path, simulator.url, ".folders | map({folder: .id, calls: .n})")
        program.process.send_signal(signal.SIGHUP)
        await value(program, 7)
        (first,) = workers(process)

        write(tmp_path, simulator.url, ".folders | map({folder: .id, calls: (.n + 1)})")
        program.process.send_signal(signal.SIGHUP)
        await value(program, 8)
        (second,) = workers(process)
        assert second != first
        await gone([first], 5)

        write(tmp_path, simulator.url, ".folders | map({folder: .id, calls")
        program.process.send_signal(signal.SIGHUP)
        error = "syntax error, unexpected end of file, expecting '}' (line 1 of the program, column 30)"
        assert error in await program.read_log("config_refused")
        assert workers(process) == [second]

        simulator.heal_all()
        write(tmp_path, simulator.url, "")
        program.process.send_signal(signal.SIGHUP)
        await gone([second], 20)
        code, logged, _ = await program.stop(signal.SIGTERM)
    assert code == 0
    assert not any("canary" in line for line in logged)


async def test_the_same_response_is_mapped_once(tmp_path: Path, simulator: Simulator) -> None:
    config = write(tmp_path, simulator.url, "[range(1e5)] | {A: {calls: length}}")
    async with serving(config) as program:
        await value(program, 1e5)
        (worker,) = workers(psutil.Process(program.process.pid))
        before, polls = worker.cpu_times(), len(simulator.requests)
        async with asyncio.timeout(20):
            while len(simulator.requests) < polls + 5:
                await asyncio.sleep(0.05)
        assert worker.cpu_times() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_loops_does_not_hold_up_the_end(
    tmp_path: Path, simulator: Simulator, number: signal.Signals
) -> None:
    async with serving(write(tmp_path, simulator.url, LOOP)) as program:
        looping = await begun(psutil.Process(program.process.pid))
        code, logged, seconds = await program.stop(number)
    assert code == 0
    assert seconds < 5
    assert logged[-1].endswith("event=stopped")
    await gone(looping, 1)


@pytest.mark.parametrize("program", ["{A: {calls: .folders[0].n}}", LOOP])
async def test_no_worker_outlives_an_exporter_that_is_killed(
    tmp_path: Path, simulator: Simulator, program: str
) -> None:
    """An idle one reads the end of its input. One that loops reads nothing, but has set an alarm."""
    async with serving(write(tmp_path, simulator.url, program)) as exporter:
        process = psutil.Process(exporter.process.pid)
        if program is LOOP:
            left = await begun(process)
        else:
            await value(exporter, 7)
            left = workers(process)
        assert len(left) == 1
        exporter.process.kill()
        await exporter.process.wait()
        await gone(left, 10)


async def test_a_syntax_error_names_the_key_and_its_line(tmp_path: Path, simulator: Simulator) -> None:
    path = write(tmp_path, simulator.url, ".a | rows")
    code, out, errors = await run("--config.file", str(path), "--config.check")
    assert (code, out) == (2, "")
    message = "is not a jq program: rows/0 is not defined (line 1 of the program, column 6)"
    assert errors == f"{path}:5: stats_jq: {message}\n"
