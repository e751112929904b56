"""A site to poll: its upstream, and the exporters that poll it by the same configuration file."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.bench.measure import PYTHON, Server, free_port, running
from tools.bench.report import ORDINARY, OURS
from tools.bench.upstream import COMPANY, folder_name, org_name

_OURS = (
    *(sys.executable, "-c"),
    "import runpy, sys; sys.modules['rich'] = None; runpy.run_module('exporter', run_name='__main__', alter_sys=True)",
)
"""structlog loads rich where it is installed: tools for development need it, users do not have it."""
EXPORTERS = (OURS, ORDINARY)


@dataclass(frozen=True)
class Site:
    """The orgs of a site, each with `folders` of `agents`, in JSON of a `form`: object, list or beside.

    `by_folder`: each folder is a target; otherwise each org is one.
    """

    folders: int
    agents: int
    orgs: int = 1
    form: str = "object"
    by_folder: bool = False
    concurrency: int = 4

    @property
    def folder_names(self) -> list[str]:
        """The names of the folders of each org."""
        return [folder_name(number) for number in range(self.folders)]

    @contextmanager
    def upstream(self) -> Iterator[Server]:
        """Run an upstream that serves the site while the block runs."""
        port = free_port()
        sizes = [f"--orgs={self.orgs}", f"--folders={self.folders}", f"--agents={self.agents}"]
        flags = [f"--port={port}", *sizes, f"--form={self.form}"]
        with running(port, *PYTHON, "tools.bench.upstream", *flags) as upstream:
            upstream.wait_for("/responses")
            yield upstream

    @contextmanager
    def exporter(self, name: str, upstream: Server, interval_seconds: float, folder: Path) -> Iterator[Server]:
        """Run an exporter while the block runs, with its configuration in `folder`."""
        port = free_port()
        config = folder / f"{port}.yaml"
        config.write_text(self._config(upstream.url, interval_seconds))
        commands = {
            OURS: (*_OURS, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"),
            ORDINARY: (*PYTHON, "tools.bench.ordinary", f"--config={config}", f"--port={port}"),
        }
        with running(port, *commands[name]) as exporter:
            yield exporter

    def _config(self, url: str, interval_seconds: float) -> str:
        names = {"folders": self.folder_names} if self.by_folder else {}
        orgs = [{"name": org_name(number), "timezone": "UTC", **names} for number in range(self.orgs)]
        config = {
            "vspark": {"url": url, "token": "bench"},
            "poll": {"interval": f"{interval_seconds * 1000:.0f}ms", "concurrency": self.concurrency},
            "companies": [{"name": COMPANY, "orgs": orgs}],
        }
        return json.dumps(config)  # which is YAML, too
