"""No log at debug level, page, output of a command or process list contains a token."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import aiohttp
import psutil
import pytest

from exporter.simulator import Simulator
from tests.support.canary_site import CANARY, FAULTS, SITE
from tools.bench.measure import free_port

DEADLINE_SECONDS = 30.0


def config(folder: Path, url: str) -> Path:
    (folder / "token").write_text(f"{CANARY}\n")
    path = folder / "config.yaml"
    path.write_text(
        f"vspark: {{url: '{url}', timeout: 700ms, token_file: token}}\n"
        "poll: {interval: 1s, concurrency: 20}\n"
        "companies: [{name: Co, orgs: [{name: Org, timezone: UTC, "
        f"folders: [good, {', '.join(repr(name) for name in FAULTS)}]}}]}}]\n"
    )
    return path


def assert_no_canary(text: str) -> None:
    # Search for a piece: a token that is truncated, escaped or encoded is still a leak.
    for piece in (CANARY, quote(CANARY, safe=""), quote_plus(CANARY), "canary", "7f3a"):
        assert piece.lower() not in text.lower()


async def run(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "exporter", *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_serving_at_debug_level_through_every_fault(tmp_path: Path) -> None:
    async with Simulator(SITE) as simulator:
        for name, fault in FAULTS.items():
            simulator.fail("Co", "Org", name, fault=fault)
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-X",
            "dev",
            "-m",
            "exporter",
            f"--config.file={config(tmp_path, simulator.url)}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=debug",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        served = ""
        async with aiohttp.ClientSession() as session, asyncio.timeout(DEADLINE_SECONDS):
            while True:
                await asyncio.sleep(0.1)
                try:
                    served = await (await session.get(f"http://127.0.0.1:{port}/metrics")).text()
                except aiohttp.ClientError:
                    continue
                if len(re.findall(r"vspark_poll_failures_total\{.*\} [1-9]", served)) >= len(FAULTS):
                    break
            for path in ("/", "/api/v1/targets", "/-/ready", "/-/healthy", "/nowhere"):
                served += await (await session.get(f"http://127.0.0.1:{port}{path}")).text()
        command_line = " ".join(psutil.Process(process.pid).cmdline())
        process.terminate()
        output, _ = await process.communicate()
        assert process.returncode == 0
        logged = output.decode()
        assert logged.count("poll_failed") >= len(FAULTS)
        for text in (served, logged, command_line):
            assert_no_canary(text)


@pytest.mark.parametrize("arguments", [("probe",), ("probe", "--json"), ("--config.check",)])
async def test_what_commands_say(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    async with Simulator(SITE) as simulator:
        for name, fault in FAULTS.items():
            simulator.fail("Co", "Org", name, fault=fault)
        code, output = await run(f"--config.file={config(tmp_path, simulator.url)}", *arguments)
    assert code == (1 if arguments[0] == "probe" else 0)
    for name in FAULTS:
        assert name in output
    assert_no_canary(output)


async def test_a_broken_configuration_with_the_token_in_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"vspark: {{url: 'http://h?token={CANARY}', token: ['{CANARY}'], tokn: '{CANARY}'}}\n")
    code, output = await run(f"--config.file={path}")
    assert code == 2
    assert "vspark" in output
    assert_no_canary(output)


async def test_a_backfill_through_every_fault(tmp_path: Path) -> None:
    output = tmp_path / "history"
    async with Simulator(SITE) as simulator:
        for name, fault in FAULTS.items():
            simulator.fail("Co", "Org", name, fault=fault)
        flags = ("--from", "2026-11-01", "--to", "2026-11-02", "--agents", f"--output={output}")
        code, printed = await run("backfill", f"--config.file={config(tmp_path, simulator.url)}", *flags)
    assert code == 1
    assert_no_canary(printed)
    # Each fault is reported, and the folder that works is written.
    assert {line.split("/")[2].split(":")[0] for line in printed.splitlines() if line.startswith("Co/Org/")} == {
        *FAULTS
    }
    assert set(re.findall(r'folder="(.*?)"', output.read_text("utf-8"))) == {"good"}
    files = [output, *output.with_name("history.partial").iterdir()]
    assert len(files) == 2
    for file in files:
        assert_no_canary(file.read_bytes().decode("latin-1"))
