"""Agents decoded straight to columns if their records are uniform, in a third of the time.

Records are uniform, as nearly always, if they are the members of an object by agent id, have no other keys than those
before them, one of these for the count and at most one for the mean, and plain values. All others are decoded as they
are, for `agent_records` to read.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from exporter.stats import values
from exporter.stats.day_record import without_nulls
from exporter.stats.duplicate_keys import may_have_duplicate_record
from exporter.stats.field_names import Layouts
from exporter.stats.model import AgentDays
from exporter.stats.raw_json import decode, first_byte, object_level

_Count = Annotated[int, Meta(ge=0, le=values.LARGEST_COUNT)]
_Seconds = Annotated[float, Meta(ge=0, lt=values.LARGEST_DURATION)]
"""Below the largest, not at most: an integer just above it would be rounded to it. `values` still sees the integer."""
_KEYS_AT_MOST: Final = 64


class UniformAgents(Struct, frozen=True):
    """Agents with calls, read already; `keys` are those of their records, `size` counts those without calls too."""

    columns: AgentDays
    keys: tuple[str, ...]
    size: int

    def __len__(self) -> int:
        return self.size


class ColumnDecoder:
    """Decodes agents, and remembers the keys of their records for the next ones; `layouts` knows the names."""

    def __init__(self, layouts: Layouts) -> None:
        self._layouts = layouts
        self._keys: tuple[str, ...] = ()

    def decode(self, raw: Raw, path: str) -> UniformAgents | dict[str, Any] | list[Any]:
        """Return the agents in the object or list at `path`: as columns if they are uniform, else decoded only.

        Raises DecodeError, also for a duplicated id in an object.
        """
        if first_byte(raw) == "[":
            return list(decode(raw, path))
        uniform = self._uniform(raw, path)
        if uniform is not None:
            return uniform
        agents = without_nulls(decode(raw, path))
        object_level(raw, path)  # rejects a duplicated id
        self._keys = max((tuple(agent) for agent in agents.values() if isinstance(agent, dict)), key=len, default=())
        return agents

    def _uniform(self, raw: Raw, path: str) -> UniformAgents | None:
        pair = self._layouts[self._keys].pair if len(self._keys) <= _KEYS_AT_MOST else None
        if pair is None:
            return None
        try:
            records = _record_decoder(self._keys, *pair)(raw)
            if b"\\" in bytes(raw):
                object_level(raw, path)  # rejects a duplicated id, in any spelling
            elif may_have_duplicate_record(raw, pair[0], len(records)):
                return None
            calls = [record.calls for record in records.values()]
            averages: list[Any] = [None] * len(calls)
            if pair[1] is not None:
                averages = [record.average for record in records.values()]
            durations = self._layouts.durations
            known = durations.of_text
            if set(map(type, averages)) == {str}:
                averages = list(map(known.__getitem__, averages))
            elif durations.unit != "seconds":
                averages = [average if average is None else durations.seconds(average) for average in averages]
            else:
                averages = [known[average] if average.__class__ is str else average for average in averages]
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None
        columns = AgentDays(list(records), calls, averages)
        if 0 in calls:
            columns = AgentDays.of(agent for agent in columns if agent.calls)
        return UniformAgents(columns, self._keys, len(calls))


@lru_cache(maxsize=64)
def _record_decoder(keys: tuple[str, ...], count: str, average: str | None) -> Callable[[Raw], dict[str, Any]]:
    """Return a decoder of an object of records with `keys`, to objects with the attributes `calls` and `average`."""
    fields: dict[str, tuple[str, Any, Any]] = {count: ("calls", _Count, msgspec.NODEFAULT)}
    if average is not None:
        fields[average] = ("average", str | _Seconds | None, None)
    for key in keys:
        fields.setdefault(key, (f"other_{len(fields)}", Raw, Raw()))
    record = msgspec.defstruct(
        "UniformAgent",
        list(fields.values()),
        rename={name: key for key, (name, _, _) in fields.items()},
        forbid_unknown_fields=True,
        frozen=True,
        gc=False,
    )
    return msgspec.json.Decoder(dict[str, record]).decode  # type: ignore[valid-type] # made just now
