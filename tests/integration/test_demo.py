import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from exporter.cli.demo import afternoon_config, fail_now_and_then
from exporter.config.loaded import LoadedConfig
from exporter.exposition.text_format import Format
from exporter.simulator import Simulator, demo_site
from tests.support.exposition_oracle import assert_valid
from tests.support.repository import ROOT

SAID = """\
replay   the day so far, which takes a second or two
page     EXPORTER/ (of the simulated V-Spark at SIMULATOR, token demo-root-token)
metrics  EXPORTER/metrics
look at  DocTestCo-West, which fails every other minute: its token is rejected, the next time V-Spark responds \
with 503; Nordwind-Service/Zentrale, silent since 11:00; \
LotusTravel-Bookings, configured with a wrong time zone
"""
HOURS = {
    "DocTestCo-DocTesting": 15,
    "DocTestCo-West": 14,
    "Nordwind-Service": 17,
    "LotusTravel-Bookings": 16,
    "KauriBank-Cards": 13,
}
Labels = dict[str, str]


@asynccontextmanager
async def demo() -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "demo", "--web.listen-address", "127.0.0.1:0"),
        cwd=ROOT,
        env={**os.environ, "http_proxy": "http://127.0.0.1:9"},  # nothing of its own goes through a proxy
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_demo() -> None:
    async with demo() as process, aiohttp.ClientSession() as session:
        assert process.stdout is not None
        said = (await process.stdout.readuntil(b"wrong time zone\n")).decode()
        exporter, simulator = dict.fromkeys(re.findall(r"http://127\.0\.0\.1:[0-9]+", said))
        assert said.replace(simulator, "SIMULATOR").replace(exporter, "EXPORTER") == SAID
        # All of it is there from the first moment.
        assert (await session.get(f"{exporter}/-/ready")).status == 200
        async with session.get(f"{exporter}/metrics") as response:
            metrics = assert_valid(await response.read(), Format.TEXT)
        async with session.get(f"{exporter}/api/v1/targets") as response:
            status = json.loads(await response.read())["data"]
        url = f"{simulator}/stats/DocTestCo/DocTestCo-DocTesting?token=demo-root-token"
        async with session.get(url) as response:
            upstream = {each["folder"]: each["calls"] for each in json.loads(await response.read())}
        process.send_signal(signal.SIGINT)
        rest, errors = await process.communicate()
    assert (process.returncode, rest) == (0, b"")
    events = re.findall(r"event=(\S+)", errors.decode())
    # Nothing of the replay is logged. The org may fail before the end.
    assert events[0] == "listening"
    assert set(events[1:-1]) <= {"poll_failed"}
    assert events[-1] == "stopped"

    def series(family: str) -> list[tuple[Labels, float]]:
        return [(dict(labels), value) for (name, labels), value in metrics.items() if name == family]

    check_metrics(series("vspark_folder_calls_today"), series("vspark_folder_calls_total"), upstream)
    assert {labels["org"]: value for labels, value in series("vspark_org_timezone_mismatch")} == {
        **dict.fromkeys(HOURS, 0.0),
        "LotusTravel-Bookings": 1.0,
    }
    assert {value for _, value in series("vspark_polls_skipped_total")} == {0.0}
    failures = {labels["reason"]: value for labels, value in series("vspark_poll_failures_total") if value}
    assert failures.keys() == {"auth"}
    check_status(status)


def check_metrics(
    today: list[tuple[Labels, float]], totals: list[tuple[Labels, float]], upstream: dict[str, float]
) -> None:
    calls = {labels["folder"]: value for labels, value in today if labels["org"] == "DocTestCo-DocTesting"}
    assert calls.keys() == {"Test01", "Test02", "Sales East"}
    # A call or two may have arrived in between, never one have gone; at midnight all of them go.
    assert all(value <= upstream[folder] for folder, value in calls.items())
    assert sum(value for _, value in today) > 1000  # even on a Sunday
    assert totals == today


def check_status(status: dict[str, Any]) -> None:
    targets = {each["org"]: each for each in status["targets"]}
    now = datetime.now(UTC)
    # The hour may have ended since its start.
    begun = now - timedelta(minutes=1)
    zones = {org: ZoneInfo(each["vspark_timezone"]) for org, each in targets.items()}
    assert HOURS in ({org: at.astimezone(zone).hour for org, zone in zones.items()} for at in (begun, now))
    assert {org for org, each in targets.items() if each["timezone"] != each["vspark_timezone"]} == {
        "LotusTravel-Bookings"
    }
    assert status["uptime_seconds"] < 30
    for org, each in targets.items():
        half_hours = each["calls_by_half_hour"]
        unknown = [number / 2 for number, calls in enumerate(half_hours) if calls is None]
        assert unknown == ([9.0, 9.5] if org == "DocTestCo-West" else []), org
        assert len(half_hours) >= 2 * 13
        assert each["calls_by_half_hour_since"] is None
        assert sum(filter(None, half_hours)) <= each["calls_today"]
        assert each["last_success_age_seconds"] < 25
    (silent,) = (each for each in targets["Nordwind-Service"]["folders"] if each["folder"] == "Zentrale")
    assert silent["calls_by_half_hour"][21] > 0
    assert set(silent["calls_by_half_hour"][22:]) == {0}


async def test_ctrl_c_during_the_replay() -> None:
    async with demo() as process:
        assert process.stdout is not None
        await process.stdout.readuntil(b"\n")
        process.send_signal(signal.SIGINT)
        said, errors = await process.communicate()
    assert (process.returncode, said) == (0, b"")
    events = re.findall(r"event=(\S+)", errors.decode())
    assert events == ["stopped"]
    assert b"Traceback" not in errors


def test_the_values_stay_while_the_org_fails() -> None:
    now = datetime.now(UTC)
    (org,) = (
        each
        for each in LoadedConfig.of(afternoon_config(demo_site(), "http://127.0.0.1:3000", now)).targets()
        if each.org == "LotusTravel-Bookings"
    )
    # The last success before the failing minute, and the first one after it.
    assert org.stale_after_seconds >= 60 + 2 * org.interval_seconds


async def test_one_org_fails_every_other_minute() -> None:
    """First its token is rejected, then it fails with 503."""
    found: list[tuple[float, list[int]]] = []
    async with Simulator(demo_site()) as simulator, aiohttp.ClientSession() as session:

        async def sleep(seconds: float) -> None:
            codes = []
            for org in ("DocTestCo-West", "DocTestCo-DocTesting"):
                url = f"{simulator.url}/stats/DocTestCo/{org}?token=demo-root-token"
                async with session.get(url) as response:
                    codes.append(response.status)
            found.append((seconds, codes))
            if len(found) == 5:
                raise TimeoutError

        with suppress(TimeoutError):
            await fail_now_and_then(simulator, sleep)
    assert found == [(60.0, [code, 200]) for code in (401, 200, 503, 200, 401)]
