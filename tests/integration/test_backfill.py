"""The command `backfill` as a process: its requests, files, standard error and exit codes."""

import asyncio
import json
import os
import re
import signal
import sys
from datetime import date
from pathlib import Path

import pytest

from exporter.simulator import Fault, Shape, Simulator, wide_site
from tests.support.past_days import (
    FIRST,
    LAST,
    NOW,
    SITE,
    begin_backfill,
    days,
    ended,
    run_backfill,
    write_config,
)
from tests.support.prometheus_process import DEADLINE_SECONDS
from tests.support.repository import ROOT

MEASURE = (
    "import sys; from exporter.cli.main import main; code = main(sys.argv[1:]); "
    "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))); sys.exit(code)"
)
"""Runs the program and prints the most memory that it had, in KiB. (`ru_maxrss` begins with that of the parent.)"""
WRITTEN = re.compile(r"^\S+: [0-9]+ samples of ([0-9]+) folders\n$")


def simulator(shape: Shape = Shape.LIST) -> Simulator:
    return Simulator(SITE, clock=lambda: NOW, shape=shape)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def interrupted(config: Path, output: Path, number: signal.Signals) -> str:
    """Interrupt a backfill once it has read something; return its standard error."""
    process = await begin_backfill(config, output, "--pause", "50ms", "--agents")
    journal = output.with_name(f"{output.name}.partial") / "journal.sqlite-wal"
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not journal.exists() or journal.stat().st_size < 40_000:
            await asyncio.sleep(0.01)
    process.send_signal(number)
    ran = await ended(process)
    assert ran.code == (-number if number is signal.SIGKILL else 128 + number)
    assert ran.out == ""
    return ran.errors


async def test_an_interruption_changes_nothing(tmp_path: Path) -> None:
    whole, output, partial = tmp_path / "whole", tmp_path / "history", tmp_path / "history.partial"
    async with simulator() as upstream:
        config = write_config(tmp_path, upstream.url)
        assert (await run_backfill(config, whole, "--agents")).code == 0
        requests = [each.query for each in upstream.requests if "daterange" in each.query]
        assert len(requests) < 4 * len(days())  # several days at once; how many depends on the load of the machine
        upstream.requests.clear()
        again = "Start again with the same arguments to request the rest, or delete it."
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            said = await interrupted(config, output, number)
            assert said.endswith(
                "" if number is signal.SIGKILL else f"Interrupted. {partial} has what has been read. {again}\n"
            )
            assert (output.exists(), partial.is_dir()) == (False, True)
        async with asyncio.timeout(DEADLINE_SECONDS):
            ran = await run_backfill(config, output, "--agents")
        resumed = [each for each in upstream.requests if "daterange" in each.query]
    assert (ran.code, ran.errors) == (0, f"Continuing with what has been read in {partial}.\n")
    assert output.read_bytes() == whole.read_bytes()
    assert not partial.exists()
    ends = [each.query["daterange"].split("-") for each in resumed]
    requested = sum((date.fromisoformat(last) - date.fromisoformat(first)).days + 1 for first, last in ends)
    assert requested < 4 * len(days()) + 3 * 4 * 8  # what a killed process had requested is requested once more


async def test_an_outage_keeps_what_has_been_read(tmp_path: Path) -> None:
    whole, output, partial = tmp_path / "whole", tmp_path / "history", tmp_path / "history.partial"
    upstream = simulator()
    async with upstream:
        config = write_config(tmp_path, upstream.url, "poll: {concurrency: 2}\n")
        assert (await run_backfill(config, whole)).code == 0
        process = await begin_backfill(config, output, "--pause", "50ms")
        upstream.requests.clear()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while sum("daterange" in each.query for each in upstream.requests) < 5:
                await asyncio.sleep(0.01)
    ran = await ended(process)
    port = upstream.port
    assert (ran.code, ran.out) == (1, "")
    assert ran.errors == (
        f"V-Spark does not respond any more: cannot connect to 127.0.0.1:{port}: Connection refused; check the port, "
        f"and that V-Spark is running\n{partial} has what has been read. "
        "Start again with the same arguments to request the rest, or delete it.\n"
    )
    assert (output.exists(), partial.is_dir()) == (False, True)
    async with upstream:
        assert (await run_backfill(config, output)).code == 0
    assert output.read_bytes() == whole.read_bytes()


async def test_other_arguments_do_not_continue(tmp_path: Path) -> None:
    output = tmp_path / "history"
    async with simulator() as upstream:
        config = write_config(tmp_path, upstream.url)
        await interrupted(config, output, signal.SIGTERM)
        ran = await run_backfill(config, output, "--step", "1h")
    assert (ran.code, ran.out) == (2, "")
    assert ran.errors == (
        f"{output}.partial has the days of a backfill that was interrupted, which had other values of "
        "--agents, --step: start it with the same arguments and configuration to continue, or delete that directory\n"
    )


async def test_what_cannot_be_read_is_reported_and_the_rest_is_written(tmp_path: Path) -> None:
    output = tmp_path / "history"
    more = (
        "discovery: {enabled: false}\n"
        "companies:\n"
        "- {name: Nord, orgs: [{name: Süd, timezone: Europe/Berlin}, {name: Nowhere, timezone: Europe/Berlin}]}\n"
        "- {name: Kauri, orgs: [{name: Cards}]}\n"
    )
    async with simulator() as upstream:
        config = write_config(tmp_path, upstream.url, more)
        ran = await run_backfill(config, output, "--from", "2026-11-08", "--to", "2126-11-09")
        again = await run_backfill(config, output, "--from", "2026-11-08", "--to", "2126-11-09")
    assert ran.code == again.code == 1
    lines = [line for line in ran.errors.splitlines() if "less than three hours ago" not in line]
    for line, org in zip(lines, ("Süd", "Nowhere"), strict=False):
        assert re.fullmatch(
            f"Nord/{org}: ....-..-.. to 2126-11-09: not requested: the day is not over in Europe/Berlin", line
        )
    assert len(lines) == 5
    assert lines[-3] == (
        "Kauri/Cards: 2026-11-08 to 2126-11-09: not requested: its time zone is unknown, so its days have no "
        "beginning: set companies[].orgs[].timezone"
    )
    assert lines[-2].startswith("Nord/Nowhere: 2026-11-08 to ")
    assert lines[-2].endswith(
        ": not_found: V-Spark does not know this company, organization or folder: check the short names and vspark.url "
        "(status 404 Not Found; it says: Organization Nowhere not found)"
    )
    assert again.errors == f"Continuing with what has been read in {output}.partial.\n{ran.errors}"
    text = output.read_bytes().decode()
    assert set(re.findall(r'org="(.*?)"', text)) == {"Süd"}


async def test_a_failing_day_does_not_affect_the_others(tmp_path: Path) -> None:
    """A response that cannot be read is requested again day by day."""
    output = tmp_path / "history"
    async with simulator() as upstream:
        upstream.override("Nord", "Süd", body=b'{"error": "nord-token is no longer welcome: root-token"}')
        config = write_config(tmp_path, upstream.url, "poll: {concurrency: 2}\n")
        ran = await run_backfill(config, output, "Nord", "East & West/New")
    assert ran.code == 1
    assert ran.errors.startswith("Nord/Süd: 2026-10-20 to 2026-11-09: unrecognized: $")
    assert "root-token" not in ran.errors
    assert set(re.findall(r'folder="(.*?)"', output.read_text("utf-8"))) == {"Later"}


@pytest.mark.release
async def test_a_year_of_100_folders_in_150_mb(tmp_path: Path) -> None:
    """Memory does not grow with the range: the journal is on disk."""
    site = wide_site(1, 100, 20)
    async with Simulator(site, clock=lambda: NOW) as upstream:
        config = tmp_path / "config.yaml"
        config.write_text(f"vspark: {{url: '{upstream.url}', token: {site.root_token}, timeout: 60s}}\n")
        used = []
        for first in ("2026-10-24", "2025-11-23"):
            arguments = ["--from", first, "--to", "2026-11-22", "--step", "6h", "--agents"]
            output = tmp_path / f"from-{first}"
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", MEASURE, "backfill", f"--config.file={config}", f"--output={output}"),
                *arguments,
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
            assert process.returncode == 0
            used.append(int(out.split()[-1]) / 1024)
    assert max(used) < 150
    assert used[1] < used[0] + 25


def program(heading: str) -> str:
    """Return a recipe of docs/stats-format.md for `stats_jq`, as one line of YAML."""
    page = (ROOT / "docs" / "stats-format.md").read_text("utf-8")
    section = page.partition(f"\n### {heading}\n")[2]
    return json.dumps(section.partition("```jq\n")[2].partition("```")[0])


async def test_foreign_responses_as_in_live_polling(tmp_path: Path) -> None:
    """A program of stats_jq gets one day at a time, as in live polling, and sees that day."""
    calls = []
    flags = ("--from", "2026-10-30", "--to", "2026-11-01", "--agents")
    for shape, more in ((Shape.LIST, ""), (Shape.TABLE, f"stats_jq: {program('A table')}\n")):
        async with simulator(shape) as upstream:
            ran = await run_backfill(write_config(tmp_path, upstream.url, more), tmp_path / shape, *flags)
            dates = {each.query["daterange"] for each in upstream.requests if "daterange" in each.query}
        assert (ran.code, ran.errors) == (0, "")
        lines = (tmp_path / shape).read_text("utf-8").splitlines()
        calls.append([line for line in lines if "_call_seconds_" not in line])  # the shapes round means differently
    assert dates == {"20261030-20261030", "20261031-20261031", "20261101-20261101"}
    assert calls[0] == calls[1]


async def test_field_names_as_in_live_polling(tmp_path: Path) -> None:
    """Bodies without dates are read one day at a time."""
    output = tmp_path / "history"
    async with simulator() as upstream:
        upstream.override("Kauri", "Cards", body=b'{"Lost": {"anzahl": 7}}')
        config = write_config(tmp_path, upstream.url, "stats_fields: {calls: [anzahl]}\n")
        ran = await run_backfill(config, output, "Kauri", "--from", "2026-11-01", "--to", "2026-11-07", "--step", "1d")
    assert (ran.code, ran.errors) == (0, "")
    text = await asyncio.to_thread(output.read_text, "utf-8")
    calls = re.findall(r'^vspark_folder_calls_previous_day{.*folder="Lost".*} (\S+) ', text, re.MULTILINE)
    assert calls == ["7.0"] * 7


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Else/Org", "There is no token for Else"),
        ("Nord/", "There is no target 'Nord/'. There are:"),
    ],
)
async def test_a_target_that_cannot_be_requested(tmp_path: Path, name: str, message: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "vspark: {url: 'http://127.0.0.1:1'}\ncompanies: [{name: Nord, token: t, orgs: [{name: O, timezone: UTC}]}]\n"
        "discovery: {enabled: false}\n"
    )
    ran = await run_backfill(config, tmp_path / "history", name)
    assert (ran.code, ran.out) == (2, "")
    assert ran.errors.startswith(message)
    assert names_in(tmp_path) == ["config.yaml"]


@pytest.mark.parametrize(
    ("output", "problem"),
    [("missing/history", "cannot be created: its directory does not exist"), (".", "is a directory")],
)
async def test_an_output_that_cannot_be_written(tmp_path: Path, output: str, problem: str) -> None:
    ran = await run_backfill(write_config(tmp_path, "http://127.0.0.1:1"), tmp_path / output)
    assert (ran.code, ran.out, ran.errors) == (2, "", f"--output {tmp_path / output} {problem}\n")


async def test_a_finished_file_is_not_overwritten(tmp_path: Path) -> None:
    output, flags = tmp_path / "history", ("Nord", "--from", "2026-11-01", "--to", "2026-11-01", "--step", "1d")
    async with simulator() as upstream:
        config = write_config(tmp_path, upstream.url)
        assert (await run_backfill(config, output, *flags)).code == 0
        before = await asyncio.to_thread(output.read_bytes)
        upstream.requests.clear()
        ran = await run_backfill(config, output, *flags, "--agents")
    message = f"{output} exists already: move it away, or name another file\n"
    assert (ran.code, ran.out, ran.errors) == (2, "", message)
    assert not upstream.requests
    assert output.read_bytes() == before
    assert sorted(names_in(tmp_path)) == ["config.yaml", "history"]


async def test_a_failed_discovery_is_reported(tmp_path: Path) -> None:
    flags = ("--from", "2026-11-01", "--to", "2026-11-01", "--step", "1d")
    async with simulator() as upstream:
        upstream.fail_path("/list/Kauri/orgs", fault=Fault.status(500))
        config = write_config(tmp_path, upstream.url)
        others = await run_backfill(config, tmp_path / "others", "Nord", *flags)
        ran = await run_backfill(config, tmp_path / "history", *flags)
    assert (others.code, others.errors) == (0, "")
    assert (ran.code, ran.errors.partition("): ")[0]) == (1, "discovery of Kauri failed (server_error")
    assert WRITTEN.findall(ran.out) == ["4"]


async def test_an_org_that_v_spark_does_not_list(tmp_path: Path) -> None:
    async with simulator() as upstream:
        ran = await run_backfill(write_config(tmp_path, upstream.url), tmp_path / "history", "Nord/Nope", "Else/Nope")
        more = "discovery: {exclude: 'Nord/.*'}\n"
        excluded = await run_backfill(write_config(tmp_path, upstream.url, more), tmp_path / "history", "Nord/Süd")
    days_ = f"{FIRST} to {LAST}"
    assert (ran.code, ran.out) == (1, "")
    assert ran.errors == (
        f"Nord/Nope: {days_}: not requested: V-Spark does not list this org\n"
        f"Else/Nope: {days_}: not requested: V-Spark does not list this org\n"
        f"There is nothing to write, so {tmp_path / 'history'} is not written.\n"
    )
    assert excluded.errors.startswith(f"Nord/Süd: {days_}: not requested: its time zone is unknown, ")


async def test_a_rejected_token_is_reported_once(tmp_path: Path) -> None:
    output, partial = tmp_path / "history", tmp_path / "history.partial"
    async with simulator() as upstream:
        config = write_config(tmp_path, upstream.url)
        config.write_text(config.read_text("utf-8").replace(SITE.root_token, "wrong"), "utf-8")
        ran = await run_backfill(config, output)
        named = await run_backfill(config, tmp_path / "named", "Nord")
        more = "companies: [{name: Nord, orgs: [{name: Süd, timezone: Europe/Berlin, folders: [Büro]}]}]"
        config.write_text(f"vspark: {{url: '{upstream.url}', token: wrong}}\n{more}\n", "utf-8")
        configured = await run_backfill(config, tmp_path / "configured")
    reason, again = "the token from the configuration file is rejected", "Start again with the same arguments"
    assert (ran.code, named.code, configured.code) == (1, 1, 1)
    first, second = ran.errors.splitlines()
    assert first.startswith(f"discovery of the list of companies failed (auth): {reason}")
    assert second == f"{again} to request the rest, or delete {partial}."
    first, *others = named.errors.splitlines()
    assert first.startswith(f"discovery of the list of companies failed (auth): {reason}")
    assert others[0] == "There is no target 'Nord', nor another."
    assert configured.errors.count(reason) == 1
    assert not output.exists()


async def test_a_failed_discovery_keeps_what_has_been_read(tmp_path: Path) -> None:
    """Otherwise, if V-Spark fails while a backfill starts again, the days that it has read before would be lost."""
    flags, partial = ("--from", "2026-11-01", "--to", "2026-11-01", "--step", "1d"), tmp_path / "history.partial"
    async with simulator() as upstream:
        config = write_config(tmp_path, upstream.url)
        upstream.fail_path("/list/Kauri/orgs", fault=Fault.status(500))
        ran = await run_backfill(config, tmp_path / "history", *flags)
        again = "Start again with the same arguments to request the rest, or delete it."
        assert (ran.code, ran.errors.splitlines()[1:]) == (1, [f"{partial} has what has been read. {again}"])
        upstream.fail_path("/list", fault=Fault.status(500))
        ran = await run_backfill(config, tmp_path / "history", *flags)
        assert (ran.code, ran.out, partial.is_dir()) == (1, "", True)
        upstream.heal_all()
        upstream.requests.clear()
        ran = await run_backfill(config, tmp_path / "history", *flags)
    assert (ran.code, ran.errors) == (0, f"Continuing with what has been read in {partial}.\n")
    assert {each.path for each in upstream.requests if each.path.startswith("/stats")} == {"/stats/Kauri/Cards"}
    assert WRITTEN.findall(ran.out) == ["6"]
    assert not partial.exists()


async def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    leader, follower = os.openpty()
    flags = ("--from", "2026-11-01", "--to", "2026-11-02", f"--output={tmp_path / 'history'}")
    async with simulator() as upstream:
        config = write_config(tmp_path, upstream.url)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "exporter", "backfill", f"--config.file={config}", "Nord", *flags),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=follower,
        )
        out, _ = await process.communicate()
    os.set_blocking(leader, False)
    shown = os.read(leader, 10_000).decode()
    os.close(leader)
    os.close(follower)
    assert process.returncode == 0
    assert WRITTEN.match(out.decode())
    assert re.search(r"\rreading: +0%.* 0/2 .*\rwriting: 100%.* 2/2 ", shown)


async def test_a_folder_of_an_org_is_written_once(tmp_path: Path) -> None:
    output = tmp_path / "history"
    async with simulator() as upstream:
        flags = ("--from", "2026-11-01", "--to", "2026-11-01", "--step", "1d")
        ran = await run_backfill(write_config(tmp_path, upstream.url), output, "Nord/Süd/Büro", "Nord", "Nord", *flags)
    assert (ran.code, ran.errors) == (0, "")
    assert len(re.findall("^vspark_folder_calls_previous_day{", output.read_text("utf-8"), re.MULTILINE)) == 1
