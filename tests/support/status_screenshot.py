"""An afternoon of the demo in a few seconds: the status page while something is wrong.

`python -m tests.support.status_screenshot docs/images/status.png` takes the picture in the README.
"""

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import structlog

from exporter.app import ServeOptions, running
from exporter.cli.demo import demo_config
from exporter.config.loaded import LoadedConfig
from exporter.simulator import Fault, Simulator, demo_site
from exporter.web.endpoints import ListenAddress
from tests.support.browser import browsing
from tests.support.fake_clock import FakeClock
from tests.support.raw_servers import DEADLINE_SECONDS

BEGIN = datetime(2026, 11, 23, 4, 50, tzinfo=UTC)  # before midnight in US/Eastern
LONG_STEPS = [600.0] * 92
SHORT_STEPS = [4.0] * 6
FAILING = {
    len(LONG_STEPS) - 8: ("KauriBank", "KauriBank-Cards", Fault.status(503)),
    len(LONG_STEPS) + 3: ("DocTestCo", "DocTestCo-West", Fault.status(401)),
}
HEALING = len(LONG_STEPS) - 6


@asynccontextmanager
async def afternoon() -> AsyncIterator[str]:
    """Yield the URL of an exporter that has polled the demo for hours, and one org of which has begun to fail."""
    clock = FakeClock(BEGIN)
    log = structlog.wrap_logger(structlog.PrintLogger(io.StringIO()))
    async with Simulator(demo_site(), clock=clock.utc) as simulator:
        loaded = LoadedConfig.of(demo_config(simulator.site, simulator.url))
        serving = ServeOptions((ListenAddress("127.0.0.1", 0),))
        async with running(loaded, lambda: loaded, serving, log, clock) as (web, _), aiohttp.ClientSession() as session:
            (url,) = web.urls
            for step, seconds in enumerate(LONG_STEPS + SHORT_STEPS):
                await _settled(session, url, clock)
                if step == HEALING:
                    simulator.heal_all()
                if step in FAILING:
                    company, org, fault = FAILING[step]
                    simulator.fail(company, org, fault=fault)
                clock.advance(seconds)
            await _settled(session, url, clock)
            yield url


async def _settled(session: aiohttp.ClientSession, url: str, clock: FakeClock) -> None:
    """Wait until there are targets, each has been polled at this time, and the poller sleeps."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            async with session.get(f"{url}/api/v1/targets") as response:
                targets = json.loads(await response.read())["data"]["targets"]
            if clock.sleepers and targets and all(each["polls"] and not each["polling"] for each in targets):
                return


async def picture() -> bytes:
    """Return the picture as a PNG."""
    async with afternoon() as url, browsing() as tab:
        await tab.resize(1280, 900)
        await tab.open(url)
        return await tab.picture()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(asyncio.run(picture()))
