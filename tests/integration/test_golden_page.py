import asyncio
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import structlog

from exporter.app import ServeOptions, running
from exporter.config.loaded import LoadedConfig
from exporter.config.schema import Company, Config, Discovery, Org, Poll, Vspark
from exporter.config.tokens import LiteralToken
from exporter.config.units import Duration
from exporter.simulator import Company as SimulatedCompany
from exporter.simulator import Fault, Folder, Simulator, Site
from exporter.simulator import Org as SimulatedOrg
from exporter.web.endpoints import ListenAddress

TESTDATA = Path(__file__).parent / "testdata"
NOW = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class StoppedClock:
    def time(self) -> float:
        return NOW.timestamp()

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002 # as the protocol has it
        await asyncio.Event().wait()


SITE = Site(
    companies=(
        SimulatedCompany(
            "Acme",
            "acme-token",
            (
                SimulatedOrg(
                    "Acme-East",
                    "US/Eastern",
                    (Folder("Sales East", 300, ("a1", "a2", 'quote"back\\slash')), Folder("Night", 0)),
                ),
                SimulatedOrg(
                    "Acme-Süd", "Europe/Berlin", (Folder("Rückfragen & Lob", 120, ("b1",)), Folder("Alle", 50))
                ),
            ),
        ),
        SimulatedCompany("Broken", "broken-token", (SimulatedOrg("Broken-Org", "UTC", (Folder("F", 10),)),)),
    )
)


def config(url: str) -> Config:
    return Config(
        vspark=Vspark(url=url, timeout_seconds=Duration(5)),
        poll=Poll(interval_seconds=Duration(60)),
        discovery=Discovery(enabled=False),
        companies=(
            Company(
                name="Acme",
                token=LiteralToken("acme-token"),
                orgs=(
                    Org(name="Acme-East", timezone="US/Eastern", folders=("Sales East", "Night")),
                    Org(name="Acme-Süd", timezone="Europe/Berlin"),
                ),
            ),
            Company(name="Broken", token=LiteralToken("broken-token"), orgs=(Org(name="Broken-Org"),)),
        ),
    )


def comparable(text: str) -> str:
    """Take out what no clock of ours tells: how long requests took and in which order they ended, and the Python."""
    text = re.sub(r"(?m)^vspark_api_request_duration_seconds_.*\n", "", text)
    return re.sub(r'((?:python)?version)="[^"]*"', r'\1="…"', text)


async def page(url: str, headers: Mapping[str, str]) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics", headers=headers) as response:
        return await response.text()


@pytest.mark.parametrize(("accept", "name"), [("text/plain", "golden.txt"), (OPENMETRICS, "golden.openmetrics.txt")])
async def test_a_whole_cycle_gives_the_golden_page(accept: str, name: str, pytestconfig: pytest.Config) -> None:
    log = structlog.wrap_logger(structlog.PrintLogger(io.StringIO()))
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.fail("Broken", "Broken-Org", fault=Fault.status(403))
        loaded = LoadedConfig.of(config(simulator.url))
        serving = ServeOptions((ListenAddress("127.0.0.1", 0),), process_metrics=False)
        async with running(loaded, lambda: loaded, serving, log, StoppedClock()) as (web, _):
            async with aiohttp.ClientSession() as session, asyncio.timeout(10):
                while (await session.get(f"{web.urls[0]}/-/ready")).status != 200:
                    await asyncio.sleep(0.01)
            text = await page(web.urls[0], {"Accept": accept})
    if pytestconfig.getoption("golden"):
        (TESTDATA / name).write_text(comparable(text), "utf-8")
    assert comparable(text) == (TESTDATA / name).read_text("utf-8")
    assert re.findall(r"(?m)^vspark_api_request_duration_seconds_count.*", "\n".join(sorted(text.splitlines()))) == [
        'vspark_api_request_duration_seconds_count{code="200"} 3.0',
        'vspark_api_request_duration_seconds_count{code="403"} 1.0',
    ]
