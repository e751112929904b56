"""A history of calls, as an exporter would have exposed it, to load into a new Prometheus."""

import asyncio
import json
import subprocess
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from exporter.simulator import Site
from exporter.simulator.calls import FolderCalls, folder_calls, midnight, share_of_day
from tests.support.tools import tool

MINUTE = timedelta(minutes=1)
AGES = (timedelta(0), timedelta(days=1), timedelta(days=7))


def minutes(now: datetime) -> list[datetime]:
    """Return the minutes of the last three hours, and the minutes around this time one week and one day ago."""
    last = now.replace(second=0, microsecond=0) - MINUTE
    return [last - age + number * MINUTE for age in AGES[:0:-1] for number in range(-60, 11)] + [
        last + number * MINUTE for number in range(-180, 1)
    ]


def around_midnights(site: Site, days: Iterable[date]) -> list[datetime]:
    """Return the minutes around the end of each of these days, in the zone of each org."""
    orgs = [org for company in site.companies for org in company.orgs]
    ends = {midnight(org.zone, day + timedelta(days=1)) for org in orgs for day in days}
    return sorted({end + number * MINUTE for end in ends for number in range(-10, 11)})


def previous_days(site: Site, instants: Iterable[datetime], labels: dict[str, str]) -> Iterator[str]:
    """Yield the lines of samples of the previous day at `instants`, in OpenMetrics but for the last line."""
    for instant in instants:
        for company in site.companies:
            for org in company.orgs:
                day = instant.astimezone(org.zone).date() - timedelta(days=1)
                for folder in org.folders:
                    of_folder = _labels({"company": company.name, "org": org.name, "folder": folder.name, **labels})
                    calls = folder_calls(site, org, folder, day).calls
                    yield f"vspark_folder_calls_previous_day{of_folder} {calls} {instant.timestamp()}\n"


def at(site: Site, instant: datetime) -> Iterator[tuple[dict[str, str], datetime, FolderCalls]]:
    """Yield for each folder its labels, the midnight that began its day, and its calls counted by `instant`."""
    for company in site.companies:
        for org in company.orgs:
            day = instant.astimezone(org.zone).date()
            elapsed = share_of_day(org.zone, day, instant - site.transcription)
            for folder in org.folders:
                labels = {"company": company.name, "org": org.name, "folder": folder.name}
                yield labels, midnight(org.zone, day), folder_calls(site, org, folder, day, until=elapsed)


def openmetrics(site: Site, instants: Iterable[datetime], scrape: dict[str, str]) -> Iterator[str]:
    """Yield the lines of samples of folders and orgs at `instants`, in OpenMetrics.

    `scrape` holds the labels that Prometheus adds.
    """
    for instant in instants:
        for labels, day_start, calls in at(site, instant):
            of_folder = _labels({**labels, **scrape})
            for name, value in {
                "vspark_folder_calls_today": calls.calls,
                "vspark_folder_calls_total": calls.calls,
                "vspark_folder_call_seconds_today": calls.seconds,
                "vspark_folder_agents_today": len(calls.agents),
            }.items():
                yield f"{name}{of_folder} {value} {instant.timestamp()}\n"
            of_org = _labels({"company": labels["company"], "org": labels["org"], **scrape})
            start = f"vspark_day_start_timestamp_seconds{of_org}"
            yield f"{start} {day_start.timestamp()} {instant.timestamp()}\n"
    yield "# EOF\n"


async def load(lines: Iterable[str], storage: Path) -> None:
    """Write OpenMetrics lines into the storage of a Prometheus that is not running."""
    promtool = tool("promtool", "prometheus")
    source = storage.with_suffix(".openmetrics")
    source.write_text("".join(lines), "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(promtool, "tsdb", "create-blocks-from", "openmetrics", source, storage),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()) + "}"
