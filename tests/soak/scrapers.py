"""The scrapers of a soak test: most check what they get, some read slowly, some never read."""

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
    """Return the problems of a page: a missing end, a split family, a duplicated series, a missing target."""
    text = igzip.decompress(body) if gzip else body
    lines = text.splitlines()
    families = [line for line in lines if line.startswith(b"# TYPE ")]
    series = [line.rpartition(b" ")[0] for line in lines if not line.startswith(b"#")]
    ups = len(_UP.findall(text))
    checks = {
        "its end is missing": text.endswith(b"# EOF\n") if openmetrics else b"vspark_exporter_build_info{" in text,
        "a family is duplicated": len(set(families)) == len(families),
        "a series is duplicated": len(set(series)) == len(series),
        f"{ups} targets instead of {targets}": ups in targets,
    }
    return [problem for problem, holds in checks.items() if not holds]


class Scrapers:
    """Scrapes `url` until cancelled; `seconds` has the duration of each scrape, `problems` what was wrong."""

    def __init__(self, url: str, targets: range, pool: ProcessPoolExecutor) -> None:
        self.seconds: list[float] = []
        self.problems: list[str] = []
        self._url = url
        self._targets = targets
        self._pool = pool

    async def scrape(self, number: int) -> None:
        """Scrape at an interval, as Prometheus does."""
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
                    self.problems.append(f"a scrape failed: {error!r}")
                else:
                    self.seconds.append(time.monotonic() - begun)
                    if response.status != 200:
                        self.problems.append(f"a scrape got status {response.status}")
                    else:
                        await self._check(body, gzip=gzip, openmetrics=openmetrics)
                await asyncio.sleep(_EVERY_SECONDS)

    async def _check(self, body: bytes, *, gzip: bool, openmetrics: bool) -> None:
        check = partial(problems_of, body, gzip=gzip, openmetrics=openmetrics, targets=self._targets)
        self.problems += await asyncio.get_running_loop().run_in_executor(self._pool, check)

    async def read_slowly(self, *, bytes_per_second: int) -> None:
        """Request the page and read little or nothing of it; disconnect after a while, and start again.

        The exporter disconnects such a client earlier. A client that does not read does not notice.
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
