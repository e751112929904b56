"""Reloading the configuration while the exporter runs."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from exporter.config.loaded import LoadedConfig, checksum, differences, timeout_warnings, zone_warnings
from exporter.config.schema import Config
from exporter.errors import ConfigError, config_errors
from exporter.exposition.self_metrics import SelfMetrics
from exporter.polling.poller import Replaced
from exporter.runtime.clock import Clock

LOAD_SECONDS: Final = 60.0
"""After this time, a file that cannot be read counts as an error. A healthy file system needs far less."""
_MOST_HANGING: Final = 4
"""The number of threads that may hang in a read. Another one would hang too, and hold a file descriptor."""
_HINT: Final = "check the file system, or the writer of a pipe"

_Result = TypeVar("_Result")


class Loading(Struct, frozen=True):
    """The outcome of the last attempt to load the configuration.

    `loaded_at` is the Unix time at which the configuration in use was loaded, `differences` the sections and files in
    which it differs from the one before. `problems` are those of a configuration that was rejected since.
    """

    loaded_at: float
    replaced: Replaced
    differences: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Reloader:
    """Loads the configuration by `load`, in a thread, and applies it by `apply`.

    If the configuration is rejected, the one in use stays.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        load: Callable[[], LoadedConfig],
        apply: Callable[[LoadedConfig], Awaitable[Replaced]],
        self_metrics: SelfMetrics,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._loaded = loaded
        self._load = load
        self._apply = apply
        self._self_metrics = self_metrics
        self._clock = clock
        self._log = log
        self._one_at_a_time = asyncio.Lock()
        self._reading: set[object] = set()
        _log_warnings(loaded.config, log)
        self_metrics.config_loaded(now := clock.time())
        self.last = Loading(now, Replaced(len(loaded.targets()), 0, 0, 0))

    async def reload(self) -> Loading:
        """Load the configuration now; return the outcome, log it and set the metrics."""
        async with self._one_at_a_time:
            return await self._reload(logged=())

    async def watch(self, interval_seconds: float) -> None:
        """Load the configuration whenever its files have changed, until cancelled.

        A configuration that was rejected is tried again each time, because a missing token file may exist by now.
        Problems are logged again only when they change.
        """
        while True:
            await self._clock.sleep(interval_seconds)
            async with self._one_at_a_time:
                await self._reload_changed()

    async def _reload_changed(self) -> None:
        logged = self.last.problems
        try:
            changed = bool(logged) or await self._in_time(self._have_files_changed)
        except ConfigError as hanging:
            self._reject((str(hanging),), logged)
        else:
            if changed:
                await self._reload(logged=logged)

    def _have_files_changed(self) -> bool:
        return any(checksum(path) != before for path, before in self._loaded.checksums.items())

    async def _reload(self, *, logged: tuple[str, ...]) -> Loading:
        problems: tuple[str, ...] = ()
        try:
            loaded = await self._in_time(self._load)
            replaced = await self._apply(loaded)
        except* ConfigError as rejected:
            problems = tuple(map(str, config_errors(rejected)))
        except* Exception as bug:  # noqa: BLE001 # a bug while loading must not end what runs
            problems = ("a bug of this program: the log has the traceback",)
            if problems != logged:
                # Without its message, which may quote the file.
                trace = "".join(traceback.format_tb(bug.exceptions[0].__traceback__))
                self._log.error("reload_failed", error=type(bug.exceptions[0]).__name__, traceback=trace)
        if problems:
            return self._reject(problems, logged)
        found = differences(self._loaded, loaded)
        self._loaded = loaded
        _log_warnings(loaded.config, self._log)
        self._self_metrics.config_loaded(now := self._clock.time())
        self.last = Loading(now, replaced, found)
        self._log.info("config_reloaded", **replaced._asdict(), differs=" ".join(found))
        return self.last

    def _reject(self, problems: tuple[str, ...], logged: tuple[str, ...]) -> Loading:
        self._self_metrics.config_rejected()
        self.last = msgspec.structs.replace(self.last, problems=problems)
        for problem in problems if problems != logged else ():
            self._log.error("config_refused", file=self._file, problem=problem)
        return self.last

    async def _in_time(self, read: Callable[[], _Result]) -> _Result:
        """Run `read` in a thread and return its result; raise ConfigError if it hangs.

        A thread that hangs cannot be ended. It is left alone, and its result is ignored.
        """
        if len(self._reading) >= _MOST_HANGING:
            raise ConfigError("", f"{self._files}: {_MOST_HANGING} earlier attempts to read them still hang; {_HINT}")
        self._reading.add(reading := object())

        def read_and_count() -> _Result:
            try:
                return read()
            finally:
                self._reading.discard(reading)

        try:
            async with asyncio.timeout(LOAD_SECONDS) as limit:
                return await asyncio.to_thread(read_and_count)
        except TimeoutError:
            if not limit.expired():
                raise
            late = f"{self._files} cannot be read within {LOAD_SECONDS:.3g} s; {_HINT}"
            raise ConfigError("", late) from None

    @property
    def _files(self) -> str:
        return f"{self._file!r} or a file that it names" if self._file else "the configuration"

    @property
    def _file(self) -> str | None:
        """The file of the configuration; None if it was not read from one."""
        return next(map(str, self._loaded.checksums), None)


def _log_warnings(config: Config, log: FilteringBoundLogger) -> None:
    for warning in zone_warnings(config):
        log.warning("no_time_zone", place=warning)
    for warning in timeout_warnings(config):
        log.warning("long_timeout", place=warning)
