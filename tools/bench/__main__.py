"""Compare the CPU time of this exporter's polls and scrapes with an ordinary exporter's, and check the claims.

Each exporter runs as a process of its own, polls the same upstream, which is another process, and is scraped over HTTP.
The figures are the CPU time, user and system, that the operating system accounts to the exporter, including all of its
HTTP. Milliseconds depend on the machine; ratios of two exporters measured in the same run hardly do.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tools.bench.measure import Server, free_port, longest_wait, running
from tools.bench.sizes import SIZES, Size
from tools.bench.status import TARGETS, StatusCosts, status_costs

_IDLE_SECONDS = 3600
"""A poll interval with only one poll, so that scrapes are measured without polls."""


class Costs(NamedTuple):
    """The figures of one exporter: CPU milliseconds, resident megabytes, and the longest wait in milliseconds."""

    poll_all: float
    poll_some: float
    poll_same: float
    scrape_gzip: float
    scrape_plain: float
    resident: float
    longest_wait: float


_TITLES = (
    "poll, everything changed",
    "poll, 1 % of folders changed",
    "poll, nothing changed",
    "scrape, gzip",
    "scrape, plain",
    "resident memory, MB",
    "longest wait for /-/healthy, ms",
)


class Claim(NamedTuple):
    """A figure, the limit that it must not exceed, and one sentence on why the claim should hold."""

    title: str
    figure: float
    limit: float
    reason: str


class Kind(NamedTuple):
    """A kind of exporter: its command line, and the number of scrapes that are averaged."""

    command: Callable[[int, Server, float, Path], list[str]]
    scrapes: int


def _ours(port: int, upstream: Server, interval_seconds: float, folder: Path) -> list[str]:
    config = folder / f"{port}.yaml"
    config.write_text(
        f"vspark: {{url: '{upstream.url}', token: bench}}\n"
        f"poll: {{interval: {interval_seconds * 1000:.0f}ms}}\n"
        "companies: [{name: WideCo, orgs: [{name: WideCo-Org, timezone: UTC}]}]\n"
    )
    return ["exporter", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]


def _ordinary(port: int, upstream: Server, interval_seconds: float, _: Path) -> list[str]:
    url = f"{upstream.url}/stats/WideCo/WideCo-Org?token=bench"
    return ["tools.bench.ordinary", f"--port={port}", f"--url={url}", f"--interval={interval_seconds}"]


def measure(kind: Kind, upstream: Server, folder: Path, size: Size) -> Costs:
    """Measure one exporter: first scrapes without polls, then polls without scrapes, then waits during polls."""
    port = free_port()
    upstream.get("/mode/same", post=True)
    with running(port, *kind.command(port, upstream, _IDLE_SECONDS, folder)) as exporter:
        exporter.wait_for("/-/ready")
        scrape_gzip = _scrape(exporter, kind.scrapes, gzip=True)
        scrape_plain = _scrape(exporter, kind.scrapes, gzip=False)
    port = free_port()
    with running(port, *kind.command(port, upstream, size.interval_seconds, folder)) as exporter:
        exporter.wait_for("/-/ready")
        polls = {mode: _poll(exporter, upstream, mode, size) for mode in ("all", "some", "same")}
        upstream.get("/mode/all", post=True)
        with longest_wait(exporter, "/-/healthy") as waits:
            _wait_for_polls(upstream, size.polls, size)
        for gzip in (False, True):
            exporter.get("/metrics", gzip=gzip)
        resident = exporter.resident_megabytes()
    return Costs(polls["all"], polls["some"], polls["same"], scrape_gzip, scrape_plain, resident, max(waits) * 1000)


def _scrape(exporter: Server, times: int, *, gzip: bool) -> float:
    exporter.get("/metrics", gzip=gzip)
    before = exporter.cpu_seconds()
    for _ in range(times):
        exporter.get("/metrics", gzip=gzip)
    return (exporter.cpu_seconds() - before) / times * 1000


def _poll(exporter: Server, upstream: Server, mode: str, size: Size) -> float:
    upstream.get(f"/mode/{mode}", post=True)
    _wait_for_polls(upstream, 1, size)
    before = exporter.cpu_seconds()
    _wait_for_polls(upstream, size.polls, size)
    return (exporter.cpu_seconds() - before) / size.polls * 1000


def _wait_for_polls(upstream: Server, polls: int, size: Size) -> None:
    """Wait until the upstream has sent that many more responses, and half an interval for the last one's processing."""
    expected = int(upstream.get("/responses")) + polls
    while int(upstream.get("/responses")) < expected:
        time.sleep(0.02)
    time.sleep(size.interval_seconds / 2)


def small_site(folder: Path) -> tuple[float, float]:
    """Measure a site of 3 orgs, each with 10 folders of 50 agents.

    Returns the seconds from the start of the process until it is ready, and its resident megabytes.
    """
    upstream_port, port = free_port(), free_port()
    with running(
        upstream_port, "tools.bench.upstream", f"--port={upstream_port}", "--folders=10", "--agents=50"
    ) as upstream:
        upstream.wait_for("/responses")
        config = folder / "small.yaml"
        orgs = ", ".join(f"{{name: WideCo-Org{number}, timezone: UTC}}" for number in range(3))
        config.write_text(
            f"vspark: {{url: '{upstream.url}', token: bench}}\ncompanies: [{{name: WideCo, orgs: [{orgs}]}}]\n"
        )
        begun = time.perf_counter()
        address = f"--web.listen-address=127.0.0.1:{port}"
        with running(port, "exporter", f"--config.file={config}", address) as exporter:
            exporter.wait_for("/-/ready")
            ready_seconds = time.perf_counter() - begun
            exporter.get("/metrics")
            return ready_seconds, exporter.resident_megabytes()


def _report(size: Size, ours: Costs, ordinary: Costs) -> None:
    print(f"\n{size.agents:,} agents in {size.folders} folders (CPU milliseconds unless stated otherwise)")
    print(f"{'':32}{'ours':>10}{'ordinary':>10}{'ratio':>10}")
    for title, mine, theirs in zip(_TITLES, ours, ordinary, strict=True):
        print(f"{title:32}{mine:10.2f}{theirs:10.1f}{f'1/{theirs / max(mine, 0.01):.1f}':>10}")


def _claims(
    ours: Costs, ordinary: Costs, ready_seconds: float, small_megabytes: float, status: StatusCosts
) -> list[Claim]:
    large = f"{SIZES[-1].agents:,} agents:"
    page = f"status page of {TARGETS:,} targets:"
    return [
        Claim(
            f"{large} gzip scrape / ordinary exporter's",
            *(ours.scrape_gzip / ordinary.scrape_gzip, 1 / 1000),
            "A scrape sends blocks that polls have rendered and compressed; the ordinary exporter does both each time.",
        ),
        Claim(
            f"{large} poll, everything changed / ordinary exporter's",
            *(ours.poll_all / ordinary.poll_all, 1 / 4),
            "A poll decodes into typed records and renders text, without an object for each series.",
        ),
        Claim(
            f"{large} poll, 1 % changed / everything changed",
            *(ours.poll_some / ours.poll_all, 1 / 4),
            "Only the folders whose bytes changed are decoded and rendered again.",
        ),
        Claim(
            f"{large} poll, nothing changed / everything changed",
            *(ours.poll_same / ours.poll_all, 1 / 8),
            "A body that equals the previous one is neither decoded nor rendered.",
        ),
        Claim(
            f"{large} resident memory, MB",
            *(ours.resident, 100),
            "Only compressed blocks are kept; plain text exists piece by piece while it is sent.",
        ),
        Claim(
            f"{large} longest wait for /-/healthy while polling, ms",
            *(ours.longest_wait, 50),
            "Long work is split by folder and pauses for the event loop in between.",
        ),
        Claim(
            "small site: seconds from start to ready",
            *(ready_seconds, 1),
            "A restart at a small site loses at most one scrape.",
        ),
        Claim(
            "small site: resident memory, MB",
            *(small_megabytes, 60),
            "The chart's memory request of 64 MiB is enough for a small site.",
        ),
        Claim(
            f"{page} ms",
            *(status.page, 200),
            "The page of a large site opens without a noticeable delay.",
        ),
        Claim(
            f"{page} longest wait for /metrics meanwhile, ms",
            *(status.wait_meanwhile, 50),
            "The page is rendered in pieces, so it does not delay scrapes.",
        ),
    ]


def main() -> int:
    """Measure, print the figures, and return 1 if a claim does not hold."""
    kinds = (Kind(_ours, scrapes=300), Kind(_ordinary, scrapes=3))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            port = free_port()
            with running(port, "tools.bench.upstream", f"--port={port}", f"--folders={size.folders}") as upstream:
                upstream.wait_for("/responses")
                ours, ordinary = (measure(kind, upstream, folder, size) for kind in kinds)
            _report(size, ours, ordinary)
        claims = _claims(ours, ordinary, *small_site(folder), status := status_costs(folder))
    print(
        f"\nstatus page of {TARGETS:,} targets: {status.page:.0f} ms, {status.page_cpu:.0f} ms of CPU; longest wait "
        f"for /metrics {status.wait_alone:.0f} ms without the page, {status.wait_meanwhile:.0f} ms during it\n"
    )
    for claim in claims:
        verdict = "holds" if claim.figure <= claim.limit else "MISSED"
        print(f"{verdict:8}{claim.title:70}{claim.figure:10.4f}  at most {claim.limit:.4f}\n{'':8}{claim.reason}")
    return int(any(claim.figure > claim.limit for claim in claims))


if __name__ == "__main__":
    sys.exit(main())
