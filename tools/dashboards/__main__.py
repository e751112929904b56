"""`python -m tools.dashboards`: write the chart's dashboards; tests/dashboards compares them with the code."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards.calls import calls
from tools.dashboards.exporter import exporter
from tools.dashboards.page import written

CHART: Final = Path(__file__).parents[2] / "helm" / "vspark-exporter" / "dashboards"
FILES: Final[dict[str, Callable[[], Dashboard]]] = {"vspark-calls.json": calls, "vspark-exporter.json": exporter}


def main() -> None:
    """Write every file, and name it."""
    CHART.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        (CHART / name).write_text(written(make()), "utf-8")
        sys.stdout.write(f"{CHART / name}\n")


if __name__ == "__main__":
    main()
