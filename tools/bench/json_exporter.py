"""json_exporter, the exporter for any JSON, where it is on PATH: a probe is a request to V-Spark and a scrape in one.

It needs agents in a list, and a rule for each folder: its JSON paths reach neither the keys of an object, nor the
folder of an agent. It cannot read durations such as 0:05:12.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from tools.bench.measure import Server, free_port, running
from tools.bench.site import Site
from tools.bench.upstream import COMPANY, org_name

NAME = "json_exporter"
MISSING = "json_exporter is not on PATH, so it is not compared: https://github.com/prometheus-community/json_exporter"


def is_installed() -> bool:
    """Return whether it is on PATH."""
    return shutil.which(NAME) is not None


@contextmanager
def json_exporter(site: Site, folder: Path) -> Iterator[Server]:
    """Run it while the block runs, with its configuration in `folder`."""
    port = free_port()
    agents = [
        {
            "name": "vspark_agent",
            "type": "object",
            "path": f'{{ [?(@.folder=="{name}")].agents[*] }}',
            "labels": {"folder": name, "agent": "{.agent}"},
            "values": {"calls_today": "{.calls}"},
        }
        for name in site.folder_names
    ]
    calls = {
        "name": "vspark_folder",
        "type": "object",
        "path": "{ [*] }",
        "labels": {"folder": "{.folder}"},
        "values": {"calls_today": "{.calls}"},
    }
    config = folder / f"{port}.yaml"
    config.write_text(json.dumps({"modules": {"default": {"metrics": [calls, *agents]}}}))
    with running(port, NAME, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}") as exporter:
        exporter.wait_for("/")
        yield exporter


def probe_path(upstream: Server) -> str:
    """Return the path of a probe of the first org of `upstream`."""
    target = f"{upstream.url}/stats/{COMPANY}/{org_name(0)}?token=bench"
    return f"/probe?{urlencode({'module': 'default', 'target': target})}"
