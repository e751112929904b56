"""Row `status`: the status page of a large site, and the waits of scrapes while the page is requested."""

import time
from pathlib import Path
from statistics import median

from tools.bench.measure import longest_wait
from tools.bench.report import OURS, Claim, Outcome, Table
from tools.bench.site import Site

_TARGETS = 2000
_PAGES = 20
_ALONE_SECONDS = 3
_PAGE, _WAIT = "page, ms of CPU", "longest wait for /metrics during pages, ms"


def status(folder: Path) -> Outcome:
    """Measure an exporter with 2,000 targets, one for each folder."""
    site = Site(_TARGETS, agents=3, by_folder=True, concurrency=50)
    with site.upstream() as upstream, site.exporter(OURS, upstream, 3600, folder) as exporter:
        exporter.wait_for("/-/ready")
        page = exporter.get("/")
        if page.count(b'class="state ok"') < _TARGETS:
            raise ValueError("the page does not show every target as ok")
        with longest_wait(exporter, "/metrics", gzip=True) as alone:
            time.sleep(_ALONE_SECONDS)
        before, pages = exporter.cpu_seconds(), []
        for _ in range(_PAGES):
            begun = time.perf_counter()
            exporter.get("/", gzip=True)
            pages.append(time.perf_counter() - begun)
        cpu_seconds = (exporter.cpu_seconds() - before) / _PAGES
        with longest_wait(exporter, "/metrics", gzip=True) as meanwhile:
            for _ in range(_PAGES):
                exporter.get("/", gzip=True)
    figures = {
        _PAGE: cpu_seconds,
        "page, elapsed ms": median(pages),
        "longest wait for /metrics without pages, ms": max(alone),
        _WAIT: max(meanwhile),
    }
    title = f"status page of {_TARGETS:,} targets"
    table = Table.of(title, {OURS: {line: seconds * 1000 for line, seconds in figures.items()}})
    return Outcome(
        [table],
        [
            Claim(
                f"{title}: ms of CPU",
                *(table.figure(_PAGE), 200),
                "The page of a large site opens without a noticeable delay.",
            ),
            Claim(
                f"{title}: longest wait for /metrics meanwhile, ms",
                *(table.figure(_WAIT), 50),
                "The page is rendered in pieces, so it does not delay scrapes.",
            ),
        ],
    )
