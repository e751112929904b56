"""The two processes of a soak test that run in accelerated time: the exporter, and a V-Spark whose faults change.

The exporter prints its number of tasks every second, as a line of JSON.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
from functools import partial
from itertools import count
from pathlib import Path

from exporter.app import ServeOptions, running
from exporter.config.loaded import LoadedConfig
from exporter.runtime import logs
from exporter.simulator import Company, Fault, Folder, Org, Simulator, Site
from exporter.web.endpoints import ListenAddress
from tests.soak.hurry import HurriedClock

TOKEN = "soak"  # for the simulator
ZONES = ("UTC", "US/Eastern", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland")
FAULT_SHARE = 0.05
FAULT_SECONDS = 60.0
_FAULTS = (
    *(Fault.slow(), Fault.reset(), Fault.redirect(), Fault.garbage(), Fault.html(), Fault.empty()),
    *(Fault.status(403), Fault.status(404), Fault.status(429), Fault.status(503), Fault.truncated(), Fault.bad_gzip()),
)


def org_name(number: int) -> str:
    """Return the name of an org."""
    return f"SoakCo-Org{number:04}"


async def serve(path: Path, clock: HurriedClock, port: int) -> None:
    """Run the exporter until SIGTERM; SIGHUP reloads the configuration."""
    log = logs.configure("info", "logfmt")
    load = partial(LoadedConfig.load, path)
    stop, hang_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up.set)
    # No limit: the slow scrapers would take the places of all others.
    serving = ServeOptions((ListenAddress("127.0.0.1", port),), max_requests=0)
    async with running(load(), load, serving, log, clock) as exporter:
        while not stop.is_set():
            _print(tasks=len(asyncio.all_tasks()))
            if hang_up.is_set():
                hang_up.clear()
                await exporter.reloader.reload()
            await asyncio.sleep(1)


async def simulate(orgs: int, agents: int, clock: HurriedClock, port: int) -> None:
    """Run a V-Spark until killed; every minute other orgs get a fault."""
    ids = tuple(f"a{number:04}" for number in range(agents))
    folder = Folder("Calls", 40 * agents, ids, weekend_share=1.0, absent_share=0.0, around_the_clock=True)
    site = Site(
        (
            Company(
                "SoakCo",
                TOKEN,
                tuple(Org(org_name(number), ZONES[number % len(ZONES)], (folder,)) for number in range(orgs)),
            ),
        )
    )
    chance = random.Random(1)
    async with Simulator(site, clock=clock.utc, port=port) as simulator:
        for second in count():
            if second % FAULT_SECONDS == 0:
                simulator.heal_all()
                for number in chance.sample(range(orgs), int(orgs * FAULT_SHARE)):
                    simulator.fail("SoakCo", org_name(number), "Calls", fault=chance.choice(_FAULTS))
            await asyncio.sleep(1)


def _print(**figures: int) -> None:
    sys.stdout.write(f"{json.dumps(figures)}\n")
    sys.stdout.flush()


def main() -> None:
    """Run one of the two processes: the exporter with `--config`, otherwise the V-Spark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--origin", type=float, required=True)
    parser.add_argument("--factor", type=float, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--orgs", type=int, default=0)
    parser.add_argument("--agents", type=int, default=0)
    flags = parser.parse_args()
    clock = HurriedClock(flags.origin, flags.factor)
    if flags.config is not None:
        asyncio.run(serve(flags.config, clock, flags.port))
    else:
        asyncio.run(simulate(flags.orgs, flags.agents, clock, flags.port))


if __name__ == "__main__":
    main()
