"""The responses to one request over time: which folders have changed, and which records count."""

from collections.abc import Callable
from datetime import date
from typing import Final

from msgspec import Raw, Struct

from exporter.runtime.steps import Steps
from exporter.stats.day_record import Part
from exporter.stats.json_path import unrecognized
from exporter.stats.model import FolderDay
from exporter.stats.parser import Parser, Requested


class Contents(Struct, frozen=True, gc=False):
    """What a body contains: the day of its values (None if nothing says which), and the folders that have any."""

    day: date | None
    folders: frozenset[str]


_NOTHING: Final = Contents(None, frozenset())


class ChangeTracker:
    """Reads the responses to one request; remembers the last body, so that only folders that changed are read again."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self.forget()

    @property
    def last(self) -> tuple[bytes, Requested] | None:
        """The last body that was read completely, and its request; None if it is forgotten."""
        return None if self._requested is None else (self._body, self._requested)

    def forget(self) -> None:
        """Forget the last body, so that every folder of the next one counts as changed."""
        self._body = b""
        self._requested: Requested | None = None
        self._contents = _NOTHING
        self._known: dict[tuple[str, date | None, bool], list[Raw]] = {}
        self._mostly_changed = True
        """Whether most folders had changed in the last body. The next one is probably like it."""

    def read(self, body: bytes, requested: Requested, put: Callable[[FolderDay], Steps[None]]) -> Steps[Contents]:
        """Return the contents of a body, after a call of `put` for each folder day that may have changed.

        Raises DecodeError, after which the next body is compared with the last one that could be read.
        """
        if self._requested == requested and self._body == body:
            return self._contents
        parts = yield from self._parser.split(body, requested, mostly_new=self._mostly_changed)
        groups: dict[tuple[str, date | None], list[Part]] = {}
        for part in parts:
            groups.setdefault((part.folder, part.day), []).append(part)
        day = requested.day if requested.day is not None else _latest(parts)
        if requested.folder is not None and parts and all(folder != requested.folder for folder, _ in groups):
            raise unrecognized("$", "no day record is of the requested folder; check its name in the configuration")
        known: dict[tuple[str, date | None, bool], list[Raw]] = {}
        folders = set()
        changed = 0
        # Ordered by folder as the published blocks are: to put blocks in another order takes three times as long.
        for (folder, of), group in sorted(groups.items(), key=lambda each: each[0][0]):
            counts = of == day and requested.folder in (None, folder)
            if counts:
                folders.add(folder)
            raws = [part.raw for part in group]
            # Whether it counts is part of the key: a record that was left out is new once its day has come.
            key = folder, of, counts
            if self._known.get(key) != raws:
                changed += 1
                folder_day = yield from self._parser.read(folder, group)
                if counts:
                    yield from put(folder_day)
            known[key] = raws
            yield
        self._body, self._requested, self._known = body, requested, known
        self._mostly_changed = changed * 2 > len(groups)
        self._contents = Contents(day, frozenset(folders))
        return self._contents


def _latest(parts: list[Part]) -> date | None:
    days = {part.day for part in parts}
    dated = [day for day in days if day is not None]
    if dated and None in days:
        undated = next(part for part in parts if part.day is None)
        raise unrecognized(undated.path, "this day record has no date, but others have one")
    return max(dated, default=None)
