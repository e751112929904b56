"""The command `demo`: a simulated V-Spark and the exporter that polls it, in one process."""

import os
import sys

from structlog.typing import FilteringBoundLogger

from exporter.app import ServeOptions, serve
from exporter.config.loaded import LoadedConfig
from exporter.config.schema import Config, Poll, Vspark
from exporter.config.tokens import LiteralToken
from exporter.config.units import Duration
from exporter.simulator import Simulator, Site, demo_site
from exporter.web.server import WebServer

_INTERVAL_SECONDS = 5


def demo_config(site: Site, url: str) -> Config:
    """Return the configuration of two lines for a simulated site, and an interval: all else is discovered."""
    return Config(
        vspark=Vspark(url=url, token=LiteralToken(site.root_token), timeout_seconds=Duration(_INTERVAL_SECONDS)),
        poll=Poll(interval_seconds=Duration(_INTERVAL_SECONDS)),
    )


async def demo(serving: ServeOptions, log: FilteringBoundLogger) -> int:
    """Run until SIGTERM or SIGINT, and return the exit code."""
    async with Simulator(demo_site()) as simulator:
        # A proxy from the environment cannot reach the simulator on this machine.
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = simulator.host
        loaded = LoadedConfig.of(demo_config(simulator.site, simulator.url))

        def show_urls(web: WebServer) -> None:
            metrics = f"{web.urls[0]}{serving.metrics_path}"
            company = simulator.site.companies[0]
            sys.stdout.write(
                f"A simulated V-Spark runs at {simulator.url} and is polled every {_INTERVAL_SECONDS} seconds.\n"
                f"\n"
                f"  open {metrics} to see today's calls, mean durations and agents; reload to see them change\n"
                f"  open {web.urls[0]}/ to see the state of every target, and today's figures at a glance\n"
                f"\n"
                f"  the response of V-Spark:  curl '{simulator.url}/stats/{company.name}/{company.orgs[0].name}"
                f"?token={company.token}'\n"
                f"\n"
                f"Press Ctrl-C to stop.\n"
            )
            sys.stdout.flush()

        return await serve(loaded, lambda: loaded, serving, log, show_urls)
