"""Loading the configuration again while everything runs."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from exporter.check import zone_warnings
from exporter.clock import Clock
from exporter.config import Config
from exporter.errors import ConfigError, config_errors
from exporter.plan import Plan, checksum, differences
from exporter.poller import Replaced
from exporter.telemetry import Telemetry


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
        plan: Plan,
        load: Callable[[], Plan],
        apply: Callable[[Plan], Awaitable[Replaced]],
        telemetry: Telemetry,
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
                if bool(self.last.problems) or await asyncio.to_thread(self._have_files_changed):
                    await self._reload(told=self.last.problems)

    def _have_files_changed(self) -> bool:
        return any(checksum(path) != before for path, before in self._plan.checksums.items())

    async def _reload(self, *, told: tuple[str, ...]) -> Loading:
        problems: tuple[str, ...] = ()
        try:
            plan = await asyncio.to_thread(self._load)
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
            self._telemetry.config_refused()
            self.last = msgspec.structs.replace(self.last, problems=problems)
            for problem in problems if problems != told else ():
                self._log.error("config_refused", problem=problem)
            return self.last
        found = differences(self._plan, plan)
        self._plan = plan
        warn_of_zones(plan.config, self._log)
        self._telemetry.config_loaded(now := self._clock.time())
        self.last = Loading(now, replaced, found)
        self._log.info("config_reloaded", **replaced._asdict(), differs=" ".join(found))
        return self.last


def warn_of_zones(config: Config, log: FilteringBoundLogger) -> None:
    """Log which orgs have no time zone."""
    for warning in zone_warnings(config):
        log.warning("no_time_zone", place=warning)
