"""From the bytes of a body to its day records: rules 1, 6, 9 and 10.

The body is taken apart without being decoded, down to the day records, so that `changes` can compare their bytes with
those of the last body. Only records that have changed are decoded and read, by `folder_day`. While most of them change,
those with uniform agents beside their number are decoded here: that takes little longer than to take them apart.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from exporter.errors import DecodeError
from exporter.runtime.steps import Steps
from exporter.stats import values
from exporter.stats.agent_records import agents_beside
from exporter.stats.day_record import Findings, Part
from exporter.stats.explanations import explanation, is_failure
from exporter.stats.field_names import ERRORS, OVERALL, WRAPPERS, Layout, Layouts, normalize
from exporter.stats.folder_day import FolderDayBuilder
from exporter.stats.json_path import child_path, quotation, unrecognized
from exporter.stats.model import FolderDay
from exporter.stats.raw_json import (
    check_text,
    decode,
    elements,
    first_byte,
    is_composite,
    is_empty,
    is_null,
    members,
    object_level,
    pieces,
)
from exporter.stats.record_place import Above, RecordPlacer, claims_of
from exporter.stats.uniform_agents import ColumnDecoder

_DEEPEST: Final = 16
_LARGEST_AT_ONCE: Final = 2**19
_MOST_IN_VAIN: Final = 2**16
_MOST_PLACES: Final = 500_000
_FINDINGS_KEPT: Final = 1000
_ONLY_NULL: Final = "expected day records, found only null"


class Requested(Struct, frozen=True):
    """What was requested: a folder of an org, or None for the whole org; a day, or None for the server's today."""

    company: str
    org: str
    folder: str | None
    day: date | None


class Parser:
    """Parses bodies; `layouts` knows the names of rules 1 to 3, `findings` says what was read by which rule so far."""

    def __init__(self, layouts: Layouts) -> None:
        self.findings: Findings = {}
        self._layouts = layouts
        self._builder = FolderDayBuilder(layouts, self.findings)

    def split(self, body: bytes, requested: Requested, *, mostly_new: bool = True) -> Steps[list[Part]]:
        """Return the day records of a body, those of other days and folders too.

        `mostly_new` is whether most of them are expected to be read; otherwise none is decoded yet.
        Raises DecodeError: `not_json`, or `unrecognized` if the rules do not say what a place is.
        """
        if len(self.findings) > _FINDINGS_KEPT:  # they quote keys, which may come in ever new spellings
            self.findings.clear()
        text = yield from check_text(body)
        beside = self._builder.beside if mostly_new else None
        walk = _Walk(text, requested, self._layouts, self.findings, beside)
        yield from walk.into(text, "$", Above())
        if not walk.parts:
            self.findings["rule 9: an empty list or object, so no calls"] = None
        return walk.parts

    def read(self, folder: str, parts: Sequence[Part]) -> Steps[FolderDay]:
        """Return the day of one folder, added up from all of its records; raises DecodeError."""
        return self._builder.build(folder, parts)


class _Walk:
    """One way through one body; `parts` are the day records found."""

    def __init__(
        self, body: Raw, requested: Requested, layouts: Layouts, findings: Findings, beside: ColumnDecoder | None
    ) -> None:
        self.parts: list[Part] = []
        self._beside = beside
        self._in_vain = _MOST_IN_VAIN
        """How many bytes may still be decoded at once in vain. Those that were not in vain are added."""
        self._places = 0
        self._body = body
        self._placer = RecordPlacer(requested.folder, requested.day, findings)
        self._owners = (requested.company, requested.org)
        self._layouts = layouts
        self._findings = findings

    def into(self, raw: Raw, path: str, above: Above) -> Steps[None]:
        """Find the day records in the value at `path`."""
        self._places += 1
        if self._places > _MOST_PLACES:
            raise unrecognized("$", f"more than {_MOST_PLACES} lists and objects around the day records")
        if above.depth > _DEEPEST:
            raise unrecognized(path, f"nested more than {_DEEPEST} levels deep")
        match first_byte(raw):
            case "[":
                yield from self._into_list(raw, path, above)
            case "{":
                part = self._decoded_at_once(raw, path, above)
                yield
                if part is not None:
                    self.parts.append(part)
                    return
                inside = yield from members(raw, path)
                if not inside and not is_empty(raw):
                    raise self._nothing(path, _ONLY_NULL)
                layout = self._layouts.of(inside, path)
                yield
                if self._is_day_record(inside, layout, path):
                    if layout.agents and not is_composite(inside[layout.agents[0]]) and len(raw) <= _LARGEST_AT_ONCE:
                        self._in_vain -= len(raw)
                    self.parts.append(self._placer.place(inside, layout, raw, path, above))
                else:
                    yield from self._into_container(raw, inside, layout, path, above)
            case _:
                said = quotation(decode(raw, path))
                raise unrecognized(path, f"expected day records (a list or an object){said}")

    def _decoded_at_once(self, raw: Raw, path: str, above: Above) -> Part | None:
        """Return an object as a day record if agents of the known shape are beside their number, else None."""
        if self._beside is None or self._in_vain < 0 or len(raw) > _LARGEST_AT_ONCE:
            return None
        found = self._beside.with_fields(raw)
        if found is None:
            return None
        fields, agents = found
        layout = self._layouts[tuple(fields)]
        if not layout.agents or layout.duplicate is not None:
            return None
        self._in_vain += len(raw)
        inside = {key: Raw(msgspec.json.encode(value)) for key, value in fields.items()}
        return replace(self._placer.place(inside, layout, raw, path, above), agents=agents)

    def _into_list(self, raw: Raw, path: str, above: Above) -> Steps[None]:
        below = replace(above, depth=above.depth + 1)
        listed = yield from elements(raw, path)
        if listed and all(map(is_null, listed)):
            raise self._nothing(path, _ONLY_NULL)
        for index, element in enumerate(listed):
            if is_composite(element):
                yield from self.into(element, child_path(path, index), below)
            elif not is_null(element):
                raise self._nothing(child_path(path, index), "expected a day record (an object)")

    def _into_container(
        self, raw: Raw, inside: Mapping[str, Raw], layout: Layout, path: str, above: Above
    ) -> Steps[None]:
        """Find the day records in an object that is keyed by folder or by date, or is a wrapper (rule 6)."""
        keyed = {key: value for key, value in inside.items() if is_composite(value)}
        named = {*layout.days, *layout.folders}
        beside = [key for key in inside if key not in keyed and key not in named]
        if inside and not keyed:
            raise self._nothing(path, "expected a day record, found an object without a call count or agents", inside)
        self._check_container(keyed, beside, path)
        here = replace(above, depth=above.depth + 1, claims=above.claims + claims_of(inside, layout, path))
        plain = child_path(path, beside[0]) if beside else None
        before = len(self.parts)
        for key, value in keyed.items():
            known = len(self.parts)
            yield from self.into(value, child_path(path, key), self._below(here, key, path, plain))
            if normalize(key) in ERRORS and len(self.parts) == known:
                raise self._nothing(child_path(path, key), "an error in place of day records", inside)
        empty = len(self.parts) == before
        if empty:
            yield from self._check_nulls(raw, path)
        for key in beside:
            if is_failure(key, decode(inside[key], child_path(path, key)), empty=empty):
                raise self._nothing(child_path(path, key), "expected day records, found only this value", inside)

    def _check_container(self, keyed: Mapping[str, Raw], beside: Sequence[str], path: str) -> None:
        """Reject an object that is not a wrapper, and that is not keyed by folder or date throughout."""
        if len(keyed) > 1:
            for key in keyed:
                if normalize(key) in WRAPPERS:
                    message = "a wrapper next to another list or object; a wrapper must be the only one in its object"
                    raise unrecognized(child_path(path, key), message)
                if key in self._owners:
                    message = "ambiguous: the requested company or org, or a folder of the same name?"
                    raise unrecognized(child_path(path, key), message)
            if beside:
                raise unrecognized(child_path(path, beside[0]), "expected a day record like those next to it")
        for key in beside:
            if values.day_of_key(key) is not None:
                raise unrecognized(child_path(path, key), "expected a day record like those next to it")

    def _check_nulls(self, raw: Raw, path: str) -> Steps[None]:
        """Reject an object without day records if its own call count, or its agents, are null."""
        for piece in pieces(raw):
            layout = self._layouts[tuple(key for key, value in object_level(piece, path).items() if is_null(value))]
            for key in layout.counts + layout.agents:
                raise self._nothing(child_path(path, key), _ONLY_NULL)
            yield

    def _nothing(self, path: str, message: str, inside: Mapping[str, Raw] | None = None) -> DecodeError:
        """Return the error for a place without day records; it quotes what the response says there, or instead."""
        quoted = explanation(inside or {}, None if self.parts else self._body, self._layouts)
        return unrecognized(path, f"{message}{quoted}")

    def _below(self, here: Above, key: str, path: str, plain: str | None) -> Above:
        """Return `here` with what a key says about the records below it; `plain` is the path of a value beside it."""
        name = normalize(key)
        if name in WRAPPERS:
            self._findings[f"rule 6: {key!r} is a wrapper"] = None
            return here
        if (day := values.day_of_key(key)) is not None:
            return replace(here, day=day)
        if key in self._owners:
            self._findings["rule 4: a key is the name of the requested company or org, so not of a folder"] = None
            return here
        if not key:
            raise unrecognized(child_path(path, key), "expected a folder name, found an empty key")
        if name in OVERALL:
            raise unrecognized(child_path(path, key), "this name is read only in an agent's record")
        return replace(here, folder=key, others=here.folder is not None, plain=plain)

    def _is_day_record(self, inside: Mapping[str, Raw], layout: Layout, path: str) -> bool:
        """Return whether an object is a day record (rule 1): it has a call count, or agents."""
        if layout.counts and not is_composite(inside[layout.counts[0]]):
            return True
        if not layout.agents or is_composite(inside[layout.agents[0]]):
            return bool(layout.agents)
        return self._has_agents_beside(inside, layout, path)

    def _has_agents_beside(self, inside: Mapping[str, Raw], layout: Layout, path: str) -> bool:
        """Return whether an object without a count has agents beside a number.

        Raises DecodeError if they may be day records, or elsewhere.
        """
        dates_and_wrappers = {*values.dates_among(inside), *layout.wrappers}
        doubtful = [key for key in inside if key in dates_and_wrappers] if dates_and_wrappers else ()
        for agent, _ in self._agents_among(doubtful, inside, layout, path):
            raise unrecognized(child_path(path, agent), "ambiguous: an agent's record, or day records under this key?")
        found = any(True for _ in self._agents_among(inside, inside, layout, path))
        if not found and len(layout.agents) > 1:
            raise unrecognized(child_path(path, layout.agents[1]), "ambiguous: agents, or a folder of this name?")
        return found

    def _agents_among(
        self, keys: Iterable[str], inside: Mapping[str, Raw], layout: Layout, path: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        members = ((key, inside[key]) for key in keys if key not in layout.overall)
        return agents_beside(members, path, self._layouts)
