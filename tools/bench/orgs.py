"""Row `orgs`: one org, polled as a whole, with 1,000, 10,000 and 100,000 agents in folders of 500."""

from pathlib import Path
from typing import NamedTuple

from tools.bench.measure import Server, waiting
from tools.bench.polls import poll_milliseconds, wait_for_polls
from tools.bench.report import ORDINARY, OURS, Claim, Outcome, Table
from tools.bench.site import EXPORTERS, Site

AGENTS_PER_FOLDER = 500
_NO_POLLS_SECONDS = 3600.0
"""A poll interval with only one poll, so that scrapes are measured without polls."""
_SCRAPES = {OURS: 300, ORDINARY: 3}

ALL, SOME, SAME = "poll, everything changed, ms", "poll, 1 % of the folders changed, ms", "poll, nothing changed, ms"
GZIP, PLAIN = "scrape, gzip, ms", "scrape, plain, ms"
RESIDENT = "resident memory, MB"
STALL, WAIT = "longest work before /-/healthy is served, ms of CPU", "longest wait for /-/healthy while polling, ms"


class Size(NamedTuple):
    """The agents of a site, its poll interval, and the number of polls that are averaged."""

    agents: int
    interval_seconds: float
    polls: int

    @property
    def site(self) -> Site:
        """The site."""
        return Site(folders=self.agents // AGENTS_PER_FOLDER, agents=AGENTS_PER_FOLDER)


SIZES = (Size(1_000, 0.1, 30), Size(10_000, 0.4, 9), Size(100_000, 2.0, 4))


def orgs(folder: Path) -> Outcome:
    """Measure both exporters at each size."""
    tables = []
    for size in SIZES:
        with size.site.upstream() as upstream:
            costs = {name: _costs(name, upstream, folder, size) for name in EXPORTERS}
        tables.append(Table.of(f"{size.agents:,} agents in {size.site.folders} folders", costs))
    return Outcome(tables, _claims(tables[-1]))


def _costs(name: str, upstream: Server, folder: Path, size: Size) -> dict[str, float]:
    """Measure one exporter: first scrapes without polls, then polls without scrapes, then waits during polls."""
    upstream.get("/mode/same", post=True)
    with size.site.exporter(name, upstream, _NO_POLLS_SECONDS, folder) as exporter:
        exporter.wait_for("/-/ready")
        gzip, plain = (_scrape_milliseconds(exporter, _SCRAPES[name], gzip=gzip) for gzip in (True, False))
    polls, interval = size.polls, size.interval_seconds
    with size.site.exporter(name, upstream, interval, folder) as exporter:
        exporter.wait_for("/-/ready")
        changed = {
            title: poll_milliseconds(exporter, upstream, mode, polls, interval)
            for title, mode in ((ALL, "all"), (SOME, "some"), (SAME, "same"))
        }
        upstream.get("/mode/all", post=True)
        with waiting(exporter, "/-/healthy") as waits:
            wait_for_polls(upstream, polls, interval)
        for compressed in (False, True):
            exporter.get("/metrics", gzip=compressed)
        resident = exporter.resident_megabytes()
    stalls = {STALL: waits.longest_cpu_milliseconds, WAIT: waits.longest_milliseconds}
    return {**changed, GZIP: gzip, PLAIN: plain, RESIDENT: resident, **stalls}


def _scrape_milliseconds(exporter: Server, times: int, *, gzip: bool) -> float:
    scraper = exporter.scraper(gzip=gzip)
    scraper.scrape()
    before = exporter.cpu_seconds()
    for _ in range(times):
        scraper.scrape()
    return (exporter.cpu_seconds() - before) / times * 1000


def _claims(table: Table) -> list[Claim]:
    large = f"{SIZES[-1].agents:,} agents:"
    everything = table.figure(ALL)
    return [
        Claim(
            f"{large} gzip scrape / ordinary exporter's",
            *(table.ratio(GZIP), 1 / 1000),
            "A scrape sends blocks that polls have rendered and compressed; the ordinary exporter does both each time.",
        ),
        Claim(
            f"{large} poll, 1 % changed / everything changed",
            *(table.figure(SOME) / everything, 1 / 4),
            "Only the folders whose bytes changed are decoded and rendered again.",
        ),
        Claim(
            f"{large} poll, nothing changed / everything changed",
            *(table.figure(SAME) / everything, 1 / 8),
            "A body that equals the previous one is neither decoded nor rendered.",
        ),
        Claim(
            f"{large} resident memory / ordinary exporter's",
            *(table.ratio(RESIDENT), 1 / 2),
            "Only compressed blocks are kept; plain text exists piece by piece while it is sent.",
        ),
    ]
