"""A body read at once, with everything that `probe` shows of it."""

from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from exporter.config.schema import StatsFields
from exporter.errors import DecodeError
from exporter.polling.manager import make_parser
from exporter.runtime.steps import Steps, finished
from exporter.stats.changes import ChangeTracker
from exporter.stats.model import FolderDay
from exporter.stats.parser import Requested


class Reading(Struct, frozen=True):
    """What was read of a body: the records of `day`, and by which rules.

    `day` is None if nothing says which day it is; `ignored` is the number of records of other days and folders.
    `error` says why the body cannot be read; there are no records then.
    """

    findings: tuple[str, ...] = ()
    day: date | None = None
    days: tuple[FolderDay, ...] = ()
    ignored: int = 0
    error: DecodeError | None = None


def read_body(body: bytes, requested: Requested, fields: StatsFields) -> Reading:
    """Return what a poller with these `fields` would read of a body."""
    parser = make_parser(fields)
    days: list[FolderDay] = []

    def keep(day: FolderDay) -> Steps[None]:
        days.append(day)
        yield

    try:
        parts = finished(parser.split(body, requested))
        contents = finished(ChangeTracker(parser).read(body, requested, keep))
    except DecodeError as error:
        return Reading(findings=tuple(sorted(parser.findings)), error=error)
    ignored = sum(part.folder not in contents.folders or part.day != contents.day for part in parts)
    return Reading(tuple(sorted(parser.findings)), contents.day, _of_folders(days), ignored)


def _of_folders(days: Sequence[FolderDay]) -> tuple[FolderDay, ...]:
    return tuple(sorted(days, key=lambda day: day.folder))
