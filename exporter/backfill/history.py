"""A whole backfill: reads the days that are missing, and writes the file once all have been read or have failed."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from exporter.backfill.batches import Limits
from exporter.backfill.days import Rejected, plan
from exporter.backfill.failures import Failure
from exporter.backfill.journal import Journal, JournalError
from exporter.backfill.pace import Pace
from exporter.backfill.reader import PastUpstream, Reader, Reading
from exporter.backfill.samples_file import Content, Written, write_samples
from exporter.config.schema import Config
from exporter.config.targets import Target
from exporter.polling.manager import make_parser, make_rules
from exporter.runtime.clock import Clock
from exporter.runtime.files import read_secret
from exporter.runtime.steps import paced

_JOURNAL: Final = "journal.sqlite"
_UNFINISHED: Final = "samples.openmetrics"


class Wanted(Struct, frozen=True):
    """What to write, and where.

    The days are from `first` to `last`; without `last`, to the latest day of each org that can be written. `names` are
    COMPANY[/ORG[/FOLDER]], none for all targets.
    """

    output: Path
    first: date
    last: date | None
    names: tuple[str, ...] = ()
    agents: bool = False
    step_seconds: int = 300
    pause_seconds: float = 0.0
    labels: Mapping[str, str] = {}

    @property
    def partial(self) -> Path:
        """The directory with what has been read, until everything is written."""
        return self.output.with_name(f"{self.output.name}.partial")


class Outcome(Struct, frozen=True):
    """What became of a backfill; `written` is None if there was nothing to write."""

    written: Written | None
    rejected: Sequence[Rejected]
    failures: Sequence[Failure]


class Progress(Protocol):
    """Shows how many days have been read."""

    def begin(self, days: int, *, done: int) -> None:
        """Show that `done` of `days` days have been read in an earlier process."""
        ...

    def advance(self, days: int) -> None:
        """Show that more days have been read."""
        ...

    def write(self) -> None:
        """Show that all days have been read, and are written."""
        ...


class History:
    """A backfill of `wanted`. Raises JournalError, OSError and sqlite3.Error if its files cannot be used."""

    def __init__(self, config: Config, wanted: Wanted, clock: Clock) -> None:
        self._config = config
        self._wanted = wanted
        self._clock = clock
        wanted.partial.mkdir(mode=0o700, exist_ok=True)  # the calls of single agents are in it
        if not (wanted.partial / _JOURNAL).exists() and any(wanted.partial.iterdir()):
            # All of the directory is removed in the end.
            raise JournalError(f"{wanted.partial} is not of a backfill: move it, or choose another --output")
        self._journal = Journal(wanted.partial / _JOURNAL, _arguments(config, wanted), clock.time())

    @property
    def continued(self) -> bool:
        """Whether an earlier process has begun it."""
        return self._journal.continued

    async def run(
        self, targets: Sequence[Target], upstream: PastUpstream, progress: Progress, *, complete: bool = True
    ) -> Outcome:
        """Read and write the days of `targets`. Unless all could be read, what has been read is kept.

        `complete` is False if further targets are wanted, but unknown: then it is kept, too.
        Raises OutageError, also OSError and sqlite3.Error; what has been read is kept then, as when it is cancelled.
        """
        config, wanted, journal = self._config, self._wanted, self._journal
        with journal:
            planned, rejected = plan(targets, wanted.first, wanted.last, journal.begun_at)
            done = sum(len(journal.days_read(each.target, each.days)) for each in planned)
            progress.begin(sum(len(each.days) for each in planned), done=done)
            reading = Reading(
                parser=make_parser(config.stats_fields),
                rules=make_rules(config.agents) if wanted.agents else None,
                concurrency=config.poll.concurrency,
                limits=Limits.of(config.vspark, one_day=bool(config.stats_jq)),
                advance=progress.advance,
            )
            pace = Pace(self._clock, wanted.pause_seconds)
            reader = Reader(planned, upstream, journal, reading, self._clock, pace)
            await reader.run()
            progress.write()
            content = Content(wanted.step_seconds, wanted.labels, wanted.agents, journal.begun_at)
            unfinished = wanted.partial / _UNFINISHED
            with unfinished.open("wb") as file:
                written = await paced(write_samples(file, planned, journal, content))
                file.flush()
                os.fsync(file.fileno())
            if written.samples:
                unfinished.replace(wanted.output)
        outcome = Outcome(written if written.samples else None, rejected, list(reader.failures))
        if complete and not outcome.failures:
            shutil.rmtree(wanted.partial)
        return outcome


def _arguments(config: Config, wanted: Wanted) -> Mapping[str, str]:
    """Return everything that the file depends on but V-Spark, by the names that users know. No token is in it."""
    agents, discovery = config.agents, config.discovery
    key = read_secret(agents.hash_key_file) if agents.hash_key_file else b""
    companies = [
        (company.name, [(org.name, org.timezone, org.folders) for org in company.orgs or ()])
        for company in config.companies or ()
    ]
    shown = (agents.enabled, agents.max_per_folder, agents.include, agents.exclude, hashlib.sha256(key).hexdigest())
    values: Mapping[str, object] = {
        "--from": wanted.first,
        "--to": wanted.last,
        "COMPANY[/ORG[/FOLDER]]": sorted(wanted.names),
        "--agents": wanted.agents,
        "--step": wanted.step_seconds,
        "--label": sorted(wanted.labels.items()),
        "vspark.url": config.vspark.url,
        "companies": companies,
        "discovery": (discovery.enabled, discovery.include, discovery.exclude),
        "agents": shown,
        "stats_fields": config.stats_fields,
        "stats_jq": config.stats_jq,
    }
    return {name: repr(value) for name, value in values.items()}
