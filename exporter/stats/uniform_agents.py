"""Agents decoded straight to columns if their records are uniform, in a fraction of the time.

Records are uniform, as nearly always, if they have no other keys than those before them, one of these for the count and
at most one for the mean, and plain values there. All others are decoded as they are, for `agent_records` to read.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import Any

import msgspec
from msgspec import Raw

from exporter.stats import values
from exporter.stats.day_record import UniformAgents, without_nulls
from exporter.stats.duplicate_keys import may_have_duplicate_member, may_have_duplicate_record
from exporter.stats.field_names import Layouts
from exporter.stats.model import AgentDays
from exporter.stats.raw_json import decode, first_byte, object_level
from exporter.stats.uniform_records import RecordType, Shape, record_type

_Decoded = tuple[list[str], list[Any]]
"""The ids of agents, and their records."""


class ColumnDecoder:
    """Decodes agents, and remembers the shape of their records for the next ones; `layouts` knows the names."""

    def __init__(self, layouts: Layouts) -> None:
        self._layouts = layouts
        self._shape = Shape()
        self._types: dict[bool, RecordType | None] = {}
        """The types of records of the shape, with and without an id."""

    def decode(self, raw: Raw, path: str) -> UniformAgents | dict[str, Any] | list[Any]:
        """Return the agents in the object or list at `path`: as columns if they are uniform, else decoded only.

        Raises DecodeError, also for a duplicated id in an object.
        """
        if first_byte(raw) == "[":
            uniform = self._uniform(lambda kind: _listed(kind, raw), listed=True)
            if uniform is not None:
                return uniform
            listed = list(decode(raw, path))
            self.learn(listed)
            return listed
        uniform = self._uniform(lambda kind: _by_id(kind, raw, path))
        if uniform is not None:
            return uniform
        agents = without_nulls(decode(raw, path))
        object_level(raw, path)  # rejects a duplicated id
        self.learn(agents.values())
        return agents

    def among(self, keys: Sequence[str], members: Sequence[Raw]) -> UniformAgents | None:
        """Return the agents among members of an object: all that are objects; None if these are not uniform."""
        return self._uniform(lambda kind: _beside(kind, keys, members))

    def with_fields(self, raw: Raw) -> tuple[dict[str, Any], UniformAgents] | None:
        """Return the fields of an object, without those that are null, and the agents beside them.

        Return None if a field is not a plain value, if the keys of a record differ from those of the known shape, or if
        an id could be a field's name or a date.
        """
        fields: dict[str, Any] = {}

        def decoded(kind: RecordType) -> _Decoded:
            members: dict[str, Any] = kind.with_fields(raw)
            keys = [key for key, value in members.items() if value.__class__ is not kind.complete]
            number = len(members) - len(keys)
            if not number or may_have_duplicate_member(raw, members, number * kind.commas):
                raise ValueError(keys)
            fields.update((key, members.pop(key)) for key in keys)
            ids = list(members)
            if self._layouts.knows_any(ids) or values.dates_among(ids):
                raise ValueError(ids)
            return ids, list(members.values())

        agents = self._uniform(decoded)
        return None if agents is None else (without_nulls(fields), agents)

    def learn(self, records: Iterable[Any]) -> None:
        """Remember the shape of the fullest of the records that are objects."""
        objects: list[dict[str, Any]] = [record for record in records if record.__class__ is dict]
        keys = _fullest(objects) or ()
        overall: tuple[str, ...] | None = None
        for key in self._layouts[keys].overall[:1]:
            overall = _fullest([record[key] for record in objects if record.get(key).__class__ is dict])
        self._shape = Shape(keys, overall)
        self._types.clear()

    def _uniform(self, decoded: Callable[[RecordType], _Decoded], *, listed: bool = False) -> UniformAgents | None:
        try:
            if listed not in self._types:
                self._types[listed] = record_type(self._layouts, self._shape, listed=listed)
            kind = self._types[listed]
            if kind is None:
                return None
            ids, records = decoded(kind)
            calls, averages = kind.columns(records)
            seconds = self._seconds(averages)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None
        if 0 in calls:
            columns = AgentDays(compress(ids, calls), compress(calls, calls), compress(seconds, calls))
        else:
            columns = AgentDays(ids, calls, seconds)
        return UniformAgents(columns, self._shape, len(calls))

    def _seconds(self, averages: list[Any]) -> list[float | None]:
        durations = self._layouts.durations
        known = durations.of_text
        try:
            return list(map(known.__getitem__, averages))
        except TypeError:  # not all of them are texts
            if durations.unit == "seconds":
                return [known[average] if average.__class__ is str else average for average in averages]
            return [average if average is None else durations.seconds(average) for average in averages]


def _fullest(objects: list[dict[str, Any]]) -> tuple[str, ...] | None:
    """Return the keys of the object with most of them, None without objects."""
    if not objects:
        return None
    fullest = max(objects, key=len)
    return tuple(fullest)


def _by_id(kind: RecordType, raw: Raw, path: str) -> _Decoded:
    """Decode an object of records; raises DecodeError for a duplicated id."""
    records = kind.by_id(raw)
    if may_have_duplicate_record(raw, len(records), kind.objects):
        object_level(raw, path)  # rejects a duplicated id
    return list(records), list(records.values())


def _listed(kind: RecordType, raw: Raw) -> _Decoded:
    records = kind.listed(raw)
    ids = [record.agent for record in records]
    return (ids if set(map(type, ids)) <= {str} else list(map(str, ids))), records


def _beside(kind: RecordType, keys: Sequence[str], members: Sequence[Raw]) -> _Decoded:
    found: list[Any] = kind.beside(b"[%b]" % b",".join(members))
    if max(map(len, keys), default=0) > values.LONGEST_NAME:
        raise ValueError(keys)
    record = kind.record
    if list(map(type, found)).count(record) == len(found):
        return list(keys), found
    are_records = [each.__class__ is record for each in found]
    return list(compress(keys, are_records)), list(compress(found, are_records))
