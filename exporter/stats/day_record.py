"""A day record, as it was found in the body and decoded, and the measures of its folder or of an agent: rules 1 and 2.

Null is the same as missing (rule 8), so layouts leave it out. Errors have paths relative to the record.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, TypeAlias

from msgspec import Raw, Struct

from exporter.stats import values
from exporter.stats.field_names import Layout
from exporter.stats.json_path import child_path, converted
from exporter.stats.model import AgentDays
from exporter.stats.raw_json import decode, is_composite
from exporter.stats.uniform_records import Shape

Findings = dict[str, None]
"""What was read by which rule, as sentences for people, in the order in which it was first seen."""


class AgentsBeside(Struct, frozen=True):
    """A number in place of the agents, whose records are among the members of the day record, by agent id (rule 3)."""

    number: Any
    members: Mapping[str, Raw]


class UniformAgents(Struct, frozen=True):
    """Agents with calls, read already; `shape` is that of their records, `size` counts those without calls too."""

    columns: AgentDays
    shape: Shape
    size: int

    def __len__(self) -> int:
        return self.size


Agents: TypeAlias = Raw | AgentsBeside | UniformAgents | None
"""The agents of a day record: the JSON of a list or an object, to be read in pieces; or among others; or beside their
number and read already; or no agents."""


class DayRecord(Struct, frozen=True):
    """A day record, decoded but for its agents and what may be one; `layout` has its keys that are not null."""

    layout: Layout
    fields: dict[str, Any]
    agents: Agents


class Part(Struct, frozen=True):
    """A day record in the body: its folder, its day (None if nothing says which), its JSON, and its members there.

    `agents` are those beside their number, if they have been read already: these are not among the members.
    """

    path: str
    folder: str
    day: date | None
    raw: Raw
    members: dict[str, Raw]
    layout: Layout
    agents: UniformAgents | None = None

    def decode(self) -> DayRecord:
        """Return the decoded record; raises DecodeError."""
        if self.agents is not None:
            fields = {name: decode(value, "") for name, value in self.members.items()}
            return DayRecord(self.layout, fields, self.agents)
        key = self.layout.agents[0] if self.layout.agents else None
        if key is not None and is_composite(self.members[key]):
            others = {name: decode(value, child_path("", name)) for name, value in self.members.items() if name != key}
            return DayRecord(self.layout, others, self.members[key])
        if key is None:
            return DayRecord(self.layout, decode(self.raw, ""), None)
        layout, others = self.layout, dict(self.members)
        own = {key, *layout.counts, *layout.averages, *layout.totals, *layout.folders, *layout.days, *layout.overall}
        fields = {name: decode(self.members[name], "") for name in own}
        for name, value in fields.items():
            if name in layout.overall or not isinstance(value, dict):
                del others[name]
        return DayRecord(layout, fields, AgentsBeside(fields[key], others))


def without_nulls(record: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a decoded object that are not null."""
    if None in record.values():
        return {key: value for key, value in record.items() if value is not None}
    return record


def calls_of(record: Mapping[str, Any], layout: Layout, path: str = "") -> int | None:
    """Return the call count (rule 1), None without one; raises DecodeError."""
    if not layout.counts:
        return None
    return converted(values.count, record[layout.counts[0]], path, layout.counts[0])


def average_of(record: Mapping[str, Any], layout: Layout, calls: int | None, path: str = "") -> float | None:
    """Return the mean duration in seconds (rule 2), None without one; raises DecodeError."""
    if layout.averages:
        return converted(layout.durations.seconds, record[layout.averages[0]], path, layout.averages[0])
    if layout.totals:
        total = converted(layout.durations.seconds, record[layout.totals[0]], path, layout.totals[0])
        return total / calls if calls else None
    return None


def note_measures(findings: Findings, whose: str, layout: Layout) -> None:
    """Add to `findings` which fields the measures are read from, and `whose` they are, such as "an agent's"."""
    if layout.counts:
        findings[f"rule 1: {whose} calls from {layout.counts[0]!r}"] = None
    if layout.averages:
        findings[f"rule 2: {whose} mean duration from {layout.averages[0]!r}{_numbers(layout)}"] = None
    elif layout.totals:
        findings[
            f"rule 2: {whose} total duration, divided by the calls, from {layout.totals[0]!r}{_numbers(layout)}"
        ] = None


def _numbers(layout: Layout) -> str:
    unit = layout.durations.unit
    return "" if unit == "seconds" else f" (numbers are {unit})"
