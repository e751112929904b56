"""What a backfill becomes in a real Prometheus, by the commands and queries of docs/history.md."""

import asyncio
import io
import json
import math
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path

import aiohttp
import pytest
import structlog
from msgspec import structs
from yarl import URL

from exporter.app import ServeOptions, running
from exporter.backfill.history import Wanted
from exporter.cli.backfill import backfill
from exporter.cli.demo import demo_config
from exporter.config.loaded import LoadedConfig
from exporter.config.schema import Agents, Poll
from exporter.config.units import Duration, DurationOrZero
from exporter.runtime.clock import SystemClock
from exporter.simulator import Shape, Simulator
from exporter.simulator.site import Org
from exporter.web.endpoints import ListenAddress
from tests.support.past_days import (
    FIRST,
    LAST,
    NOW,
    ONE_DAY,
    SITE,
    create_blocks,
    days,
    final,
    orgs,
    run_backfill,
    write_config,
)
from tests.support.prometheus_process import DEADLINE_SECONDS, demo, numbers, prometheus, query
from tests.support.repository import ROOT

CLOCKS = (time(1, 30), time(12, 30), time(22, 30))
JULY, SEPTEMBER_END = date(2026, 7, 1), date(2026, 9, 30)
WRITTEN = re.compile(r"^\S+: [0-9]+ samples of ([0-9]+) folders\n$")


def simulator(shape: Shape = Shape.LIST) -> Simulator:
    return Simulator(SITE, clock=lambda: NOW, shape=shape)


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
    assert blocks in (ROOT / "README.md").read_text("utf-8")
    await create_blocks(output, tmp_path / "blocks", blocks.split()[4])
    (move,) = in_history("mv blocks/*")
    (tmp_path / "tsdb").mkdir()
    process = await asyncio.create_subprocess_shell(move.replace("STORAGE/", "tsdb/"), cwd=tmp_path)
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


async def test_other_numbers_for_days_that_are_loaded_already(tmp_path: Path) -> None:
    """Once the old samples are deleted by the command of docs/history.md, the new ones are found at any time."""
    flags = ("East & West/East/Sales", "--from", "2026-11-01", "--to", "2026-11-07")
    (command,) = in_history("delete_series")
    delete = command.split("'")[1].partition("/api/")[2].replace("DocTestCo-DocTesting", "East")
    dates = days(date(2026, 11, 1), date(2026, 11, 7))
    wrong = json.dumps([{"date": day.isoformat(), "folder": "Sales", "calls": 1} for day in dates]).encode()
    for number, body in enumerate((wrong, None)):
        async with simulator() as upstream:
            if body:
                upstream.override("East & West", "East", "Sales", body=body)
            ran = await run_backfill(write_config(tmp_path, upstream.url), tmp_path / f"history{number}", *flags)
            assert ran.code == 0
        await create_blocks(tmp_path / f"history{number}", tmp_path / "tsdb", "--max-block-duration=500h")
        async with (
            prometheus("http://127.0.0.1:1", tmp_path, "", "--web.enable-admin-api") as url,
            aiohttp.ClientSession() as session,
        ):
            await query(session, url, "vector(1)")
            org = SITE.companies[0].orgs[0]
            begin, end = (datetime(2026, 11, day, tzinfo=org.zone).timestamp() for day in (2, 9))
            samples = f"count_over_time(vspark_folder_calls_previous_day[{round(end - begin)}s])"
            assert (await calls_at(session, url, samples, end - 1))["Sales"] == 7 * 288
            if body:
                async with session.post(URL(f"{url}/api/{delete}", encoded=True)) as response:
                    assert response.status == 204
                assert await calls_at(session, url, samples, end - 1) == {}
                continue
            for day in days(date(2026, 11, 1), date(2026, 11, 7)):
                moment = datetime.combine(day + ONE_DAY, time(23, 59), tzinfo=org.zone).timestamp()
                found = await calls_at(session, url, "vspark_folder_calls_previous_day", moment)
                assert found == {"Sales": final(org, org.folders[0], day).calls}


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
