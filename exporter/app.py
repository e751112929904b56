"""The running exporter: polls the targets of a configuration and serves their metrics until it is stopped."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from exporter import __version__
from exporter.config.loaded import LoadedConfig
from exporter.errors import ListenError
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.store import Store
from exporter.polling.manager import PollManager
from exporter.polling.reload import Reloader
from exporter.runtime.clock import Clock, SystemClock
from exporter.status.overview import ConfigState
from exporter.web.endpoints import ListenAddress
from exporter.web.limits import DEFAULT_REQUESTS, Limits
from exporter.web.server import WebServer
from exporter.web.status_routes import StatusRoutes
from exporter.web.toolkit.file import WebConfigFile

_OBJECTS_BETWEEN_COLLECTIONS: Final = 10_000

LoadConfig = Callable[[], LoadedConfig]
OnListening = Callable[[WebServer], None]
BeforeServing = Callable[[PollManager, asyncio.Event], Awaitable[None]]
"""Awaited with the poll manager, before it polls, and with the event that SIGTERM and SIGINT set."""


class ServeOptions(Struct, frozen=True):
    """The flags that apply to serving.

    `process_metrics`: include those of the Python process. `lifecycle`: accept `POST /-/reload`. `auto_reload_seconds`:
    how often to check whether the configuration has changed; None: never. `web_file`: users and TLS. `max_requests`:
    the number of concurrent requests; 0: no limit.
    """

    addresses: tuple[ListenAddress, ...]
    metrics_path: str = "/metrics"
    process_metrics: bool = True
    lifecycle: bool = False
    auto_reload_seconds: float | None = None
    web_file: WebConfigFile | None = None
    max_requests: int = DEFAULT_REQUESTS


class Running(NamedTuple):
    """The parts of a running exporter that its caller needs."""

    web: WebServer
    reloader: Reloader


@asynccontextmanager
async def running(
    loaded: LoadedConfig,
    load: LoadConfig,
    serving: ServeOptions,
    log: FilteringBoundLogger,
    clock: Clock | None = None,
    before: Callable[[PollManager], Awaitable[None]] | None = None,
) -> AsyncIterator[Running]:
    """Poll and serve while the block runs. `load` loads the configuration again, or raises ConfigErrors.

    `before` is awaited with the poll manager, before it polls and before anything is served.
    Raises ListenError if an address cannot be listened on.
    """
    clock = clock or SystemClock()
    telemetry = SelfMetrics(process=serving.process_metrics, share=loaded.share)
    store = Store()
    polling = PollManager(loaded, store, telemetry, clock, log)
    reloader = Reloader(loaded, load, polling.follow, telemetry, clock, log)
    web = WebServer(
        store,
        telemetry,
        StatusRoutes(
            polling.poller.status,
            lambda: ConfigState(
                reloader.last.loaded_at,
                reloader.last.problems,
                tuple(polling.discovery_log.failures.values()),
                loaded.share,
            ),
            clock,
            serving.metrics_path,
        ),
        ready=lambda: polling.ready,
        addresses=serving.addresses,
        metrics_path=serving.metrics_path,
        reload=reloader.reload if serving.lifecycle else None,
        web_file=serving.web_file,
        limits=Limits(requests=serving.max_requests),
        log=log,
    )
    try:
        async with polling:
            if before is not None:
                await before(polling)
            await web.start()
            log.info("listening", version=__version__, addresses=" ".join(web.sockets), targets=len(loaded.targets()))
            async with asyncio.TaskGroup() as tasks:
                work = [tasks.create_task(polling.run(), name="polling")]
                if serving.auto_reload_seconds is not None:
                    work.append(tasks.create_task(reloader.watch(serving.auto_reload_seconds), name="auto-reload"))
                if serving.web_file is not None:
                    following = serving.web_file.follow(clock, log, telemetry)
                    work.append(tasks.create_task(following, name="web file"))
                try:
                    yield Running(web, reloader)
                finally:
                    web.stop_being_ready()
                    for task in work:
                        task.cancel()
    finally:
        await web.stop()


def collect_seldom() -> None:
    """Make garbage collections rare. Each one blocks the event loop."""
    gc.freeze()  # what is loaded now stays
    # Polls leave few cycles behind, but many objects. By default, every second poll would cause a collection.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


async def serve(
    loaded: LoadedConfig,
    load: LoadConfig,
    serving: ServeOptions,
    log: FilteringBoundLogger,
    on_listening: OnListening | None = None,
    *,
    clock: Clock | None = None,
    before: BeforeServing | None = None,
) -> int:
    """Poll and serve until SIGTERM or SIGINT, reload on SIGHUP, and return the exit code.

    `before` is awaited before anything is polled or served; if it ends after such a signal, nothing is.
    """
    collect_seldom()
    stop, hang_up = asyncio.Event(), asyncio.Event()
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, hang_up)):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # it was blocked during the start
    try:
        first = None if before is None else partial(_unless_stopped, before, stop)
        async with (
            running(loaded, load, serving, log, clock, first) as (web, reloader),
            asyncio.TaskGroup() as tasks,
        ):
            reloading = tasks.create_task(_reload_on(hang_up, reloader), name="reload")
            if on_listening is not None:
                on_listening(web)
            await stop.wait()
            reloading.cancel()
    except _StoppedBefore:
        pass
    except ListenError as error:
        log.error("cannot_listen", error=str(error), hint="choose another address with --web.listen-address")  # noqa: TRY400 # a traceback adds nothing
        return 1
    log.info("stopped")
    return 0


class _StoppedBefore(Exception):  # noqa: N818 - not an error
    """A signal came before anything was served."""


async def _unless_stopped(before: BeforeServing, stop: asyncio.Event, polling: PollManager) -> None:
    await before(polling, stop)
    if stop.is_set():
        raise _StoppedBefore


async def _reload_on(event: asyncio.Event, reloader: Reloader) -> None:
    while True:
        await event.wait()
        event.clear()
        await reloader.reload()
