"""Row `status`: the status page of a large site, and the waits of scrapes while the page is requested."""

import time
from pathlib import Path
from statistics import median

from tools.bench.measure import waiting
from tools.bench.report import OURS, Claim, Outcome, Table
from tools.bench.site import Site

_TARGETS = 2000
_PAGES = 20
_ALONE_SECONDS = 3
_PAGE, _STALL = "page, ms of CPU", "longest work before /metrics is served during pages, ms of CPU"


def status(folder: Path) -> Outcome:
    """Measure an exporter with 2,000 targets, one for each folder."""
    site = Site(_TARGETS, agents=3, by_folder=True, concurrency=50)
    with site.upstream() as upstream, site.exporter(OURS, upstream, 3600, folder) as exporter:
        exporter.wait_for("/-/ready", every_seconds=0.1, most_seconds=300)
        page = exporter.get("/")
        if page.count(b'class="state ok"') < _TARGETS:
            raise ValueError("the page does not show every target as ok")
        with waiting(exporter, "/metrics", gzip=True) as alone:
            time.sleep(_ALONE_SECONDS)
        before, pages = exporter.cpu_seconds(), []
        for _ in range(_PAGES):
            begun = time.perf_counter()
            exporter.get("/", gzip=True)
            pages.append(time.perf_counter() - begun)
        cpu_seconds = (exporter.cpu_seconds() - before) / _PAGES
        with waiting(exporter, "/metrics", gzip=True) as meanwhile:
            for _ in range(_PAGES):
                exporter.get("/", gzip=True)
    figures = {
        _PAGE: cpu_seconds * 1000,
        "page, elapsed ms": median(pages) * 1000,
        _STALL: meanwhile.longest_cpu_milliseconds,
        "longest wait for /metrics during pages, ms": meanwhile.longest_milliseconds,
        "the same without pages, ms": alone.longest_milliseconds,
    }
    title = f"status page of {_TARGETS:,} targets"
    table = Table.of(title, {OURS: figures})
    return Outcome(
        [table],
        [
            Claim(
                f"{title}: ms of CPU",
                *(table.figure(_PAGE), 200),
                "The page of a large site opens without a noticeable delay.",
            ),
            Claim(
                f"{title}: longest stall for /metrics meanwhile, ms of CPU",
                *(table.figure(_STALL), 50),
                "The page is rendered in pieces, so it does not delay scrapes.",
            ),
        ],
    )
