"""Row `forms`: 100,000 agents in each form of JSON, all of them changed by every poll."""

from dataclasses import replace
from pathlib import Path

from tools.bench.measure import Server, waiting
from tools.bench.orgs import SIZES, STALL, WAIT
from tools.bench.polls import poll_milliseconds, wait_for_polls
from tools.bench.report import Claim, Outcome, Table
from tools.bench.site import EXPORTERS

FORMS = {"object": "agents as an object", "list": "agents as a list", "beside": "agents beside their number"}
_POLL = "poll, ms of CPU"


def forms(folder: Path) -> Outcome:
    """Measure both exporters with each form."""
    size = SIZES[-1]
    tables, claims = [], []
    for form, words in FORMS.items():
        site = replace(size.site, form=form)
        costs = {}
        with site.upstream() as upstream:
            for name in EXPORTERS:
                with site.exporter(name, upstream, size.interval_seconds, folder) as exporter:
                    costs[name] = _costs(exporter, upstream)
        table = Table.of(f"{size.agents:,} agents, all changed: {words}", costs)
        tables.append(table)
        claims += [
            Claim(
                f"{size.agents:,} agents, all changed, {words}: poll / ordinary exporter's",
                *(table.ratio(_POLL), 1 / 4),
                "A poll decodes into typed records and renders text, without an object for each series.",
            ),
            Claim(
                f"{size.agents:,} agents, all changed, {words}: longest stall, ms of CPU",
                *(table.figure(STALL), 20),
                "Long work pauses for the event loop after every four milliseconds.",
            ),
        ]
    return Outcome(tables, claims)


def _costs(exporter: Server, upstream: Server) -> dict[str, float]:
    size = SIZES[-1]
    exporter.wait_for("/-/ready")
    milliseconds = poll_milliseconds(exporter, upstream, "all", size.polls, size.interval_seconds)
    with waiting(exporter, "/-/healthy") as waits:
        wait_for_polls(upstream, size.polls, size.interval_seconds)
    return {_POLL: milliseconds, STALL: waits.longest_cpu_milliseconds, WAIT: waits.longest_milliseconds}
