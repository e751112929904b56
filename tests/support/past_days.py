"""The final numbers of past days in a simulated V-Spark, and a backfill of them as a process."""

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from exporter.simulator import Company, Folder, Org, Site
from exporter.simulator.calls import FolderCalls, folder_calls
from tests.support.exporter_process import begin
from tests.support.tools import tool

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""The time in the simulated V-Spark. The real time is later."""
FIRST, LAST = date(2026, 10, 20), date(2026, 11, 9)
"""Three weeks. The clocks go back in Berlin on October 25, and in New York on November 1."""
ONE_DAY = timedelta(days=1)
SITE = Site(
    (
        Company(
            "East & West",
            "east-token",
            (
                Org(
                    "East",
                    "US/Eastern",
                    (
                        Folder("Sales", 300, ("e1", "e2", "e3"), absent_share=0.3),
                        Folder('Week"days', 200, weekend_share=0.0),
                    ),
                ),
                Org("New", "US/Eastern", (Folder("Later", 100),), created=date(2026, 11, 5)),
            ),
        ),
        Company(
            "Nord",
            "nord-token",
            (Org("Süd", "Europe/Berlin", (Folder("Büro", 250, ("s1", "s2"), weekend_share=0.0),)),),
        ),
        Company(
            "Kauri",
            "kauri-token",
            (Org("Cards", "Pacific/Auckland", (Folder("Lost", 150, around_the_clock=True), Folder("Never", 0))),),
        ),
    ),
    root_token="root-token",
)


def days(first: date = FIRST, last: date = LAST) -> list[date]:
    """Return every day of a range."""
    return [first + number * ONE_DAY for number in range((last - first).days + 1)]


def final(org: Org, folder: Folder, day: date) -> FolderCalls:
    """Return the calls of a whole day."""
    calls = folder_calls(SITE, org, folder, day)
    return calls if day >= org.created else FolderCalls(day, folder.name, 0, 0, ())


def orgs() -> Iterator[tuple[Company, Org]]:
    """Yield every org with its company."""
    for company in SITE.companies:
        for org in company.orgs:
            yield company, org


@dataclass(frozen=True)
class Ran:
    """What a process has returned and written."""

    code: int | None
    out: str
    errors: str


def write_config(folder: Path, url: str, more: str = "") -> Path:
    """Write a configuration that discovers the whole site; `more` has further keys."""
    path = folder / "config.yaml"
    path.write_text(f"vspark: {{url: '{url}', token: {SITE.root_token}}}\n{more}", "utf-8")
    return path


async def begin_backfill(config: Path, output: Path, *flags: str) -> asyncio.subprocess.Process:
    """Start a backfill of three weeks; `flags` may set other days."""
    dates = () if "--from" in flags else ("--from", f"{FIRST}", "--to", f"{LAST}")
    return await begin("backfill", "--config.file", str(config), *dates, "--output", str(output), *flags)


async def ended(process: asyncio.subprocess.Process) -> Ran:
    """Wait for the end of a process."""
    async with asyncio.timeout(120):
        out, errors = await process.communicate()
    return Ran(process.returncode, out.decode(), errors.decode())


async def run_backfill(config: Path, output: Path, *flags: str) -> Ran:
    """Run a backfill of three weeks to its end."""
    return await ended(await begin_backfill(config, output, *flags))


async def create_blocks(source: Path, storage: Path, *flags: str) -> None:
    """Turn a file into blocks of a Prometheus."""
    command = (tool("promtool", "prometheus"), "tsdb", "create-blocks-from", "openmetrics", *flags)
    process = await asyncio.create_subprocess_exec(
        *command,
        str(source),
        str(storage),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
