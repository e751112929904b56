"""The folder days in the response to a request for several days."""

from collections.abc import Callable
from datetime import date
from typing import Final

from exporter.runtime.steps import Steps
from exporter.stats.day_record import Part
from exporter.stats.json_path import unrecognized
from exporter.stats.model import FolderDay
from exporter.stats.parser import Parser, Requested

_UNDATED: Final = "this day record has no date, so it could be of any of the requested days"
_OTHER_DAYS: Final = "no day record is of the requested days, so whether they had calls is unknown"


def read_days(
    parser: Parser, body: bytes, requested: Requested, last: date, put: Callable[[date, FolderDay], Steps[None]]
) -> Steps[None]:
    """Call `put` for each folder day in the response to a request from the day of `requested` to `last`.

    Records of other days and folders are left out (rules 4 and 5). A record without a date is of the requested day if
    that is a single one. If all records are of other days, V-Spark has not looked at the requested ones: they are not
    days without calls. Raises DecodeError, perhaps after calls of `put`.
    """
    first = requested.day
    if first is None:
        raise ValueError("no day is requested")
    single = first == last
    parts = yield from parser.split(body, requested if single else _without_day(requested))
    groups: dict[tuple[date, str], list[Part]] = {}
    for part in parts:
        if part.day is None:
            raise unrecognized(part.path, _UNDATED)
        groups.setdefault((part.day, part.folder), []).append(part)
    days = [day for day, folder in groups if requested.folder in (None, folder)]
    if groups and not days:
        raise unrecognized("$", "no day record is of the requested folder; check its name in the configuration")
    if days and not any(first <= day <= last for day in days):
        raise unrecognized("$", _OTHER_DAYS)
    for (day, folder), group in groups.items():
        folder_day = yield from parser.read(folder, group)  # records that are left out must be readable, too
        if first <= day <= last and requested.folder in (None, folder):
            yield from put(day, folder_day)
        yield


def _without_day(requested: Requested) -> Requested:
    return Requested(requested.company, requested.org, requested.folder, None)
