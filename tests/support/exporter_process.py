"""The exporter as a user runs it: a process with flags and output."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from exporter.exposition.text_format import Format
from tests.support.exposition_oracle import Labels, assert_valid
from tests.support.repository import ROOT

LOOPBACK = ("--web.listen-address", "127.0.0.1:0")


async def begin(*arguments: str, cwd: Path = ROOT) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", *arguments),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*arguments: str, cwd: Path = ROOT) -> tuple[int | None, str, str]:
    """Run the program; return its exit code, standard output and standard error."""
    process = await begin(*arguments, cwd=cwd)
    async with asyncio.timeout(30):
        out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


class Running:
    """The program while it serves."""

    session: aiohttp.ClientSession

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.logged: list[str] = []

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.session.get(path) as response:
            return response.status, await response.read()

    async def series(self) -> dict[tuple[str, Labels], float]:
        """Return the page that is served once every target has been polled."""
        async with asyncio.timeout(30):
            while (await self.get("/-/ready"))[0] != 200:
                await asyncio.sleep(0.01)
        return assert_valid((await self.get("/metrics"))[1], Format.TEXT)

    async def read_log(self, wanted: str) -> str:
        """Read the log until a line contains `wanted`; return that line without its time."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            while not self.logged or wanted not in self.logged[-1]:
                line = (await self.process.stderr.readline()).decode().rstrip("\n")
                assert line
                self.logged.append(line)
        return self.logged[-1].partition(" ")[2]

    async def stop(self, number: signal.Signals) -> tuple[int | None, list[str], float]:
        """Stop the program; return its exit code, every line of its log, and how many seconds it took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        async with asyncio.timeout(30):
            out, errors = await self.process.communicate()
        seconds = time.monotonic() - begun
        assert out == b""
        return self.process.returncode, [*self.logged, *errors.decode().splitlines()], seconds


@asynccontextmanager
async def serving(config: Path, *arguments: str) -> AsyncIterator[Running]:
    process = await begin("--config.file", str(config), *LOOPBACK, *arguments)
    running = Running(process)
    try:
        listening = await running.read_log("listening")
        address = re.findall(r"127\.0\.0\.1:[0-9]+", listening)[0]
        async with aiohttp.ClientSession(f"http://{address}") as running.session:
            yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
