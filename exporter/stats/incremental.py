"""The answers to one request, one after the other: what of them is new, and which records count."""

from collections.abc import Generator
from datetime import date

from msgspec import Raw, Struct

from exporter.stats.json_path import unrecognized
from exporter.stats.model import FolderDay
from exporter.stats.parser import Parser, Part, Requested


class Contents(Struct, frozen=True):
    """What an answer says as a whole: the day its values are of (None: nothing tells) and every folder it names."""

    day: date | None
    folders: frozenset[str]


class IncrementalParser:
    """Reads the answers to one request; remembers the last one's bytes, so that only what differs is read again."""

    def __init__(self, reader: Parser) -> None:
        self._reader = reader
        self.forget()

    @property
    def last(self) -> tuple[bytes, Requested] | None:
        """The last answer that was read whole, and what it was asked for; None where it is forgotten."""
        return None if self._asked is None else (self._body, self._asked)

    def forget(self) -> None:
        """Let the next answer be read whole."""
        self._body = b""
        self._asked: Requested | None = None
        self._contents = Contents(None, frozenset())
        self._known: dict[tuple[str, date | None, bool], list[Raw]] = {}

    def read(self, body: bytes, asked: Requested) -> Generator[FolderDay | None, None, Contents]:
        """Read a body; yields each folder that may have changed, and None where a pause may be made.

        Raises DecodeError; what was read before then stays what the next answer is compared with.
        """
        if self._asked == asked and self._body == body:
            return self._contents
        parts = yield from self._reader.split(body, asked)
        groups: dict[tuple[str, date | None], list[Part]] = {}
        for part in parts:
            groups.setdefault((part.folder, part.day), []).append(part)
        day = asked.day if asked.day is not None else _latest(parts)
        if asked.folder is not None and parts and all(folder != asked.folder for folder, _ in groups):
            raise unrecognized("$", "every record names another folder than the one that was asked for")
        known: dict[tuple[str, date | None, bool], list[Raw]] = {}
        chosen = set()
        # By folder, as the shelves are: putting blocks there in another order costs thrice as much.
        for (folder, of), group in sorted(groups.items(), key=lambda each: each[0][0]):
            counts = of == day and asked.folder in (None, folder)
            if counts:
                chosen.add(folder)
            raws = [part.raw for part in group]
            # Whether it counts is part of the key: what was left out before is new when its day has come.
            key = folder, of, counts
            if self._known.get(key) != raws:
                folder_day = yield from self._reader.read(folder, group)
                if counts:
                    yield folder_day
            known[key] = raws
            yield None
        self._body, self._asked, self._known = body, asked, known
        self._contents = Contents(day, frozenset(chosen))
        return self._contents


def _latest(parts: list[Part]) -> date | None:
    days = {part.day for part in parts}
    dated = [day for day in days if day is not None]
    if dated and None in days:
        undated = next(part for part in parts if part.day is None)
        raise unrecognized(undated.path, "a day record without a date, among others that have one")
    return max(dated, default=None)
