"""The pictures in the README: what `make demo` shows in its first minute, and a graph of it in Prometheus.

`python -m tests.support.demo_pictures docs/images` takes both, in 25 minutes.
"""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from tests.support.browser import browsing
from tests.support.prometheus_process import prometheus
from tests.support.raw_servers import DEADLINE_SECONDS
from tests.support.repository import ROOT

GRAPH_MINUTES, RATE_MINUTES = 20, 5
GRAPH = {
    "g0.expr": f"sum by (org) (rate(vspark_folder_calls_total[{RATE_MINUTES}m])) * 60",
    "g0.tab": "0",
    "g0.stacked": "1",
    "g0.range_input": f"{GRAPH_MINUTES}m",
}


@asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """Yield the URL of the demo, in which one org has begun to fail."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_SECONDS), aiohttp.ClientSession() as session:
            said = await process.stdout.readuntil(b"metrics ")
            (url,) = re.findall(r"^page +(http://\S+)/", said.decode(), re.MULTILINE)
            failing = 0
            while not failing:
                async with session.get(f"{url}/api/v1/targets") as response:
                    failing = json.loads(await response.read())["data"]["totals"]["failing"]
        yield url
    finally:
        process.terminate()
        await process.wait()


async def status_page(url: str) -> bytes:
    """Return a picture of the status page as a PNG."""
    async with browsing() as tab:
        await tab.resize(1280, 900)
        await tab.open(url)
        return await tab.picture()


async def graph(prometheus_url: str) -> bytes:
    """Return a picture of the calls per minute of each org as a PNG."""
    async with browsing() as tab:
        await tab.resize(1300, 880)
        await tab.open(f"{prometheus_url}/graph?{urlencode(GRAPH)}")
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await tab.look("document.querySelectorAll('.rickshaw_legend li').length"):
                await asyncio.sleep(0.1)
        return await tab.picture()


async def take(folder: Path) -> None:
    """Take both pictures."""
    with tempfile.TemporaryDirectory() as data:
        async with demo() as url, prometheus(url, Path(data)) as prometheus_url:
            (folder / "status.png").write_bytes(await status_page(url))
            await asyncio.sleep((GRAPH_MINUTES + RATE_MINUTES) * 60)
            (folder / "prometheus.png").write_bytes(await graph(prometheus_url))


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1])))
