"""Scrapers of a soak test: some behave, some read slowly, some never read; what comes is looked at."""

import asyncio
import random
import re
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial

import aiohttp
from isal import igzip

_OPENMETRICS = "application/openmetrics-text;version=1.0.0"
_EVERY_SECONDS = 15.0
_PATIENCE_SECONDS = 60.0
_GIVEN_UP_SECONDS = 150.0
_UP = re.compile(rb"^vspark_up\{", re.MULTILINE)


def problems_of(body: bytes, *, gzip: bool, openmetrics: bool, targets: range) -> list[str]:
    """Look through a whole page: it ends as it has to, no family is split, no series stands twice, no target lacks."""
    text = igzip.decompress(body) if gzip else body
    lines = text.splitlines()
    families = [line for line in lines if line.startswith(b"# TYPE ")]
    series = [line.rpartition(b" ")[0] for line in lines if not line.startswith(b"#")]
    ups = len(_UP.findall(text))
    checks = {
        "its end is missing": text.endswith(b"# EOF\n") if openmetrics else b"vspark_exporter_build_info{" in text,
        "a family stands twice": len(set(families)) == len(families),
        "a series stands twice": len(set(series)) == len(series),
        f"{ups} targets where {targets} are polled": ups in targets,
    }
    return [problem for problem, holds in checks.items() if not holds]


class Scrapers:
    """Scrapes `url` until cancelled; `seconds` has how long each whole scrape took, `problems` what was wrong."""

    def __init__(self, url: str, targets: range, pool: ProcessPoolExecutor) -> None:
        self.seconds: list[float] = []
        self.problems: list[str] = []
        self._url = url
        self._targets = targets
        self._pool = pool

    async def scrape(self, number: int) -> None:
        """Scrape as Prometheus does, at an interval."""
        chance = random.Random(number)
        await asyncio.sleep(chance.random() * _EVERY_SECONDS)
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
        async with aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as session:
            while True:
                gzip, openmetrics = number % 4 != 0, number % 2 == 0
                headers = {"Accept-Encoding": "gzip" if gzip else "identity"}
                headers |= {"Accept": _OPENMETRICS} if openmetrics else {}
                begun = time.monotonic()
                try:
                    async with session.get(self._url, headers=headers) as response:
                        body = await response.read()
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.problems.append(f"a scrape ended with {error!r}")
                else:
                    self.seconds.append(time.monotonic() - begun)
                    if response.status != 200:
                        self.problems.append(f"a scrape was answered {response.status}")
                    else:
                        await self._look_at(body, gzip=gzip, openmetrics=openmetrics)
                await asyncio.sleep(_EVERY_SECONDS)

    async def _look_at(self, body: bytes, *, gzip: bool, openmetrics: bool) -> None:
        look = partial(problems_of, body, gzip=gzip, openmetrics=openmetrics, targets=self._targets)
        self.problems += await asyncio.get_running_loop().run_in_executor(self._pool, look)

    async def read_slowly(self, *, bytes_per_second: int) -> None:
        """Ask for the page as text and read hardly any of it, or none; give up and ask again after a while.

        It is longer than the exporter's own patience: what the exporter cuts off, who does not read is not told.
        """
        host, _, port = self._url.removeprefix("http://").partition("/")[0].partition(":")
        while True:
            with suppress(ConnectionResetError, TimeoutError):
                reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
                try:
                    writer.write(b"GET /metrics HTTP/1.1\r\nHost: soak\r\n\r\n")
                    async with asyncio.timeout(_GIVEN_UP_SECONDS):
                        while True:
                            if bytes_per_second:
                                await reader.read(bytes_per_second)
                            await asyncio.sleep(1)
                finally:
                    writer.transport.abort()
