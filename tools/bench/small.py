"""Row `small`: a small site, one org with 10 folders of 50 agents."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tools.bench import json_exporter
from tools.bench.measure import Server
from tools.bench.polls import poll_milliseconds
from tools.bench.report import Claim, Outcome, Table
from tools.bench.site import EXPORTERS, Site

_SITE = Site(folders=10, agents=50)
_STARTS = 5
_POLL_SECONDS, _POLLS = 0.1, 100
_STEADY_SECONDS, _SCRAPES = 15.0, 4

_POLL = "poll, everything changed, ms of CPU"
SHARE = "share of a core, %"
RESIDENT = "resident memory, MB"
_READY = "start to ready, s"


def small(folder: Path) -> Outcome:
    """Measure polls, a steady state and starts."""
    with _SITE.upstream() as upstream:
        polls = {name: _polls(name, upstream, folder) for name in EXPORTERS}
        starts = {
            name: {_READY: min(_start_seconds(name, upstream, folder) for _ in range(_STARTS))} for name in EXPORTERS
        }
    steady = _steady(folder)
    poll_table = Table.of(
        "small site: one org, 10 folders of 50 agents", {name: polls[name] | starts[name] for name in EXPORTERS}
    )
    steady_table = Table.of("small site: a poll and a gzip scrape every 15 s", steady)
    return Outcome(
        [poll_table, steady_table],
        [
            Claim(
                "small site: poll, everything changed / ordinary exporter's",
                *(poll_table.ratio(_POLL), 1),
                "Most of a small poll is HTTP, and both use the same library for it.",
            ),
            Claim(
                "small site: share of a core, %, with a poll and a gzip scrape every 15 s",
                *(steady_table.figure(SHARE), 0.15),
                "Nothing runs between polls and scrapes but a look at the clock.",
            ),
            Claim(
                "small site: resident memory, MB",
                *(steady_table.figure(RESIDENT), 50),
                "Libraries are loaded when they are needed first.",
            ),
            Claim(
                "small site: seconds from start to ready",
                *(poll_table.figure(_READY), 1),
                "A restart at a small site loses at most one scrape.",
            ),
        ],
        [] if json_exporter.is_installed() else [json_exporter.MISSING],
    )


def _polls(name: str, upstream: Server, folder: Path) -> dict[str, float]:
    titles = {"all": _POLL, "some": "poll, one folder changed", "same": "poll, nothing changed"}
    with _SITE.exporter(name, upstream, _POLL_SECONDS, folder) as exporter:
        exporter.wait_for("/-/ready")
        return {
            title: poll_milliseconds(exporter, upstream, mode, _POLLS, _POLL_SECONDS) for mode, title in titles.items()
        }


def _start_seconds(name: str, upstream: Server, folder: Path) -> float:
    begun = time.perf_counter()
    with _SITE.exporter(name, upstream, _STEADY_SECONDS, folder) as exporter:
        exporter.wait_for("/-/ready")
        return time.perf_counter() - begun


def _steady(folder: Path) -> Mapping[str, Mapping[str, float]]:
    """Return the costs of each exporter, while all of them run."""
    listed = replace(_SITE, form="list")
    with ExitStack() as stack:
        upstream = stack.enter_context(_SITE.upstream())
        upstream.get("/mode/all", post=True)
        exporters = {
            name: stack.enter_context(_SITE.exporter(name, upstream, _STEADY_SECONDS, folder)) for name in EXPORTERS
        }
        for exporter in exporters.values():
            exporter.wait_for("/-/ready")
        paths = dict.fromkeys(EXPORTERS, "/metrics")
        if json_exporter.is_installed():
            listing = stack.enter_context(listed.upstream())
            listing.get("/mode/all", post=True)
            exporters[json_exporter.NAME] = stack.enter_context(json_exporter.json_exporter(listed, folder))
            paths[json_exporter.NAME] = json_exporter.probe_path(listing)
        scrapers = {name: exporter.scraper() for name, exporter in exporters.items()}

        def scrape() -> None:
            for name, scraper in scrapers.items():
                scraper.scrape(paths[name])

        scrape()  # the first one loads libraries
        begun, before = time.monotonic(), {name: exporter.cpu_seconds() for name, exporter in exporters.items()}
        for number in range(1, _SCRAPES + 1):
            time.sleep(max(0.0, begun + number * _STEADY_SECONDS - time.monotonic()))
            scrape()
        seconds = time.monotonic() - begun
        return {
            name: {
                SHARE: (exporter.cpu_seconds() - before[name]) / seconds * 100,
                RESIDENT: exporter.resident_megabytes(),
            }
            for name, exporter in exporters.items()
        }
