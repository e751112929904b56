"""The running exporter: a configuration's targets polled and served until it is told to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from exporter import __version__
from exporter.agents import AgentRules
from exporter.check import zone_warnings
from exporter.client import Client
from exporter.clock import Clock, SystemClock
from exporter.config import Agents, Config, StatsFields
from exporter.decode import Reader
from exporter.endpoints import ListenAddress
from exporter.errors import ListenError
from exporter.fields import Layouts
from exporter.poller import Poller
from exporter.store import Store
from exporter.targets import Target
from exporter.telemetry import Telemetry
from exporter.web import Web

Hello = Callable[[Web], None]


def make_rules(agents: Agents) -> AgentRules:
    """Make the rules for which agents are shown."""
    return AgentRules(
        enabled=agents.enabled,
        max_per_folder=agents.max_per_folder,
        include=agents.include,
        exclude=agents.exclude,
        hash_key=agents.hash_key_file.read_bytes().strip() if agents.hash_key_file else None,
    )


def make_reader(fields: StatsFields) -> Reader:
    """Make the reader for an installation's names."""
    return Reader(Layouts(fields.calls, fields.average_duration, fields.agents))


class Serving(Struct, frozen=True):
    """How the exporter is served; `process_metrics`: with those of the Python process."""

    addresses: tuple[ListenAddress, ...]
    metrics_path: str = "/metrics"
    process_metrics: bool = True


@asynccontextmanager
async def running(
    config: Config, targets: Sequence[Target], serving: Serving, log: FilteringBoundLogger, clock: Clock | None = None
) -> AsyncIterator[Web]:
    """Poll and serve while the block runs; raises ListenError where an address cannot be had."""
    clock = clock or SystemClock()
    telemetry = Telemetry(process=serving.process_metrics)
    telemetry.config_loaded(clock.time())
    for warning in zone_warnings(config):
        log.warning("no_time_zone", place=warning)
    store = Store()
    client = Client(config.vspark, concurrency=config.poll.concurrency, observe=telemetry.observe_request)
    poller = Poller(
        targets,
        client,
        store,
        reader=make_reader(config.stats_fields),
        rules=make_rules(config.agents),
        clock=clock,
        log=log,
    )
    web = Web(
        store,
        telemetry,
        ready=lambda: poller.ready,
        addresses=serving.addresses,
        metrics_path=serving.metrics_path,
    )
    try:
        await web.start()
        log.info("listening", version=__version__, addresses=" ".join(web.sockets), targets=len(targets))
        async with client, asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(poller.run(), name="poller")
            try:
                yield web
            finally:
                web.stop_being_ready()
                polling.cancel()
    finally:
        await web.stop()


async def serve(
    config: Config, targets: Sequence[Target], serving: Serving, log: FilteringBoundLogger, hello: Hello | None = None
) -> int:
    """Poll and serve until SIGTERM or SIGINT; give the exit code. `hello` is called once it listens."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGHUP, lambda: log.warning("reload_not_supported", hint="restart to load a changed configuration")
    )
    try:
        async with running(config, targets, serving, log) as web:
            if hello is not None:
                hello(web)
            await stop.wait()
    except ListenError as error:
        log.error("cannot_listen", error=str(error), hint="choose another address with --web.listen-address")  # noqa: TRY400 # the line says it all
        return 1
    log.info("stopped")
    return 0
