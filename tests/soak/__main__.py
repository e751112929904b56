"""A soak test: days of accelerated time with faults, reloads and bad scrapers, after which nothing may have grown.

1,000 targets with 100,000 agents in five time zones. Every minute another 5 % of the targets get a fault, and the
configuration changes. 50 scrapers, some of which read slowly or not at all.
"""

import argparse
import asyncio
import json
import re
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import quantiles
from typing import BinaryIO, NamedTuple

import aiohttp
import psutil

from tests.soak.scrapers import Scrapers
from tests.soak.soaked import TOKEN, ZONES, org_name
from tools.bench.measure import free_port

ORGS, AGENTS_PER_ORG = 1000, 100
CHANGING_ORGS = 10
SCRAPERS, SLOW, SILENT = 40, 5, 5
FACTOR = 576
"""Four days in ten minutes; a poll of every target in twelve seconds."""


class Moment(NamedTuple):
    """The resources of the exporter at one time."""

    resident_megabytes: float
    descriptors: int
    tasks: int


_WARM_UP_SECONDS = 200
_WINDOW_SECONDS = 100
_READY_SECONDS = 120.0
_RELOAD_SECONDS = 60.0
_MOST_GROWTH = 1.15
"""Some growth is expected: after ten minutes, targets still fail in new ways, whose texts are kept."""
_SLACK = Moment(resident_megabytes=0.0, descriptors=10, tasks=20)
"""Allowance for work that is in progress at one moment and not at another."""


def configuration(url: str, number: int) -> str:
    """Return the configuration of a reload: every other one has fewer orgs, every third one changes the connections."""
    orgs = ORGS - CHANGING_ORGS * (number % 2)
    return "\n".join(
        [
            f"vspark: {{url: '{url}', token: {TOKEN}, timeout: 1s}}",
            f"poll: {{interval: 2h, stale_after: 5h, concurrency: {16 + number // 3 % 2}}}",
            "companies:",
            "- name: SoakCo",
            "  orgs:",
            *map(_org, range(orgs)),
            "",
        ]
    )


def _org(number: int) -> str:
    return f"  - {{name: {org_name(number)}, timezone: {ZONES[number % len(ZONES)]}, folders: [Calls]}}"


class Soak:
    """The processes of a run and their measurements."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._config = folder / "config.yaml"
        self._log = folder / "exporter.log"
        self._seconds = seconds
        self._ports = free_port(), free_port()
        self._tasks = 0
        self.url = f"http://127.0.0.1:{self._ports[1]}"
        self.moments: list[Moment] = []
        self.reloads = 0
        self.polls = self.failures = 0.0
        self.cut_off = 0

    async def run(self) -> Scrapers:
        """Run, and return the scrapers with their results; raise RuntimeError if a process ends early."""
        self._reload_with(0)
        clock = (f"--origin={time.time()}", f"--factor={FACTOR}")
        with ProcessPoolExecutor(1) as pool:
            upstream = await _begin(*clock, f"--port={self._ports[0]}", f"--orgs={ORGS}", f"--agents={AGENTS_PER_ORG}")
            with self._log.open("wb") as log:
                exporter = await _begin(*clock, f"--port={self._ports[1]}", f"--config={self._config}", log=log)
            try:
                await self._until_ready()
                scrapers = Scrapers(f"{self.url}/metrics", range(ORGS - CHANGING_ORGS, ORGS + 1), pool)
                await self._soak(exporter, scrapers)
                await self._count_polls()
                exporter.send_signal(signal.SIGTERM)
                if await asyncio.wait_for(exporter.wait(), 30) != 0:
                    raise RuntimeError("the exporter did not exit with 0")
                lines = self._log.read_text().splitlines()
                self.cut_off = sum(" event=answer_cut_off " in line for line in lines)
                scrapers.problems += [line for line in lines if " level=error " in line]
                reloaded = sum(" event=config_reloaded " in line for line in lines)
                if reloaded < self.reloads - 1:  # the last one may have been in progress
                    scrapers.problems.append(f"{reloaded} reloads instead of {self.reloads}")
                return scrapers
            finally:
                for process in (upstream, exporter):
                    if process.returncode is None:
                        process.kill()
                        await process.wait()

    async def _soak(self, exporter: Process, scrapers: Scrapers) -> None:
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(self._follow(exporter)),
                *(tasks.create_task(scrapers.scrape(number)) for number in range(SCRAPERS)),
                *(tasks.create_task(scrapers.read_slowly(bytes_per_second=1024)) for _ in range(SLOW)),
                *(tasks.create_task(scrapers.read_slowly(bytes_per_second=0)) for _ in range(SILENT)),
            ]
            watched = psutil.Process(exporter.pid)
            end = time.monotonic() + self._seconds
            reload_at = time.monotonic() + _RELOAD_SECONDS
            while time.monotonic() < end:
                await asyncio.sleep(1)
                if exporter.returncode is not None:
                    raise RuntimeError(f"the exporter exited with {exporter.returncode}")
                self.moments.append(Moment(watched.memory_info().rss / 1e6, watched.num_fds(), self._tasks))
                if time.monotonic() >= reload_at:
                    reload_at += _RELOAD_SECONDS
                    self.reloads += 1
                    self._reload_with(self.reloads)
                    exporter.send_signal(signal.SIGHUP)
            for task in work:
                task.cancel()

    def _reload_with(self, number: int) -> None:
        self._config.write_text(configuration(f"http://127.0.0.1:{self._ports[0]}", number))

    async def _follow(self, exporter: Process) -> None:
        assert exporter.stdout is not None
        async for line in exporter.stdout:
            self._tasks = json.loads(line)["tasks"]

    async def _count_polls(self) -> None:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as response:
            page = await response.text()
        self.polls, self.failures = (
            sum(float(value) for value in re.findall(rf"^{name}\{{.*\}} (.*)$", page, re.MULTILINE))
            for name in ("vspark_polls_total", "vspark_poll_failures_total")
        )

    async def _until_ready(self) -> None:
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{self.url}/-/ready") as response:
                        if response.ok:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)


async def _begin(*arguments: str, log: BinaryIO | None = None) -> Process:
    command = (sys.executable, "-m", "tests.soak.soaked", *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=log)


def floors(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the lowest decile of the values after the warm-up and at the end, or None if there are too few values.

    There is a value for each second. A leak raises the lowest decile; work in progress comes and goes above it.
    """
    if len(values) < _WARM_UP_SECONDS + 2 * _WINDOW_SECONDS:
        return None
    warm = values[_WARM_UP_SECONDS:]
    return quantiles(warm[:_WINDOW_SECONDS], n=10)[0], quantiles(warm[-_WINDOW_SECONDS:], n=10)[0]


def batches(moments: Sequence[Moment], size: int) -> Iterator[Sequence[Moment]]:
    """Return the moments in batches of this size."""
    return (moments[start : start + size] for start in range(0, len(moments), size))


def report(soak: Soak, scrapers: Scrapers) -> int:
    """Print the results; return how many checks failed."""
    failed = 0
    for place, name in enumerate(Moment._fields):
        values = [moment[place] for moment in soak.moments]
        found = floors(values)
        what = name.replace("_", " ")
        if found is None:
            print(f"{what}: at most {max(values):.0f}; the run was too short to show growth")
            continue
        first, last = found
        failed += last > first * _MOST_GROWTH + _SLACK[place]
        print(f"{what}: at least {first:.0f} after the warm-up, {last:.0f} at the end, at most {max(values):.0f}")
    by_minute = [max(part).resident_megabytes for part in batches(soak.moments, 60)]
    print(f"resident megabytes by minute: {' '.join(f'{each:.0f}' for each in by_minute)}")
    seconds = scrapers.seconds
    hundredths = quantiles(seconds, n=100)
    print(f"hours on the clock of the exporter: {len(soak.moments) * FACTOR / 3600:.0f}, reloads: {soak.reloads}")
    print(f"polls: {soak.polls:.0f}, failures: {soak.failures:.0f}")
    print(f"scrapes, each checked completely: {len(seconds)}")
    print(f"seconds of a scrape: p50 {hundredths[49]:.3f}, p99 {hundredths[98]:.3f}, longest {max(seconds):.3f}")
    print(f"slow and silent scrapers that were disconnected: {soak.cut_off}")
    for problem in dict.fromkeys(scrapers.problems):
        print(f"PROBLEM: {problem}")
    return failed + len(scrapers.problems)


def main() -> int:
    """Run the soak test; return the exit code, 1 if something grew or a scrape had a problem."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600.0)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), flags.seconds)
        scrapers = asyncio.run(soak.run())
    return 1 if report(soak, scrapers) else 0


if __name__ == "__main__":
    sys.exit(main())
