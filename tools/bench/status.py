"""The status page of a large site: how long it takes, and how long a scrape waits while it is asked for."""

import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tools.bench.measure import free_port, longest_wait, running

TARGETS = 2000
_PAGES = 20
_ALONE_SECONDS = 3


class StatusCosts(NamedTuple):
    """Milliseconds: of a page on the clock and of CPU, and the longest wait for `/metrics` without and with it."""

    page: float
    page_cpu: float
    wait_alone: float
    wait_beside: float


def status_costs(folder: Path) -> StatusCosts:
    """Measure with 2,000 folders that are asked for one by one."""
    upstream_port, port = free_port(), free_port()
    config = folder / "status.yaml"
    names = ", ".join(f"Folder{number:04}" for number in range(TARGETS))
    with running(
        upstream_port, "tools.bench.upstream", f"--port={upstream_port}", "--folders=1", "--agents=3"
    ) as upstream:
        upstream.wait_for("/answered")
        config.write_text(
            f"vspark: {{url: '{upstream.url}', token: bench}}\n"
            "poll: {interval: 1h, concurrency: 50}\n"
            f"companies: [{{name: WideCo, orgs: [{{name: WideCo-Org, timezone: UTC, folders: [{names}]}}]}}]\n"
        )
        with running(port, "exporter", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}") as exporter:
            exporter.wait_for("/-/ready")
            page = exporter.get("/")
            if page.count(b'class="state ok"') < TARGETS:
                raise ValueError("not every target is ok and on the page")
            with longest_wait(exporter, "/metrics", gzip=True) as alone:
                time.sleep(_ALONE_SECONDS)
            before, pages = exporter.cpu_seconds(), []
            for _ in range(_PAGES):
                begun = time.perf_counter()
                exporter.get("/", gzip=True)
                pages.append(time.perf_counter() - begun)
            cpu_seconds = (exporter.cpu_seconds() - before) / _PAGES
            with longest_wait(exporter, "/metrics", gzip=True) as beside:
                for _ in range(_PAGES):
                    exporter.get("/", gzip=True)
    return StatusCosts(*(seconds * 1000 for seconds in (median(pages), cpu_seconds, max(alone), max(beside))))
