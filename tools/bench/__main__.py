"""CPU time of polls and scrapes beside an exporter of the ordinary kind, in the same run, as ratios.

Every exporter is a process of its own, polls an upstream that is another, and is scraped over HTTP; what counts is the
CPU time that the operating system accounts to it, user and system, with all of HTTP in it.
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


class Costs(NamedTuple):
    """What one exporter costs: CPU milliseconds each, resident megabytes, the longest wait for `/-/healthy` in ms."""

    poll_all: float
    poll_some: float
    poll_same: float
    scrape_gzip: float
    scrape_plain: float
    resident: float
    longest_wait: float


class Claim(NamedTuple):
    """A figure and its limit."""

    what: str
    figure: float
    limit: float


class Kind(NamedTuple):
    """A kind of exporter: how it is started, and how many scrapes make a figure."""

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
    """Measure one exporter against an upstream."""
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
        for plain in (True, False):
            exporter.get("/metrics", gzip=not plain)
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
    """Wait until so many more answers have been given and digested."""
    wanted = int(upstream.get("/answered")) + polls
    while int(upstream.get("/answered")) < wanted:
        time.sleep(0.02)
    time.sleep(size.interval_seconds / 2)


def small_site(folder: Path) -> tuple[float, float]:
    """Give the seconds from start to ready with 3 orgs, 10 folders each, 50 agents each, and the resident megabytes."""
    upstream_port, port = free_port(), free_port()
    with running(
        upstream_port, "tools.bench.upstream", f"--port={upstream_port}", "--folders=10", "--agents=50"
    ) as upstream:
        upstream.wait_for("/answered")
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
    print(f"\n{size.agents:,} agents in {size.folders} folders (CPU ms each)")
    print(f"{'':32}{'ours':>10}{'ordinary':>10}{'ratio':>10}")
    names = (
        "poll, everything changed",
        "poll, 1 % of folders changed",
        "poll, nothing changed",
        "scrape, gzip",
        "scrape, plain",
        "resident memory, MB",
        "longest wait for /-/healthy, ms",
    )
    for name, mine, theirs in zip(names, ours, ordinary, strict=True):
        print(f"{name:32}{mine:10.2f}{theirs:10.1f}{f'1/{theirs / max(mine, 0.01):.1f}':>10}")


def _claims(
    ours: Costs, ordinary: Costs, ready_seconds: float, small_megabytes: float, status: StatusCosts
) -> list[Claim]:
    page = f"status page of {TARGETS:,} targets:"
    at = f"{SIZES[-1].agents:,} agents:"
    return [
        Claim(f"{at} gzip scrape / the ordinary one's", ours.scrape_gzip / ordinary.scrape_gzip, 1 / 1000),
        Claim(f"{at} poll, everything changed / the ordinary one's", ours.poll_all / ordinary.poll_all, 1 / 4),
        Claim(f"{at} poll, 1 % changed / everything changed", ours.poll_some / ours.poll_all, 1 / 4),
        Claim(f"{at} poll, nothing changed / everything changed", ours.poll_same / ours.poll_all, 1 / 8),
        Claim(f"{at} resident memory, MB", ours.resident, 100),
        Claim(f"{at} longest wait for /-/healthy while polling, ms", ours.longest_wait, 50),
        Claim("small site: seconds from start to ready", ready_seconds, 1),
        Claim("small site: resident memory, MB", small_megabytes, 60),
        Claim(f"{page} ms", status.page, 200),
        Claim(f"{page} longest wait for /metrics beside it, ms", status.wait_beside, 50),
    ]


def main() -> int:
    """Measure, print, and give 1 where a claim does not hold."""
    kinds = (Kind(_ours, scrapes=300), Kind(_ordinary, scrapes=3))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            port = free_port()
            with running(port, "tools.bench.upstream", f"--port={port}", f"--folders={size.folders}") as upstream:
                upstream.wait_for("/answered")
                ours, ordinary = (measure(kind, upstream, folder, size) for kind in kinds)
            _report(size, ours, ordinary)
        claims = _claims(ours, ordinary, *small_site(folder), status := status_costs(folder))
    print(
        f"\nstatus page of {TARGETS:,} targets: {status.page:.0f} ms, {status.page_cpu:.0f} ms of CPU; longest wait "
        f"for /metrics {status.wait_alone:.0f} ms without it, {status.wait_beside:.0f} ms beside it\n"
    )
    for claim in claims:
        holds = "holds" if claim.figure <= claim.limit else "MISSED"
        print(f"{holds:8}{claim.what:60}{claim.figure:10.4f}  at most {claim.limit:.4f}")
    return int(any(claim.figure > claim.limit for claim in claims))


if __name__ == "__main__":
    sys.exit(main())
