"""Loading the configuration again while everything runs."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from exporter.config.loaded import LoadedConfig, checksum, differences, zone_warnings
from exporter.config.schema import Config
from exporter.errors import ConfigError, config_errors
from exporter.exposition.self_metrics import SelfMetrics
from exporter.polling.poller import Replaced
from exporter.runtime.clock import Clock

LOAD_SECONDS: Final = 60.0
"""After that a file that is waited for counts as refused: far longer than any file system needs that is well."""
_MOST_HANGING: Final = 4
"""Threads that wait for files without end; one more would read nothing either, and hold a descriptor."""
_LOOK: Final = "look at the file system that they are on, or at who writes to a pipe"

_Result = TypeVar("_Result")


class Loading(Struct, frozen=True):
    """How the last loading of the configuration went; `loaded_at`, a Unix time, is that of the one that runs.

    `differences` are the sections and files that it had otherwise than the one before.
    """

    loaded_at: float
    replaced: Replaced
    differences: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Reloader:
    """Loads the plan by `load`, which may take its time, and lets `apply` do what it says.

    A plan that is refused leaves everything as it was.
    """

    def __init__(
        self,
        plan: LoadedConfig,
        load: Callable[[], LoadedConfig],
        apply: Callable[[LoadedConfig], Awaitable[Replaced]],
        telemetry: SelfMetrics,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._plan = plan
        self._load = load
        self._apply = apply
        self._telemetry = telemetry
        self._clock = clock
        self._log = log
        self._one_at_a_time = asyncio.Lock()
        self._reading: set[asyncio.Task[object]] = set()
        warn_of_zones(plan.config, log)
        telemetry.config_loaded(now := clock.time())
        self.last = Loading(now, Replaced(len(plan.targets), 0, 0, 0))

    async def reload(self) -> Loading:
        """Load the configuration now; tell how that went, also in the log and in the metrics."""
        async with self._one_at_a_time:
            return await self._reload(told=())

    async def watch(self, interval_seconds: float) -> None:
        """Load the configuration whenever its files have changed, until cancelled.

        Where it was refused it is tried again each time, since what it lacks, a token's file, may have come; only what
        is new about that is told.
        """
        while True:
            await self._clock.sleep(interval_seconds)
            async with self._one_at_a_time:
                await self._reload_changed()

    async def _reload_changed(self) -> None:
        told = self.last.problems
        try:
            changed = bool(told) or await self._in_time(self._have_files_changed)
        except ConfigError as hanging:
            self._refuse((str(hanging),), told)
        else:
            if changed:
                await self._reload(told=told)

    def _have_files_changed(self) -> bool:
        return any(checksum(path) != before for path, before in self._plan.checksums.items())

    async def _reload(self, *, told: tuple[str, ...]) -> Loading:
        problems: tuple[str, ...] = ()
        try:
            plan = await self._in_time(self._load)
            replaced = await self._apply(plan)
        except* ConfigError as refused:
            problems = tuple(map(str, config_errors(refused)))
        except* Exception as bug:  # noqa: BLE001 # what fails here leaves what runs as it was
            problems = ("a bug of this program: the log has the traceback",)
            if problems != told:
                # Without its message, which may quote the file.
                trace = "".join(traceback.format_tb(bug.exceptions[0].__traceback__))
                self._log.error("reload_failed", error=type(bug.exceptions[0]).__name__, traceback=trace)
        if problems:
            return self._refuse(problems, told)
        found = differences(self._plan, plan)
        self._plan = plan
        warn_of_zones(plan.config, self._log)
        self._telemetry.config_loaded(now := self._clock.time())
        self.last = Loading(now, replaced, found)
        self._log.info("config_reloaded", **replaced._asdict(), differs=" ".join(found))
        return self.last

    def _refuse(self, problems: tuple[str, ...], told: tuple[str, ...]) -> Loading:
        self._telemetry.config_refused()
        self.last = msgspec.structs.replace(self.last, problems=problems)
        for problem in problems if problems != told else ():
            self._log.error("config_refused", problem=problem)
        return self.last

    async def _in_time(self, read: Callable[[], _Result]) -> _Result:
        """Give what `read` returns, in a thread; ConfigError where a file keeps it waiting for too long.

        A thread that hangs cannot be ended. It is left to itself, and what it comes to later is not looked at.
        """
        if len(self._reading) >= _MOST_HANGING:
            raise ConfigError("", f"{self._files}: {_MOST_HANGING} earlier attempts to read them still wait; {_LOOK}")
        task = asyncio.create_task(asyncio.to_thread(read))
        self._reading.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task}, timeout=LOAD_SECONDS)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            raise ConfigError("", f"{self._files} cannot be read within {LOAD_SECONDS:.3g} s; {_LOOK}")
        return task.result()

    @property
    def _files(self) -> str:
        named = [repr(str(path)) for path in self._plan.checksums][:1]
        return " ".join([*named, "or a file that it names" if named else "the configuration"])

    def _forget(self, task: asyncio.Task[object]) -> None:
        self._reading.discard(task)
        if not task.cancelled():
            task.exception()  # somebody has looked at it, so that asyncio does not complain


def warn_of_zones(config: Config, log: FilteringBoundLogger) -> None:
    """Log which orgs have no time zone."""
    for warning in zone_warnings(config):
        log.warning("no_time_zone", place=warning)
