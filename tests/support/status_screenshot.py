"""The picture of the status page in the README: what `make demo` shows in its first minute.

`python -m tests.support.status_screenshot docs/images/status.png` takes it.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.support.browser import browsing
from tests.support.raw_servers import DEADLINE_SECONDS
from tests.support.repository import ROOT


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
            said = await process.stdout.readline()
            (url,) = re.findall(r"^page +(http://\S+)/", said.decode())
            failing = 0
            while not failing:
                async with session.get(f"{url}/api/v1/targets") as response:
                    failing = json.loads(await response.read())["data"]["totals"]["failing"]
        yield url
    finally:
        process.terminate()
        await process.wait()


async def picture() -> bytes:
    """Return the picture as a PNG."""
    async with demo() as url, browsing() as tab:
        await tab.resize(1280, 900)
        await tab.open(url)
        return await tab.picture()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(asyncio.run(picture()))
