"""Row `folders`: 10,000 targets, each a folder of 5 agents, polled once a minute and scraped every 15 s."""

import re
import time
from pathlib import Path

from tools.bench.measure import Server
from tools.bench.report import Claim, Outcome, Table
from tools.bench.site import EXPORTERS, Site

TARGETS, AGENTS = 10_000, 5
_INTERVAL_SECONDS = 60.0
_SCRAPE_SECONDS = 15.0
_SCRAPES = 4
_CONCURRENCY = 16
_LONGEST_START_SECONDS = 300.0
_SKIPPED_SAMPLE = re.compile(rb"^vspark_polls_skipped_total\{.*\} (\S+)$", re.MULTILINE)
_UP_SAMPLE = re.compile(rb"^vspark_up\{.*\} 1(\.0)?$", re.MULTILINE)


_CPU = "CPU per poll, with a gzip scrape every 15 s, ms"
_COMPLETE = "start to complete, s"
_SKIPPED = "polls skipped"


def folders(folder: Path) -> Outcome:
    """Measure both exporters, one after the other."""
    site = Site(TARGETS, AGENTS, by_folder=True, concurrency=_CONCURRENCY)
    costs = {}
    with site.upstream() as upstream:
        upstream.get("/mode/all", post=True)
        for name in EXPORTERS:
            begun = time.monotonic()
            with site.exporter(name, upstream, _INTERVAL_SECONDS, folder) as exporter:
                exporter.wait_for("/-/ready", every_seconds=0.1, most_seconds=_LONGEST_START_SECONDS)
                costs[name] = _steady(exporter, upstream, time.monotonic() - begun)
    table = Table.of(f"{TARGETS:,} targets of {AGENTS} agents, one poll a minute, concurrency {_CONCURRENCY}", costs)
    return Outcome(
        [table],
        [
            Claim(
                f"{TARGETS:,} targets: CPU with scrapes / ordinary exporter's",
                *(table.ratio(_CPU), 1),
                "A poll changes a few compressed blocks; a scrape renders nothing.",
            ),
            Claim(
                f"{TARGETS:,} targets: polls skipped",
                *(table.figure(_SKIPPED), 0),
                "One process polls 10,000 folders a minute.",
            ),
            Claim(
                f"{TARGETS:,} targets: seconds from start to complete",
                *(table.figure(_COMPLETE), 30),
                "After a restart every value is back within two scrapes.",
            ),
        ],
    )


def _steady(exporter: Server, upstream: Server, complete_seconds: float) -> dict[str, float | None]:
    """Measure a minute with scrapes."""
    scraper = exporter.scraper()
    scrape_seconds = 0.0
    begun, cpu, polls = time.monotonic(), exporter.cpu_seconds(), int(upstream.get("/responses"))
    for number in range(1, _SCRAPES + 1):
        before = exporter.cpu_seconds()
        compressed = scraper.scrape()
        scrape_seconds += exporter.cpu_seconds() - before
        time.sleep(max(0.0, begun + number * _SCRAPE_SECONDS - time.monotonic()))
    seconds, cpu = time.monotonic() - begun, exporter.cpu_seconds() - cpu
    polls = int(upstream.get("/responses")) - polls
    resident = exporter.resident_megabytes()
    page = exporter.get("/metrics")
    if (up := len(_UP_SAMPLE.findall(page))) != TARGETS:
        raise ValueError(f"{up} of {TARGETS} targets are up")
    skipped = [float(value) for value in _SKIPPED_SAMPLE.findall(page)]
    return {
        _COMPLETE: complete_seconds,
        "polls per second": polls / seconds,
        _CPU: cpu / polls * 1000,
        "CPU of a gzip scrape, ms": scrape_seconds / _SCRAPES * 1000,
        _SKIPPED: sum(skipped) if skipped else None,
        "resident memory, MB": resident,
        "page, gzip, MB": len(compressed) / 1e6,
        "page, text, MB": len(page) / 1e6,
        "series": sum(not line.startswith(b"#") for line in page.splitlines()),
    }
