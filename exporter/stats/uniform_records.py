"""Decoders of agents' records that have the same fields, in a fraction of the time that a `dict` for each takes.

The type of the records is made from the keys of records seen before. JSON of any other type is not decoded.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from exporter.stats import values
from exporter.stats.field_names import Layouts

_KEYS_AT_MOST: Final = 64
_Name = Annotated[str, Meta(max_length=values.LONGEST_NAME)]
_Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, Meta(ge=0, le=values.LARGEST_COUNT)]
_Seconds = Annotated[float, Meta(ge=0, lt=values.LARGEST_DURATION)]
"""Below the largest, not at most: an integer just above it would be rounded to it. `values` still sees the integer."""
_FIELDS: Final[Mapping[str, tuple[Any, Any]]] = {
    "agent": (_Name | _Number, msgspec.NODEFAULT),
    "calls": (_Count, msgspec.NODEFAULT),
    "average": (str | _Seconds | None, None),
}
"""The type and the default of what is read; other fields are decoded all the same, because that may fail."""

_Meanings = tuple[tuple[str, str], ...]
"""The keys of an object, each with the name of its value in `_FIELDS`, `overall`, or nothing."""


class Shape(Struct, frozen=True):
    """The keys of records, and those of the object in their `overall`, None without one."""

    keys: tuple[str, ...] = ()
    overall: tuple[str, ...] | None = None


class RecordType:
    """The type of records whose keys, and those of their `overall`, mean `own` and `below`.

    Its decoders raise what msgspec raises.
    """

    def __init__(self, own: _Meanings, below: _Meanings | None) -> None:
        self._own, self._below = own, below
        overall = None if below is None else _struct("UniformOverall", below)
        self.record: Any = _struct("UniformRecord", own, overall)
        self.by_id = msgspec.json.Decoder(dict[_Name, self.record]).decode  # type: ignore[name-defined] # made just now
        self.listed = msgspec.json.Decoder(list[self.record]).decode  # type: ignore[name-defined]
        plain = self.record | str | int | float | bool | list[Any] | None
        self.beside = msgspec.json.Decoder(list[plain]).decode  # type: ignore[valid-type]
        """Decodes a list of records and of values that are not objects."""
        self.objects = 1 if overall is None else 2
        """How many objects a record is, at least."""
        self._counts_below = all(name != "calls" for _, name in own)
        self._has_average = any(name == "average" for _, name in own)
        self._has_average_below = below is not None and any(name == "average" for _, name in below)

    @cached_property
    def complete(self) -> Any:
        """The type of the records that have all fields."""
        overall = None if self._below is None else _struct("CompleteOverall", self._below, complete=True)
        return _struct("CompleteRecord", self._own, overall, complete=True)

    @cached_property
    def commas(self) -> int:
        """How many commas are between the fields of a complete record, without those in values."""
        return max(0, len(self._own) - 1) + max(0, len(self._below or ()) - 1)

    @cached_property
    def with_fields(self) -> Any:
        """Decodes an object of complete records and plain values, to a `dict`."""
        plain = self.complete | str | _Number | float | bool | None
        return msgspec.json.Decoder(dict[_Name, plain]).decode  # type: ignore[valid-type]

    def columns(self, records: Sequence[Any]) -> tuple[list[int], list[Any]]:
        """Return the counts and the means of records, None for a mean that is missing."""
        below = [record.overall for record in records] if self.objects > 1 else ()
        calls = [record.calls for record in (below if self._counts_below else records)]
        if self._has_average or self._has_average_below:
            return calls, [record.average for record in (below if self._has_average_below else records)]
        return calls, [None] * len(calls)


def record_type(layouts: Layouts, shape: Shape, *, listed: bool) -> RecordType | None:
    """Return the type of records of a shape, None if it takes more than their keys to read such records.

    `listed` records have ids. `layouts` knows the names.
    """
    if len(shape.keys) + len(shape.overall or ()) > _KEYS_AT_MOST:
        return None
    own, below = layouts[shape.keys], layouts[shape.overall or ()]
    counts, averages = own.counts or below.counts, own.averages + below.averages
    if own.duplicate is not None or below.duplicate is not None or own.totals or below.totals:
        return None
    if len(counts) != 1 or len(averages) > 1 or bool(own.overall) != (shape.overall is not None):
        return None
    if listed and not own.agent_ids:
        return None
    named = {"calls": own.counts, "average": own.averages, "overall": own.overall}
    meanings = _meanings(shape.keys, **named, agent=own.agent_ids if listed else ())
    below_counts = () if own.counts else below.counts
    meanings_below = _meanings(shape.overall or (), calls=below_counts, average=below.averages)
    if meanings is None or meanings_below is None:
        return None
    return _record_type(meanings, None if shape.overall is None else meanings_below)


def _meanings(keys: Sequence[str], **names: Sequence[str]) -> _Meanings | None:
    """Return what keys mean, None if one is to mean several things; `names` has the keys of each meaning."""
    first = [(found[0], name) for name, found in names.items() if found]
    by_key = dict(first)
    return tuple((key, by_key.get(key, "")) for key in keys) if len(by_key) == len(first) else None


_record_type = lru_cache(maxsize=64)(RecordType)


def _struct(
    name: str, meanings: _Meanings, overall: type[Struct] | None = None, *, complete: bool = False
) -> type[Struct]:
    """Return a type of objects; `overall` is the type of the objects under the key of that meaning.

    A `complete` object has all fields.
    """
    fields = {**_FIELDS, "overall": (overall, msgspec.NODEFAULT), "": (Any, None)}
    if complete:
        fields = {meaning: (kind, msgspec.NODEFAULT) for meaning, (kind, _) in fields.items()}
    attributes = {key: meaning or f"other_{number}" for number, (key, meaning) in enumerate(meanings)}
    return msgspec.defstruct(
        name,
        [(attributes[key], *fields[meaning]) for key, meaning in meanings],
        rename={attribute: key for key, attribute in attributes.items()},
        forbid_unknown_fields=True,
        kw_only=True,  # fields with a default may come first
        frozen=True,
        gc=False,
    )
