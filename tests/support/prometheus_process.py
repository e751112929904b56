"""A real Prometheus as a process, an exporter with the demo's configuration as its target, and queries."""

import asyncio
import io
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
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
"""Values of samples, by the values of some of their labels."""


@asynccontextmanager
async def demo(simulator: Simulator, clock: Clock | None = None) -> AsyncIterator[str]:
    """Run the exporter with the demo's configuration; yield its URL once it is ready."""
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
async def prometheus(
    exporter_urls: str | Sequence[str], folder: Path, more: str = "", *flags: str, rules: Sequence[Path] = ()
) -> AsyncIterator[str]:
    """Run a Prometheus with further `flags` that scrapes the exporters, and evaluates `rules`, every second.

    Yields its URL. `more` holds additional keys of the scrape job, in YAML's flow style, with a leading comma.
    """
    config = folder / "prometheus.yml"
    urls = [exporter_urls] if isinstance(exporter_urls, str) else exporter_urls
    targets = [url.rpartition("/")[2] for url in urls]
    config.write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: {[str(path) for path in rules]}\n"
        f"scrape_configs: [{{job_name: vspark, static_configs: [{{targets: {targets}}}]{more}}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        tool("prometheus", "prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--storage.tsdb.retention.time=10y",  # keeps the history that a test has loaded
        f"--web.listen-address={address}",
        *flags,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


async def query(
    session: aiohttp.ClientSession, url: str, expression: str, time: datetime | None = None
) -> list[dict[str, Any]]:
    """Query Prometheus, at `time` or now, until the result is not empty; return the result."""
    parameters = {"query": expression} | ({} if time is None else {"time": str(time.timestamp())})
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            with suppress(aiohttp.ClientError, json.JSONDecodeError):  # during its start the body is not JSON
                async with session.get(f"{url}/api/v1/query", params=parameters) as response:
                    body = json.loads(await response.read())
                if body["status"] == "success" and body["data"]["result"]:
                    result: list[dict[str, Any]] = body["data"]["result"]
                    return result
            await asyncio.sleep(0.1)


def numbers(result: list[dict[str, Any]], *labels: str) -> Numbers:
    """Return the values in a query's result, by the values of `labels`."""
    return {tuple(each["metric"][label] for label in labels): float(each["value"][1]) for each in result}
