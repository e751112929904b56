"""Row `floor`: a gzip scrape beside the least that a server on aiohttp can do, a finished body of the same size."""

from pathlib import Path

from tools.bench.measure import Scraper, Server
from tools.bench.orgs import SIZES
from tools.bench.report import OURS, Claim, Outcome, Table
from tools.bench.site import Site
from tools.bench.static import serving

_STATIC = "static body"
_SITES = {
    "10 folders of 50 agents": Site(folders=10, agents=50),
    f"{SIZES[-1].agents:,} agents in {SIZES[-1].site.folders} folders": SIZES[-1].site,
}
_ROUNDS, _SCRAPES = 5, 200
_GZIP, _SIZE = "scrape, gzip, ms of CPU", "bytes of the response, kB"


def floor(folder: Path) -> Outcome:
    """Measure both servers in turn, several times, and keep the least of each."""
    tables = []
    for words, site in _SITES.items():
        with site.upstream() as upstream, site.exporter(OURS, upstream, 3600, folder) as exporter:
            exporter.wait_for("/-/ready")
            body = exporter.scraper().scrape()
            with serving([body], folder) as static:
                servers = {OURS: exporter, _STATIC: static}
                scrapers = {name: server.scraper() for name, server in servers.items()}
                rounds = [
                    {name: _milliseconds(server, scrapers[name]) for name, server in servers.items()}
                    for _ in range(_ROUNDS)
                ]
        tables.append(
            Table.of(
                words,
                {name: {_GZIP: min(each[name] for each in rounds), _SIZE: len(body) / 1000} for name in servers},
            )
        )
    large = tables[-1]
    return Outcome(
        tables,
        [
            Claim(
                f"{large.title}: gzip scrape / static body of the same size",
                *(large.ratio(_GZIP), 2),
                "The page is ready; only the metrics of the process are rendered for a scrape.",
            )
        ],
    )


def _milliseconds(server: Server, scraper: Scraper) -> float:
    before = server.cpu_seconds()
    for _ in range(_SCRAPES):
        scraper.scrape()
    return (server.cpu_seconds() - before) / _SCRAPES * 1000
