"""Row `prometheus`: the memory and CPU time that a Prometheus needs for each series, where it is on PATH."""

import gzip
import json
import random
import shutil
import subprocess
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from tools.bench.measure import Server, free_port, running
from tools.bench.report import Outcome, Table
from tools.bench.static import serving

_FEW, _MANY = 1_000, 101_000
_VARIANTS = 4
_SECONDS = 40
"""One scrape in each: after this many samples of a series, its chunk has a typical size."""

MEMORY, CPU = "resident memory for each series, bytes", "CPU for each sample, µs"


def prometheus(folder: Path) -> Outcome:
    """Measure two servers, which scrape pages of different sizes, and return what the series between them cost."""
    program = shutil.which("prometheus")
    if program is None:
        return Outcome([], notes=["prometheus is not on PATH, so its cost of a series is not measured"])
    with ExitStack() as stack:
        servers = [stack.enter_context(_scraping(stack, number, folder)) for number in (_FEW, _MANY)]
        for server in servers:
            server.wait_for("/-/ready", every_seconds=0.1)
        before = [server.cpu_seconds() for server in servers]
        time.sleep(_SECONDS)
        few, many = (server.cpu_seconds() - cpu for server, cpu in zip(servers, before, strict=True))
        few_megabytes, many_megabytes = (server.resident_megabytes() for server in servers)
        count = json.loads(servers[1].get("/api/v1/query?query=count(vspark_agent_calls_today)"))
    if (seen := count["data"]["result"][0]["value"][1]) != str(_MANY):
        raise ValueError(f"Prometheus has {seen} series instead of {_MANY}")
    series = _MANY - _FEW
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)  # noqa: S603
    name = " ".join((version.stdout or version.stderr).split()[:3]).replace(", version", "")
    figures = {
        f"resident memory with {_FEW:,} series, MB": few_megabytes,
        f"resident memory with {_MANY:,} series, MB": many_megabytes,
        MEMORY: (many_megabytes - few_megabytes) * 1e6 / series,
        CPU: (many - few) / _SECONDS * 1e6 / series,
    }
    return Outcome([Table.of(f"{name}: a scrape every second for {_SECONDS} s", {name: figures})])


def _scraping(stack: ExitStack, series: int, folder: Path) -> AbstractContextManager[Server]:
    """Return a Prometheus that scrapes a page with so many series every second."""
    randomness = random.Random(series)
    agents = [
        f'{{agent="agent{number % 50:05}",company="WideCo",folder="Folder{number // 50:05}",org="WideCo-Org0"}}'
        for number in range(series)
    ]
    pages = [
        "".join(f"vspark_agent_calls_today{agent} {randomness.randrange(120)}.0\n" for agent in agents)
        for _ in range(_VARIANTS)
    ]
    target = stack.enter_context(serving([gzip.compress(page.encode()) for page in pages], folder))
    port = free_port()
    config = folder / f"{port}.yaml"
    scrape = {"job_name": "bench", "static_configs": [{"targets": [target.url.removeprefix("http://")]}]}
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}))
    return running(
        port,
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / str(port)}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
