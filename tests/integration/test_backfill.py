"""Past days from V-Spark to Prometheus, with the real command, promtool and Prometheus."""

import asyncio
import io
import json
import math
import os
import re
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path

import aiohttp
import pytest
import structlog
from msgspec import structs

from exporter.app import ServeOptions, running
from exporter.backfill.history import Wanted
from exporter.cli.backfill import backfill
from exporter.cli.demo import demo_config
from exporter.config.loaded import LoadedConfig
from exporter.config.schema import Agents, Poll
from exporter.config.units import Duration, DurationOrZero
from exporter.runtime.clock import SystemClock
from exporter.simulator import Shape, Simulator, wide_site
from exporter.simulator.site import Org
from exporter.web.endpoints import ListenAddress
from tests.support.past_days import (
    FIRST,
    LAST,
    NOW,
    ONE_DAY,
    SITE,
    begin_backfill,
    create_blocks,
    days,
    ended,
    final,
    orgs,
    run_backfill,
    write_config,
)
from tests.support.prometheus_process import DEADLINE_SECONDS, demo, numbers, prometheus, query
from tests.support.repository import ROOT

CLOCKS = (time(1, 30), time(12, 30), time(22, 30))
MEASURE = (
    "import resource, sys; from exporter.cli.main import main; code = main(sys.argv[1:]); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
)
"""Runs the program and prints the most memory that it had, in KiB."""
JULY, SEPTEMBER_END = date(2026, 7, 1), date(2026, 9, 30)
WRITTEN = re.compile(r"^\S+: [0-9]+ samples of ([0-9]+) folders\n$")


def simulator(shape: Shape = Shape.LIST) -> Simulator:
    return Simulator(SITE, clock=lambda: NOW, shape=shape)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def next_days(org: Org, clock: time) -> Iterator[tuple[date, float]]:
    """Yield each day, and the Unix time of `clock` on the next day, both of them if the clocks go back over it."""
    for day in days():
        for fold in (0, 1):
            moment = datetime.combine(day + ONE_DAY, clock, tzinfo=org.zone).replace(fold=fold)
            yield day, moment.timestamp()


async def calls_at(session: aiohttp.ClientSession, url: str, expression: str, moment: float) -> dict[str, float]:
    """Return the result of a query by folder."""
    parameters = {"query": expression, "time": str(moment)}
    async with session.get(f"{url}/api/v1/query", params=parameters) as response:
        result = json.loads(await response.read())["data"]["result"]
    return {each["metric"]["folder"]: float(each["value"][1]) for each in result}


async def assert_every_day(session: aiohttp.ClientSession, url: str, expression: str) -> int:
    """Check the calls of every day of every org at three times of the next day; return the number of comparisons.

    `expression` has `%s` in place of a selector.
    """
    compared = 0
    for company, org in orgs():
        labels = f'{{company="{company.name}",org="{org.name}"}}'
        for clock in CLOCKS:
            for day, moment in next_days(org, clock):
                expected = {folder.name: float(final(org, folder, day).calls) for folder in org.folders}
                found = await calls_at(session, url, expression % f"vspark_folder_calls_previous_day{labels}", moment)
                assert found == expected, (org.name, day, clock)
                compared += len(found)
    return compared


async def test_every_day_in_a_real_prometheus(tmp_path: Path) -> None:
    """With the default step, a plain selector finds each day's number at any time of the next day."""
    async with simulator() as upstream:
        ran = await run_backfill(write_config(tmp_path, upstream.url), tmp_path / "history", "--label", "job=vspark")
    assert (ran.code, ran.errors) == (0, "")
    assert WRITTEN.findall(ran.out) == ["6"]
    for _ in range(2):  # loading a file twice changes nothing
        await create_blocks(tmp_path / "history", tmp_path / "tsdb", "--max-block-duration=500h")
    async with prometheus("http://127.0.0.1:1", tmp_path) as url, aiohttp.ClientSession() as session:
        await query(session, url, "vector(1)")
        assert await assert_every_day(session, url, "%s") == 6 * 2 * 3 * len(days())
        for company, org in orgs():
            end = datetime.combine(LAST + 2 * ONE_DAY, time(), tzinfo=org.zone).timestamp()
            begin = datetime.combine(FIRST + ONE_DAY, time(), tzinfo=org.zone).timestamp()
            selector = f'vspark_folder_calls_previous_day{{company="{company.name}",org="{org.name}",job="vspark"}}'
            assert await calls_at(session, url, selector, begin - 1) == {}
            assert len(await calls_at(session, url, selector, begin)) == len(org.folders)
            assert len(await calls_at(session, url, selector, end - 1)) == len(org.folders)
            assert await calls_at(session, url, selector, end + 1) == {}


async def test_a_step_that_is_longer_than_the_lookback(tmp_path: Path) -> None:
    """As docs/history.md says: then queries need last_over_time."""
    async with simulator(Shape.BY_FOLDER_AND_DATE) as upstream:
        ran = await run_backfill(write_config(tmp_path, upstream.url), tmp_path / "history", "--step", "1h", "--agents")
    assert (ran.code, ran.errors) == (0, "")
    await create_blocks(tmp_path / "history", tmp_path / "tsdb", "--max-block-duration=500h")
    async with prometheus("http://127.0.0.1:1", tmp_path) as url, aiohttp.ClientSession() as session:
        await query(session, url, "vector(1)")
        assert await assert_every_day(session, url, "last_over_time(%s[1h])") == 6 * 2 * 3 * len(days())
        for company, org in orgs():
            selector = f'{{company="{company.name}",org="{org.name}"}}'
            agents = f"sum by (folder) (vspark_agent_calls_previous_day{selector})"
            seconds = f"vspark_folder_call_seconds_previous_day{selector}"
            for day in days():
                moment = datetime.combine(day + ONE_DAY, time(12), tzinfo=org.zone).timestamp()
                ended_day = [final(org, folder, day) for folder in org.folders]
                with_agents = {each.folder: float(each.calls) for each in ended_day if each.agents}
                assert await calls_at(session, url, agents, moment) == with_agents, (org.name, day)
                # V-Spark's mean is rounded to a second.
                found = await calls_at(session, url, seconds, moment)
                expected = {each.folder: pytest.approx(each.seconds, abs=0.5 * each.calls) for each in ended_day}
                assert found == expected, (org.name, day)


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
        assert len(requests) < 4 * len(days()) / 2  # several days at once
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
        f"{output}.partial has the days of a backfill that was interrupted, with another --agents, --step: start it "
        "with the same arguments and configuration to continue, or delete that directory\n"
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
        ("Nord/", "There is no target 'Nord/'. The configuration has:"),
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


class StandingClock(SystemClock):
    """A clock on which time passes, but the Unix time is the same: yesterday has ended long ago in every zone."""

    def time(self) -> float:
        return datetime(2026, 11, 25, 16, tzinfo=UTC).timestamp()


async def test_live_and_backfilled_samples_agree(tmp_path: Path) -> None:
    """The file has every series of the previous day that a running exporter exposes, with its labels and value."""
    clock, output = StandingClock(), tmp_path / "history"
    key = tmp_path / "key"
    key.write_text("a key that nobody can guess")
    async with Simulator(SITE, clock=lambda: datetime.fromtimestamp(clock.time(), UTC)) as upstream:
        config = structs.replace(
            demo_config(SITE, upstream.url),
            poll=Poll(interval_seconds=Duration(1), previous_day_seconds=DurationOrZero(86400)),
            agents=Agents(max_per_folder=2, hash_key_file=key),
        )
        loaded = LoadedConfig.of(config)
        serving = ServeOptions((ListenAddress("127.0.0.1", 0),))
        log = structlog.wrap_logger(structlog.PrintLogger(io.StringIO()))
        live: set[str] = set()
        ended_days = [final(org, folder, date(2026, 11, 24)) for _, org in orgs() for folder in org.folders]
        agents = sum(min(len(each.agents), 3) for each in ended_days)  # two of each folder, and _other
        async with running(loaded, lambda: loaded, serving, log, clock) as (web, _), aiohttp.ClientSession() as session:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while len(live) < 2 * len(ended_days) + agents:
                    async with session.get(f"{web.urls[0]}/metrics") as response:
                        page = await response.text()
                    live = {line for line in page.splitlines() if re.match(r"vspark_\w+_previous_day{", line)}
                    await asyncio.sleep(0.05)
        wanted = Wanted(output, date(2026, 11, 24), None, agents=True)
        assert await backfill(config, wanted, io.StringIO(), sys.stderr, clock) == 0
    lines = [line.rpartition(" ") for line in output.read_text("utf-8").splitlines() if not line.startswith("#")]
    # Those of the last half hour that is written: in Auckland, the previous day is another one than the day before.
    assert {line for line, _, at in lines if int(at) > clock.time() - 3.5 * 3600} == live
    assert sum("agent=" in line for line in live) == agents > 2


def in_history(*words: str) -> list[str]:
    """Return the indented lines of docs/history.md that contain every one of `words`."""
    lines = (ROOT / "docs" / "history.md").read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.startswith("    ") and all(word in line for word in words)]


async def test_months_and_quarters(tmp_path: Path) -> None:
    """The commands and queries of docs/history.md, but for file names, on a quarter without a gap."""
    output = tmp_path / "vspark.openmetrics"
    async with simulator() as upstream:
        config = write_config(tmp_path, upstream.url)
        flags = ("--from", "2026-06-25", "--to", "2026-10-05", "--step", "1h", "--label", "job=vspark")
        assert (await run_backfill(config, output, "East & West", "Nord", *flags)).code == 0
    (blocks, _) = in_history("promtool", "vspark.openmetrics blocks/")
    await create_blocks(output, tmp_path / "blocks", blocks.split()[4])
    (move,) = in_history("mv blocks/*")
    (tmp_path / "tsdb").mkdir()
    process = await asyncio.create_subprocess_shell(move.replace("/var/lib/prometheus/", "tsdb/"), cwd=tmp_path)
    assert await process.wait() == 0
    queries = [
        re.sub(r"(vspark_\w+_previous_day) offset 6h", r"last_over_time(\1[1h] offset 6h)", line)
        for line in in_history("_previous_day offset 6h)")
    ]
    month, quarter, mean, busiest = queries
    by_org = {
        org.name: {day: [final(org, folder, day) for folder in org.folders] for day in days(JULY, SEPTEMBER_END)}
        for company, org in orgs()
        if company.name != "Kauri"
    }
    calls = {
        org: {day: sum(each.calls for each in found) for day, found in by_day.items()} for org, by_day in by_org.items()
    }
    async with prometheus("http://127.0.0.1:1", tmp_path) as url, aiohttp.ClientSession() as session:
        await query(session, url, "vector(1)")
        assert await by_label(session, url, month) == {
            org: sum(number for day, number in by_day.items() if day.month == 9) for org, by_day in calls.items()
        }
        assert await by_label(session, url, quarter) == {org: sum(by_day.values()) for org, by_day in calls.items()}
        assert await by_label(session, url, busiest) == {org: max(by_day.values()) for org, by_day in calls.items()}
        assert await by_label(session, url, mean) == {
            org: pytest.approx(
                sum(each.seconds for day, found in by_day.items() if day.month == 9 for each in found)
                / sum(number for day, number in calls[org].items() if day.month == 9),
                abs=0.5,
            )
            for org, by_day in by_org.items()
            if org != "New"  # it has no calls before November, and the mean of none is no number
        } | {"New": pytest.approx(math.nan, nan_ok=True)}


async def by_label(session: aiohttp.ClientSession, url: str, expression: str) -> dict[str, float]:
    """Return the result of a query by org."""
    return {org: value for (org,), value in numbers(await query(session, url, expression), "org").items()}


@pytest.mark.release
async def test_a_running_prometheus_finds_the_blocks(tmp_path: Path) -> None:
    output = tmp_path / "history"
    async with simulator() as upstream:
        config = write_config(tmp_path, upstream.url)
        assert (await run_backfill(config, output, "Nord", "--step", "1h")).code == 0
        async with (
            demo(upstream) as exporter,
            prometheus(exporter, tmp_path) as url,
            aiohttp.ClientSession() as session,
        ):
            await query(session, url, "vspark_up")
            await create_blocks(output, tmp_path / "tsdb", "--max-block-duration=500h")
            moment = datetime.combine(LAST + ONE_DAY, time(12), tzinfo=UTC).timestamp()
            expression = 'vspark_folder_calls_previous_day{org="Süd"}'
            async with asyncio.timeout(300):
                while not await calls_at(session, url, expression, moment):
                    await asyncio.sleep(1)
            assert len(await query(session, url, "up == 1")) == 1
