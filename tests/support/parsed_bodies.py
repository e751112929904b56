"""Bodies of `/stats` parsed at once, without pauses, which are counted."""

from datetime import date
from typing import NamedTuple

from exporter.runtime.steps import Steps
from exporter.stats.changes import ChangeTracker, Contents
from exporter.stats.model import FolderDay
from exporter.stats.parser import Requested


def request_for(folder: str | None, day: date | None) -> Requested:
    return Requested("DocTestCo", "DocTestCo-DocTesting", folder, day)


class ParsedBody(NamedTuple):
    days: dict[str, FolderDay]
    contents: Contents
    pauses: int


def parsed(changes: ChangeTracker, body: bytes, requested: Requested) -> ParsedBody:
    days: dict[str, FolderDay] = {}

    def put(day: FolderDay) -> Steps[None]:
        assert day.folder not in days
        days[day.folder] = day
        yield

    steps, pauses = changes.read(body, requested, put), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return ParsedBody(days, end.value, pauses)
        pauses += 1
