"""Row `idle`: 3 orgs that are polled every 5 s and do not change, without scrapes."""

import time
from contextlib import ExitStack
from pathlib import Path

from tools.bench.report import Claim, Outcome, Table
from tools.bench.site import EXPORTERS, Site

_SITE = Site(folders=10, agents=5, orgs=3)
_INTERVAL_SECONDS = 5.0
_INTERVALS = 6
_SHARE = "share of a core, %"


def idle(folder: Path) -> Outcome:
    """Measure both exporters at the same time: they hardly do anything."""
    with ExitStack() as stack:
        upstream = stack.enter_context(_SITE.upstream())
        exporters = {
            name: stack.enter_context(_SITE.exporter(name, upstream, _INTERVAL_SECONDS, folder)) for name in EXPORTERS
        }
        for exporter in exporters.values():
            exporter.wait_for("/-/ready")
        time.sleep(_INTERVAL_SECONDS)
        before = {name: exporter.cpu_seconds() for name, exporter in exporters.items()}
        begun = time.monotonic()
        time.sleep(_INTERVALS * _INTERVAL_SECONDS)
        seconds = time.monotonic() - begun
        shares = {
            name: {_SHARE: (exporter.cpu_seconds() - before[name]) / seconds * 100}
            for name, exporter in exporters.items()
        }
    table = Table.of("idle: 3 orgs of 10 folders of 5 agents every 5 s, unchanged, no scrapes", shares)
    return Outcome(
        [table],
        [
            Claim(
                "idle: CPU / ordinary exporter's",
                *(table.ratio(_SHARE), 1),
                "A body that has not changed is not read again, and few timers run.",
            )
        ],
    )
