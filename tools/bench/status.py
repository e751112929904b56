"""The duration of a large site's status page, and the waits of scrapes while the page is requested."""

import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tools.bench.measure import free_port, longest_wait, running

TARGETS = 2000
_PAGES = 20
_ALONE_SECONDS = 3


class StatusCosts(NamedTuple):
    """Milliseconds: elapsed and CPU time of a page, and the longest wait for `/metrics` without and during pages."""

    page: float
    page_cpu: float
    wait_alone: float
    wait_meanwhile: float


def status_costs(folder: Path) -> StatusCosts:
    """Measure an exporter with 2,000 targets, one for each folder."""
    upstream_port, port = free_port(), free_port()
    config = folder / "status.yaml"
    names = ", ".join(f"Folder{number:04}" for number in range(TARGETS))
    with running(
        upstream_port, "tools.bench.upstream", f"--port={upstream_port}", "--folders=1", "--agents=3"
    ) as upstream:
        upstream.wait_for("/responses")
        config.write_text(
            f"vspark: {{url: '{upstream.url}', token: bench}}\n"
            "poll: {interval: 1h, concurrency: 50}\n"
            f"companies: [{{name: WideCo, orgs: [{{name: WideCo-Org, timezone: UTC, folders: [{names}]}}]}}]\n"
        )
        with running(port, "exporter", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}") as exporter:
            exporter.wait_for("/-/ready")
            page = exporter.get("/")
            if page.count(b'class="state ok"') < TARGETS:
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
    return StatusCosts(*(seconds * 1000 for seconds in (median(pages), cpu_seconds, max(alone), max(meanwhile))))
