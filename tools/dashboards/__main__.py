"""Write the JSON of the dashboards into the chart. tests/dashboards fails if the chart and the code differ."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboards.calls import calls
from tools.dashboards.exporter import exporter
from tools.dashboards.layout import to_json

CHART: Final = Path(__file__).parents[2] / "helm" / "vspark-exporter" / "dashboards"
FILES: Final[dict[str, Callable[[], Dashboard]]] = {"vspark-calls.json": calls, "vspark-exporter.json": exporter}


def main() -> None:
    """Write every dashboard and print its path."""
    CHART.mkdir(parents=True, exist_ok=True)
    for name, build in FILES.items():
        (CHART / name).write_text(to_json(build()), "utf-8")
        sys.stdout.write(f"{CHART / name}\n")


if __name__ == "__main__":
    main()
