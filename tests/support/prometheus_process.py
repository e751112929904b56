"""A real Prometheus as a process, the exporter with the demo's configuration for it to scrape, and queries."""

import asyncio
import io
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from exporter.app import ServeOptions, running
from exporter.cli.demo import demo_config
from exporter.config.loaded import LoadedConfig
from exporter.runtime.clock import Clock
from exporter.simulator import Simulator
from exporter.web.endpoints import ListenAddress
from tests.support.tools import tool
from tools.bench.measure import free_port

DEADLINE_SECONDS = 30.0


Numbers = dict[tuple[str, ...], float]


@asynccontextmanager
async def demo(simulator: Simulator, clock: Clock | None = None) -> AsyncIterator[str]:
    """Run the exporter with the demo's configuration; give its URL once it is ready."""
    config = demo_config(simulator.site, simulator.url)
    log = structlog.wrap_logger(structlog.PrintLogger(io.StringIO()))
    serving = ServeOptions((ListenAddress("127.0.0.1", 0),))
    loaded = LoadedConfig.of(config)
    async with running(loaded, lambda: loaded, serving, log, clock) as (web, _), aiohttp.ClientSession() as session:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await session.get(f"{web.urls[0]}/-/ready")).status != 200:
                await asyncio.sleep(0.01)
        yield web.urls[0]


@asynccontextmanager
async def prometheus(scraped: str, folder: Path, more: str = "") -> AsyncIterator[str]:
    """Run a Prometheus that scrapes `scraped` every second, with `more` keys in its job; give its URL."""
    config = folder / "prometheus.yml"
    target = scraped.rpartition("/")[2]
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: vspark, static_configs: [{{targets: ['{target}']}}]{more}}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        tool("prometheus", "prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--storage.tsdb.retention.time=10y",  # also for pasts that a test has put there
        f"--web.listen-address={address}",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


async def query(session: aiohttp.ClientSession, url: str, expression: str) -> list[dict[str, Any]]:
    """Ask Prometheus until it has an answer that is not empty."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            with suppress(aiohttp.ClientError, json.JSONDecodeError):  # while it starts it answers with a text
                async with session.get(f"{url}/api/v1/query", params={"query": expression}) as response:
                    answer = json.loads(await response.read())
                if answer["status"] == "success" and answer["data"]["result"]:
                    result: list[dict[str, Any]] = answer["data"]["result"]
                    return result
            await asyncio.sleep(0.1)


def numbers(result: list[dict[str, Any]], *labels: str) -> Numbers:
    return {tuple(each["metric"][label] for label in labels): float(each["value"][1]) for each in result}
