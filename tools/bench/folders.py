"""Row `folders`: 10,000 folders of 5 agents, polled once a minute and scraped every 15 s.

Each folder is a target, and beside that, they are in 20 orgs that are polled as a whole.
"""

import re
import time
from pathlib import Path

from tools.bench.measure import Server
from tools.bench.report import OURS, Claim, Outcome, Table
from tools.bench.site import EXPORTERS, Site

FOLDERS, AGENTS, ORGS = 10_000, 5, 20
_BY_FOLDER = Site(FOLDERS, AGENTS, by_folder=True, concurrency=16)
_WHOLE_ORGS = Site(FOLDERS // ORGS, AGENTS, orgs=ORGS)
_INTERVAL_SECONDS = 60.0
_SCRAPE_SECONDS = 15.0
_SCRAPES = 4
_LONGEST_START_SECONDS = 300.0
_SKIPPED_SAMPLE = re.compile(rb"^vspark_polls_skipped_total\{.*\} (\S+)$", re.MULTILINE)
_UP_SAMPLE = re.compile(rb"^vspark_up\{.*\} 1(\.0)?$", re.MULTILINE)

COMPLETE = "start to complete, s"
POLLS = "polls per second"
CPU = "CPU per poll, with a gzip scrape every 15 s, ms"
SHARE = "share of a core, %"
SKIPPED = "polls skipped"
MEMORY = "resident memory, MB"
SERIES = "series"


def folders(folder: Path) -> Outcome:
    """Measure one exporter after the other."""
    by_folder = _costs(_BY_FOLDER, EXPORTERS, folder, targets=FOLDERS)
    whole_orgs = _costs(_WHOLE_ORGS, (OURS,), folder, targets=ORGS)
    table = Table.of(f"{FOLDERS:,} folders of {AGENTS} agents, each a target, concurrency 16", by_folder)
    return Outcome(
        [table, Table.of(f"the same folders in {ORGS} orgs, each polled as a whole", whole_orgs)],
        [
            Claim(
                f"{FOLDERS:,} targets: CPU with scrapes / ordinary exporter's",
                *(table.ratio(CPU), 1),
                "A poll changes a few compressed blocks; a scrape renders nothing.",
            ),
            Claim(
                f"{FOLDERS:,} targets: polls skipped",
                *(table.figure(SKIPPED), 0),
                "One process polls 10,000 folders a minute.",
            ),
            Claim(
                f"{FOLDERS:,} targets: seconds from start to complete",
                *(table.figure(COMPLETE), 30),
                "After a restart every value is back within two scrapes.",
            ),
        ],
    )


def _costs(site: Site, exporters: tuple[str, ...], folder: Path, *, targets: int) -> dict[str, dict[str, float | None]]:
    costs = {}
    with site.upstream() as upstream:
        upstream.get("/mode/all", post=True)
        for name in exporters:
            begun = time.monotonic()
            with site.exporter(name, upstream, _INTERVAL_SECONDS, folder) as exporter:
                exporter.wait_for("/-/ready", every_seconds=0.1, most_seconds=_LONGEST_START_SECONDS)
                costs[name] = {COMPLETE: time.monotonic() - begun, **_steady(exporter, upstream, targets)}
    return costs


def _steady(exporter: Server, upstream: Server, targets: int) -> dict[str, float | None]:
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
    if (up := len(_UP_SAMPLE.findall(page))) != targets:
        raise ValueError(f"{up} of {targets} targets are up")
    skipped = [float(value) for value in _SKIPPED_SAMPLE.findall(page)]
    return {
        POLLS: polls / seconds,
        CPU: cpu / polls * 1000,
        SHARE: cpu / seconds * 100,
        "CPU of a gzip scrape, ms": scrape_seconds / _SCRAPES * 1000,
        SKIPPED: sum(skipped) if skipped else None,
        MEMORY: resident,
        "page, gzip, MB": len(compressed) / 1e6,
        "page, text, MB": len(page) / 1e6,
        SERIES: sum(not line.startswith(b"#") for line in page.splitlines()),
    }
