import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import structlog
from structlog.testing import LogCapture

from exporter.app import ServeOptions, running, serve
from exporter.config.loaded import LoadedConfig, Share
from exporter.config.schema import Company, Config, Discovery, Org, Vspark
from exporter.config.tokens import FileToken, LiteralToken
from exporter.config.units import Duration
from exporter.exposition.text_format import Format
from exporter.runtime.clock import Clock
from exporter.simulator import Company as SimulatedCompany
from exporter.simulator import Fault, Folder, Simulator, Site
from exporter.simulator import Org as SimulatedOrg
from exporter.web.endpoints import ListenAddress
from exporter.web.server import WebServer
from tests.support.exposition_oracle import assert_valid
from tests.support.fake_clock import FakeClock
from tests.support.raw_servers import until
from tests.support.samples import compared_samples

NOW = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)  # a Monday, 15:15 in US/Eastern
TOKEN = "canary-T0ken"
SITE = Site(
    (
        SimulatedCompany(
            "Co",
            TOKEN,
            (
                SimulatedOrg(
                    "Co-East",
                    "US/Eastern",
                    (Folder("Test01", 40, ("a1", "a2"), absent_share=0.0), Folder('Süd & "A"', 9)),
                ),
                SimulatedOrg("Co-West", "US/Pacific", (Folder("West", 12, ("w1",), absent_share=0.0),)),
            ),
        ),
    )
)
SERVING = ServeOptions((ListenAddress("127.0.0.1", 0),), process_metrics=False)

SAMPLES = r"""
vspark_folder_calls_today{company="Co",folder="Süd & \"A\"",org="Co-East"} 7.0
vspark_folder_calls_today{company="Co",folder="Test01",org="Co-East"} 37.0
vspark_folder_calls_today{company="Co",folder="West",org="Co-West"} 7.0
vspark_folder_calls_total{company="Co",folder="Süd & \"A\"",org="Co-East"} 7.0
vspark_folder_calls_total{company="Co",folder="Test01",org="Co-East"} 37.0
vspark_folder_calls_total{company="Co",folder="West",org="Co-West"} 7.0
vspark_folder_call_duration_average_seconds{company="Co",folder="Süd & \"A\"",org="Co-East"} 234.0
vspark_folder_call_duration_average_seconds{company="Co",folder="Test01",org="Co-East"} 259.0
vspark_folder_call_duration_average_seconds{company="Co",folder="West",org="Co-West"} 308.0
vspark_folder_call_seconds_today{company="Co",folder="Süd & \"A\"",org="Co-East"} 1638.0
vspark_folder_call_seconds_today{company="Co",folder="Test01",org="Co-East"} 9583.0
vspark_folder_call_seconds_today{company="Co",folder="West",org="Co-West"} 2156.0
vspark_folder_agents_today{company="Co",folder="Süd & \"A\"",org="Co-East"} 0.0
vspark_folder_agents_today{company="Co",folder="Test01",org="Co-East"} 2.0
vspark_folder_agents_today{company="Co",folder="West",org="Co-West"} 1.0
vspark_folder_agents_folded{company="Co",folder="Süd & \"A\"",org="Co-East"} 0.0
vspark_folder_agents_folded{company="Co",folder="Test01",org="Co-East"} 0.0
vspark_folder_agents_folded{company="Co",folder="West",org="Co-West"} 0.0
vspark_agent_calls_today{agent="a1",company="Co",folder="Test01",org="Co-East"} 25.0
vspark_agent_calls_today{agent="a2",company="Co",folder="Test01",org="Co-East"} 12.0
vspark_agent_calls_today{agent="w1",company="Co",folder="West",org="Co-West"} 7.0
vspark_agent_call_duration_average_seconds{agent="a1",company="Co",folder="Test01",org="Co-East"} 238.0
vspark_agent_call_duration_average_seconds{agent="a2",company="Co",folder="Test01",org="Co-East"} 304.0
vspark_agent_call_duration_average_seconds{agent="w1",company="Co",folder="West",org="Co-West"} 308.0
vspark_day_start_timestamp_seconds{company="Co",org="Co-East"} 1.79541e+09
vspark_up{company="Co",folder="",org="Co-East"} 1.0
vspark_up{company="Co",folder="Gone",org="Co-West"} 0.0
vspark_up{company="Co",folder="West",org="Co-West"} 1.0
vspark_last_poll_timestamp_seconds{company="Co",folder="",org="Co-East"} 1.7954649e+09
vspark_last_poll_timestamp_seconds{company="Co",folder="Gone",org="Co-West"} 1.7954649e+09
vspark_last_poll_timestamp_seconds{company="Co",folder="West",org="Co-West"} 1.7954649e+09
vspark_last_success_timestamp_seconds{company="Co",folder="",org="Co-East"} 1.7954649e+09
vspark_last_success_timestamp_seconds{company="Co",folder="West",org="Co-West"} 1.7954649e+09
vspark_last_poll_duration_seconds{company="Co",folder="",org="Co-East"} 0.0
vspark_last_poll_duration_seconds{company="Co",folder="Gone",org="Co-West"} 0.0
vspark_last_poll_duration_seconds{company="Co",folder="West",org="Co-West"} 0.0
vspark_polls_total{company="Co",folder="",org="Co-East"} 1.0
vspark_polls_total{company="Co",folder="Gone",org="Co-West"} 1.0
vspark_polls_total{company="Co",folder="West",org="Co-West"} 1.0
vspark_polls_skipped_total{company="Co",folder="",org="Co-East"} 0.0
vspark_polls_skipped_total{company="Co",folder="Gone",org="Co-West"} 0.0
vspark_polls_skipped_total{company="Co",folder="West",org="Co-West"} 0.0
vspark_poll_failures_total{company="Co",folder="Gone",org="Co-West",reason="not_found"} 1.0
"""
CREATED = r"""
vspark_folder_calls_created{company="Co",folder="Süd & \"A\"",org="Co-East"} 1.79541e+09
vspark_folder_calls_created{company="Co",folder="Test01",org="Co-East"} 1.79541e+09
"""


class Running:
    """A running exporter and its log."""

    def __init__(self, web: WebServer, session: aiohttp.ClientSession, logged: LogCapture) -> None:
        self.web = web
        self.session = session
        self.logged = logged

    async def get(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        async with self.session.get(path, headers={"Accept": accept}) as response:
            return response.status, await response.text()

    async def until_ready(self) -> None:
        async with asyncio.timeout(10):
            while (await self.get("/-/ready"))[0] != 200:
                pass


def config_of(url: str, *orgs: Org) -> Config:
    return Config(
        vspark=Vspark(url=url),
        discovery=Discovery(enabled=False),
        companies=(Company(name="Co", token=LiteralToken(TOKEN), orgs=orgs),),
    )


@asynccontextmanager
async def exporting(simulator: Simulator, *orgs: Org, clock: Clock | None = None) -> AsyncIterator[Running]:
    loaded = LoadedConfig.of(config_of(simulator.url, *orgs))
    capture = LogCapture()
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[capture])
    async with (
        running(loaded, lambda: loaded, SERVING, log, clock) as (web, _),
        aiohttp.ClientSession(web.urls[0]) as session,
    ):
        yield Running(web, session, capture)


def samples(page: str) -> Sequence[str]:
    """Return the samples from V-Spark, without the reasons for which no poll has failed."""
    return [line for line in compared_samples(page) if not re.match(r"vspark_poll_failures.* 0\.0$", line)]


@pytest.mark.parametrize("form", list(Format))
async def test_the_statistics_of_v_spark_are_served(form: Format) -> None:
    clock = FakeClock(NOW)
    async with (
        Simulator(SITE, clock=clock.utc) as simulator,
        exporting(
            simulator, Org("Co-East", "US/Eastern"), Org("Co-West", None, ("West", "Gone")), clock=clock
        ) as exporter,
    ):
        await exporter.until_ready()
        status, page = await exporter.get("/metrics", form.value)
    assert status == 200
    created = CREATED.split("\n") if form is Format.OPENMETRICS else []
    assert sorted(samples(page)) == sorted([*SAMPLES.split("\n")[1:-1], *created[1:-1]])
    assert [line for line in samples(page) if "_created" not in line] == SAMPLES.split("\n")[1:-1]
    assert_valid(page.encode(), form)
    shown = page + repr(exporter.logged.entries)
    assert TOKEN not in shown
    logged = [(entry["event"], entry["log_level"]) for entry in exporter.logged.entries if entry["event"] != "request"]
    assert sorted(logged, key=lambda line: line[0] == "poll_failed") == [
        ("no_time_zone", "warning"),
        ("listening", "info"),
        *[("poll_succeeded", "debug")] * 2,
        ("poll_failed", "warning"),
    ]


async def test_a_failing_upstream_does_not_make_it_unready() -> None:
    async with Simulator(SITE) as simulator:
        simulator.fail("Co", "Co-East", fault=Fault.status(403))
        async with exporting(simulator, Org("Co-East", "US/Eastern")) as exporter:
            await exporter.until_ready()
            assert await exporter.get("/-/healthy") == (200, "Healthy.\n")
            assert 'vspark_up{company="Co",folder="",org="Co-East"} 0.0\n' in (await exporter.get("/metrics"))[1]


async def test_it_is_ready_once_every_target_has_been_polled() -> None:
    async with Simulator(SITE) as simulator:
        simulator.fail("Co", "Co-West", fault=Fault.slow())
        async with exporting(simulator, Org("Co-East", "US/Eastern"), Org("Co-West", "US/Pacific")) as exporter:
            async with asyncio.timeout(10):
                while "vspark_up{" not in (await exporter.get("/metrics"))[1]:
                    pass
            assert await exporter.get("/-/ready") == (503, "Not ready: not every target has been polled once.\n")
            assert await exporter.get("/-/healthy") == (200, "Healthy.\n")
            begun = time.monotonic()
        assert time.monotonic() - begun < 1.0


async def test_a_token_file_that_hangs_does_not_stop_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, begun, end = tmp_path / "token", threading.Event(), threading.Event()
    path.write_text(TOKEN)

    def read(_: Path) -> bytes:
        begun.set()
        end.wait()
        return TOKEN.encode()

    monkeypatch.setattr("exporter.config.tokens.read_secret", read)
    company = Company(name="Co", token_file=FileToken(path), orgs=(Org("Co-East", "US/Eastern"),))
    vspark = Vspark(url="http://127.0.0.1:1", timeout_seconds=Duration(1.5))
    loaded, capture = LoadedConfig.of(Config(vspark=vspark, companies=(company,))), LogCapture()
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[capture])
    async with (
        running(loaded, lambda: loaded, SERVING, log) as (web, _),
        aiohttp.ClientSession(web.urls[0]) as session,
    ):
        exporter = Running(web, session, capture)
        await until(begun.is_set)
        assert await exporter.get("/-/healthy") == (200, "Healthy.\n")
        await exporter.until_ready()
        end.set()
    (failed,) = (entry for entry in capture.entries if entry["event"] == "poll_failed")
    assert (failed["reason"], failed["error"]) == (
        "no_token",
        f"cannot read '{path}' within 0.5 s; check its file system",
    )


async def test_without_any_target_it_is_ready() -> None:
    loaded = LoadedConfig.of(config_of("http://127.0.0.1:1", Org("Co-East", "US/Eastern")), Share(0, 1000))
    assert loaded.targets() == ()
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[LogCapture()])
    async with (
        running(loaded, lambda: loaded, SERVING, log) as (web, _),
        aiohttp.ClientSession(web.urls[0]) as session,
        session.get("/-/ready") as response,
        session.get("/api/v1/targets") as status,
    ):
        assert response.status == 200
        data = json.loads(await status.read())["data"]
    assert (data["shard"], data["total_shards"], data["totals"]["targets"]) == (0, 1000, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"])
async def test_an_address_that_cannot_be_listened_on(host: str) -> None:
    async with Simulator(SITE) as simulator:
        loaded = LoadedConfig.of(config_of(simulator.url, Org("Co-East", "US/Eastern")))
        capture = LogCapture()
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[capture])
        serving = ServeOptions((ListenAddress("127.0.0.1", 0), ListenAddress(host, simulator.port)))
        assert await serve(loaded, lambda: loaded, serving, log) == 1
        assert not simulator.requests
    (entry,) = capture.entries
    assert entry.pop("error").startswith(f"{host}:{simulator.port}: ")  # the rest is the system's wording
    assert entry == {
        "event": "cannot_listen",
        "log_level": "error",
        "hint": "choose another address with --web.listen-address",
    }


async def test_it_polls_until_its_block_ends() -> None:
    async with Simulator(SITE) as simulator:
        async with exporting(simulator, Org("Co-East", "US/Eastern"), Org("Co-West", "US/Pacific")) as exporter:
            await until(lambda: len(simulator.requests) == 2)
            url = exporter.web.urls[0]
        assert asyncio.all_tasks() == {asyncio.current_task(), *simulator_tasks()}
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url)


def simulator_tasks() -> set[asyncio.Task[object]]:
    """Return the tasks of the simulator's server, one for each open connection."""
    return {task for task in asyncio.all_tasks() if "RequestHandler.start" in repr(task.get_coro())}
