"""An answer of `/stats`, bytes, to the day records in it: rules 4 to 6, 9 and 10. Pure, no I/O.

The body is taken apart without being decoded, down to the day records, so that the caller can tell which of them have
changed; a record is decoded and read by `dayrecord`.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from exporter.runtime.steps import Steps
from exporter.stats import values
from exporter.stats.day_record import DayRecordReader, Findings
from exporter.stats.field_names import ERRORS, OVERALL, SAYINGS, WRAPPERS, Layout, Layouts, normalize
from exporter.stats.json_path import at, saying, unrecognized
from exporter.stats.model import FolderDay
from exporter.stats.raw_json import (
    check_text,
    decode,
    elements,
    first_byte,
    is_composite,
    is_null,
    level,
    members,
    pieces,
)
from exporter.stats.uniform_agents import RecordDecoder

_DEEPEST: Final = 16
_MOST_PLACES: Final = 500_000
_FINE: Final = frozenset({"ok", "success"})
_FINDINGS_KEPT: Final = 1000


class Requested(Struct, frozen=True):
    """What a request asked for: one folder, or with None the whole org; a day, or with None the server's today."""

    folder: str | None
    day: date | None


class Part(Struct, frozen=True):
    """A day record as it stands in the body: whose it is, of which day (None: nothing tells), and its JSON."""

    path: str
    folder: str
    day: date | None
    raw: Raw
    members: dict[str, Raw]


class _Above(Struct, frozen=True):
    """What the places above one in the JSON say about the records below."""

    folder: str | None = None
    day: date | None = None
    beside: str | None = None
    """The path of a value that is no day record, beside the key that is taken for `folder`."""
    claims: tuple[tuple[str, str | date], ...] = ()
    """The folders and dates in fields of the objects above, which the rules do not read, each with its path."""
    depth: int = 0


class Parser:
    """Reads answers; `layouts` knows the names of rules 1 to 3, `findings` tells what was read by which rule so far."""

    def __init__(self, layouts: Layouts) -> None:
        self.findings: Findings = {}
        self._layouts = layouts
        self._decoder = RecordDecoder(layouts)
        self._records = DayRecordReader(layouts, self.findings)

    def split(self, body: bytes, asked: Requested) -> Steps[list[Part]]:
        """Take a body apart into its day records, those of other days and folders too.

        It yields where a pause may be made. Raises DecodeError: `not_json`, or `unrecognized` where the rules do not
        decide what a place is.
        """
        if len(self.findings) > _FINDINGS_KEPT:  # names of fields come from outside, in ever new spellings
            self.findings.clear()
        walk = _Walk(asked, self._layouts, self._records, self.findings)
        text = yield from check_text(body)
        yield from walk.into(text, "$", _Above())
        if not walk.parts:
            self.findings["rule 9: an empty list or object, so no calls"] = None
        return walk.parts

    def read(self, folder: str, parts: Sequence[Part]) -> Steps[FolderDay]:
        """Read the day of one folder from all of its parts, added up.

        It yields where a pause may be made. Raises DecodeError, `unrecognized`.
        """
        return self._records.read(
            folder, ((part.path, self._decoder.decode(part.raw, part.members, part.path)) for part in parts)
        )


class _Walk:
    """One way through one body; `parts` are the day records that were met."""

    def __init__(self, asked: Requested, layouts: Layouts, records: DayRecordReader, findings: Findings) -> None:
        self.parts: list[Part] = []
        self._places = 0
        self._asked = asked
        self._layouts = layouts
        self._records = records
        self._findings = findings

    def into(self, raw: Raw, path: str, above: _Above) -> Steps[None]:
        """Walk the value at `path` and all below it."""
        self._places += 1
        if self._places > _MOST_PLACES:
            raise unrecognized("$", f"more than {_MOST_PLACES} lists and objects around the fields of the records")
        if above.depth > _DEEPEST:
            raise unrecognized(path, f"nested deeper than {_DEEPEST} levels")
        yield
        match first_byte(raw):
            case "[":
                below = msgspec.structs.replace(above, depth=above.depth + 1)
                for index, element in enumerate((yield from elements(raw, path))):
                    if is_composite(element):
                        yield from self.into(element, at(path, index), below)
                    elif not is_null(element):
                        raise unrecognized(at(path, index), "expected a day record, an object")
            case "{":
                inside = yield from members(raw, path)
                layout = self._layouts[tuple(inside)]
                if layout.twice is not None:
                    raise unrecognized(at(path, layout.twice), "stands here in two spellings, so which of them counts?")
                if (yield from self._is_day_record(inside, layout, raw, path)):
                    self.parts.append(self._part(inside, layout, raw, path, above))
                else:
                    yield from self._into_container(inside, layout, path, above)
            case _:
                said = saying(decode(raw, path))
                raise unrecognized(path, f"expected day records, a list or an object{said}")

    def _into_container(self, inside: Mapping[str, Raw], layout: Layout, path: str, above: _Above) -> Steps[None]:
        """Walk an object that is no day record: keyed by folder or by date, or a wrapper (rule 6)."""
        keyed = {key: raw for key, raw in inside.items() if is_composite(raw)}
        told = {*layout.days, *layout.folders}
        beside = [key for key in inside if key not in keyed and key not in told]
        if inside and not keyed:
            said = next(filter(None, (_saying(inside, key, path) for key in inside)), "")
            raise unrecognized(path, f"expected a day record, found an object without a call count or agents{said}")
        _check_container(keyed, beside, path)
        context = msgspec.structs.replace(
            above,
            depth=above.depth + 1,
            beside=at(path, beside[0]) if beside else None,
            claims=above.claims + _claims(inside, layout, path),
        )
        before = len(self.parts)
        for key, raw in keyed.items():
            known = len(self.parts)
            yield from self.into(raw, at(path, key), self._below(context, above, key, path))
            if normalize(key) in ERRORS and len(self.parts) == known:
                raise unrecognized(at(path, key), "an error, no day record")
        for key in beside:
            if _is_alarming(key, decode(inside[key], at(path, key)), empty=len(self.parts) == before):
                said = _saying(inside, key, path)
                raise unrecognized(at(path, key), f"expected day records, found this in their place{said}")

    def _below(self, context: _Above, above: _Above, key: str, path: str) -> _Above:
        """Tell what a key adds to what is known of the records below it."""
        name = normalize(key)
        if name in WRAPPERS:
            self._findings[f"rule 6: {key!r} is read through"] = None
            return msgspec.structs.replace(context, beside=above.beside)
        if (day := values.day_of_key(key)) is not None:
            return msgspec.structs.replace(context, beside=above.beside, day=day)
        if not key:
            raise unrecognized(at(path, key), "expected a folder's name")
        if name in OVERALL:
            raise unrecognized(at(path, key), "is read in an agent's record only")
        return msgspec.structs.replace(context, folder=key)

    def _is_day_record(self, inside: Mapping[str, Raw], layout: Layout, raw: Raw, path: str) -> Steps[bool]:
        """Tell whether an object has a call count, or agents (rule 1)."""
        if self._has_count(inside, layout):
            return True
        if not layout.agents:
            return False
        key = layout.agents[0]
        has_agents = False
        match first_byte(inside[key]):
            case "{" | "[":
                for piece in pieces(inside[key]):
                    some = piece and level(piece, at(path, key))
                    if isinstance(some, dict):
                        some = {agent: value for agent, value in some.items() if not is_null(value)}
                        if self._has_count(some, self._layouts[tuple(some)]):
                            raise unrecognized(at(path, key), "is it a folder of this name, or agents by their ids?")
                    has_agents = has_agents or bool(some)
                    yield
            case _:
                agents = [agent for agent, _ in self._records.beside(decode(raw, path))]
                for agent in agents:
                    if normalize(agent) in WRAPPERS or values.day_of_key(agent) is not None:
                        raise unrecognized(at(path, agent), "is it an agent's id, or does it hold day records?")
                if not agents and len(layout.agents) > 1:
                    raise unrecognized(at(path, layout.agents[1]), "agents, or a folder of this name?")
                return bool(agents)
        if not has_agents:
            raise unrecognized(path, "expected a call count or agents, found neither")
        return True

    @staticmethod
    def _has_count(inside: Mapping[str, Raw], layout: Layout) -> bool:
        return bool(layout.counts) and not is_composite(inside[layout.counts[0]])

    def _part(self, inside: dict[str, Raw], layout: Layout, raw: Raw, path: str, above: _Above) -> Part:
        folder = self._folder(inside, layout, path, above)
        if len(folder) > values.LONGEST_NAME:
            raise unrecognized(path, f"a folder's name of more than {values.LONGEST_NAME} characters")
        day = self._day(inside, layout, path, above)
        for place, claim in above.claims:
            if claim not in (folder, day):
                raise unrecognized(place, f"contradicts the record at {path}")
        return Part(path, folder, day, raw, inside)

    def _folder(self, inside: Mapping[str, Raw], layout: Layout, path: str, above: _Above) -> str:
        """Tell whose record it is (rule 4)."""
        if layout.folders:
            key = layout.folders[0]
            self._findings[f"rule 4: the folder from the field {key!r}"] = None
            try:
                return values.folder(decode(inside[key], at(path, key)))
            except ValueError as error:
                raise unrecognized(at(path, key), str(error)) from None
        if above.folder is not None:
            if above.beside is not None:
                raise unrecognized(above.beside, "expected a day record, as beside it")
            self._findings["rule 4: the folder from the key above the record"] = None
            return above.folder
        if self._asked.folder is not None:
            self._findings["rule 4: no folder named, so it is the one that was asked for"] = None
            return self._asked.folder
        raise unrecognized(path, "a day record without a folder: list the org's folders in the configuration")

    def _day(self, inside: Mapping[str, Raw], layout: Layout, path: str, above: _Above) -> date | None:
        """Tell which day's record it is (rule 5)."""
        if layout.days:
            key = layout.days[0]
            self._findings[f"rule 5: the date from the field {key!r}"] = None
            try:
                return values.day(decode(inside[key], at(path, key)))
            except ValueError as error:
                raise unrecognized(at(path, key), str(error)) from None
        if above.day is not None:
            self._findings["rule 5: the date from the key above the record"] = None
            return above.day
        self._findings["rule 5: no date given, so it is the day that was asked for"] = None
        return self._asked.day


def _saying(inside: Mapping[str, Raw], key: str, path: str) -> str:
    """Quote the words under a key that is there for them."""
    return saying(decode(inside[key], at(path, key))) if normalize(key) in SAYINGS else ""


def _check_container(keyed: Mapping[str, Raw], beside: Sequence[str], path: str) -> None:
    """Refuse an object that is neither a wrapper nor keyed by folder or date throughout."""
    if len(keyed) > 1:
        if wrappers := [key for key in keyed if normalize(key) in WRAPPERS]:
            raise unrecognized(at(path, wrappers[0]), "is read through only where no other list or object is beside it")
        if beside:
            raise unrecognized(at(path, beside[0]), "expected a day record, as beside it")
    for key in beside:
        if values.day_of_key(key) is not None:
            raise unrecognized(at(path, key), "expected a day record, as beside it")


def _claims(inside: Mapping[str, Raw], layout: Layout, path: str) -> tuple[tuple[str, str | date], ...]:
    """Find what the fields of a container say of the records in it, though no rule reads them there."""
    claims: list[tuple[str, str | date]] = []
    for key in (*layout.days, *layout.folders):
        value = None if is_composite(inside[key]) else decode(inside[key], at(path, key))
        claim: str | date | None = None
        if key in layout.days:
            claim = values.day_of_key(str(value))
        elif isinstance(value, str) and normalize(key) != "name":
            claim = value
        if claim is not None:
            claims.append((at(path, key), claim))
    return tuple(claims)


def _is_alarming(key: str, value: Any, *, empty: bool) -> bool:
    """Tell whether a value beside what is read through says that the answer is none."""
    if normalize(key) in ERRORS:
        return bool(value)
    if not empty or value is True or (isinstance(value, str) and value.casefold() in _FINE):
        return False
    return value is False or value not in (0, HTTPStatus.OK)
