"""Measure this exporter beside an ordinary one, print the figures, and check the claims.

Each exporter is a process of its own that polls the same upstream, another process, and is scraped over HTTP. The
figures are the CPU time, user and system, that the operating system accounts to it, including all of its HTTP.
Milliseconds depend on the machine; ratios of two exporters measured in the same run hardly do. Runs on Linux.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.bench.bulk import bulk
from tools.bench.floor import floor
from tools.bench.folders import folders
from tools.bench.forms import forms
from tools.bench.idle import idle
from tools.bench.measure import compile_modules
from tools.bench.orgs import orgs
from tools.bench.prometheus import prometheus
from tools.bench.report import Outcome, Report
from tools.bench.small import small
from tools.bench.status import status

_ROWS: Final[Mapping[str, Callable[[Path], Outcome]]] = {
    "folders": folders,
    "small": small,
    "idle": idle,
    "orgs": orgs,
    "forms": forms,
    "floor": floor,
    "bulk": bulk,
    "status": status,
    "prometheus": prometheus,
}
"""What can be measured. A row gets a folder for its files."""


def main() -> int:
    """Measure, print the figures, and return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(_ROWS)}; default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of these rows into a file, too")
    flags = parser.parse_args()
    if unknown := set(flags.rows) - set(_ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    outcomes: dict[str, Outcome] = {}
    compile_modules("exporter.cli.commands", "exporter.status.page", "tools.bench.ordinary", "tools.bench.upstream")
    with tempfile.TemporaryDirectory() as name:
        for row in flags.rows or _ROWS:
            outcomes[row] = _ROWS[row](Path(name))
            outcomes[row].print()
            sys.stdout.flush()
            if flags.json:
                Report.here(outcomes).write(flags.json)
    missed = [claim.title for outcome in outcomes.values() for claim in outcome.missed]
    print("\nAll claims hold." if not missed else "\nMissed: " + "; ".join(missed))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
