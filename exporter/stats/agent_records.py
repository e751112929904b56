"""The agents of a day record: rule 3. Errors have paths relative to the day record."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from msgspec import Raw

from exporter.errors import DecodeError
from exporter.runtime.steps import Steps
from exporter.stats import values
from exporter.stats.day_record import (
    AgentsBeside,
    DayRecord,
    Findings,
    UniformAgents,
    average_of,
    calls_of,
    note_measures,
    without_nulls,
)
from exporter.stats.field_names import Layout, Layouts
from exporter.stats.json_path import agent_path, child_path, converted, duplicate_key, prefixed, unrecognized
from exporter.stats.model import AgentDays
from exporter.stats.raw_json import decode, first_byte, is_empty, pieces
from exporter.stats.totals import merged
from exporter.stats.uniform_agents import ColumnDecoder

_AT_A_TIME: Final = 2000
_MOST_AGENTS: Final = 2_000_000

_Entry = tuple[int, str | None, Any]
"""An agent's number, its id (None if it is a field of the record), and its record."""


class AgentReader:
    """Reads agents; `layouts` knows the names, `findings` collects what was read by which rule."""

    def __init__(self, layouts: Layouts, findings: Findings) -> None:
        self._layouts = layouts
        self._findings = findings
        self._decoder = ColumnDecoder(layouts)
        self.beside = ColumnDecoder(layouts)
        """Decodes agents beside their number; those in a list or an object may look different."""

    def read(self, record: DayRecord) -> Steps[AgentDays | None]:
        """Return the agents of a day record that have calls, None if it names no agents at all; raises DecodeError."""
        match record.agents:
            case AgentsBeside() as beside:
                return (yield from self._beside(record.layout.agents[0], beside))
            case UniformAgents() as uniform:
                key = record.layout.agents[0]
                self._check_number(key, record.fields[key])
                self._note(uniform.shape.keys, uniform.shape.overall)
                return uniform.columns
            case Raw() as raw:
                return (yield from self._below(record.layout.agents[0], raw))
        return None

    def _check_number(self, key: str, number: Any) -> None:
        """Check the number that agents are beside; raises DecodeError."""
        converted(values.count, number, "", key)
        self._findings[f"rule 3: {key!r} is a number, agents are the fields beside it, by their ids"] = None

    def _beside(self, key: str, beside: AgentsBeside) -> Steps[AgentDays]:
        self._check_number(key, beside.number)
        start, found = 0, list[AgentDays]()
        keys, records = list(beside.members), list(beside.members.values())
        for first in range(0, len(keys), _AT_A_TIME):
            some = slice(first, first + _AT_A_TIME)
            uniform = self.beside.among(keys[some], records[some])
            yield
            if uniform is not None:
                self._add_uniform(uniform, found)
                start += len(uniform)
                continue
            agents = dict(agents_beside(zip(keys[some], records[some], strict=True), "", self._layouts))
            self.beside.learn(agents.values())
            yield from self._add_entries(
                "", ((number, *item) for number, item in enumerate(agents.items(), start)), found
            )
            start += len(agents)
        return AgentDays.joined(found)

    def _below(self, key: str, raw: Raw) -> Steps[AgentDays | None]:
        """Read the agents in the list or object under `key`."""
        path, is_list = child_path("", key), first_byte(raw) == "["
        start, found = 0, list[AgentDays]()
        self._findings[f"rule 3: agents from {key!r}, {'a list' if is_list else 'an object by their ids'}"] = None
        for piece in pieces(raw):
            agents = self._decoder.decode(piece, path)
            yield
            match agents:
                case UniformAgents():
                    self._add_uniform(agents, found)
                case dict():
                    plain = tuple(each for each, value in agents.items() if not isinstance(value, (dict, list)))
                    if self._layouts[plain].counts:
                        raise unrecognized(path, "ambiguous: agents by their ids, or a record of its own?")
                    entries = ((number, *item) for number, item in enumerate(agents.items(), start))
                    yield from self._add_entries(path, entries, found)
                case list():
                    listed = ((number, None, each) for number, each in enumerate(agents, start) if each is not None)
                    yield from self._add_entries(path, listed, found)
            start += len(agents)
            if sum(map(len, found)) > _MOST_AGENTS:
                raise unrecognized(path, f"more than {_MOST_AGENTS} agents in one folder")
        if not found:
            if not is_empty(raw):
                raise unrecognized(path, "expected agents, found only null")
            return None
        if len(found) == 1 and not is_list:
            return found[0]
        together = yield from added_up(found, path)
        if not is_list and len(together) < sum(map(len, found)):
            raise duplicate_key(path)
        return together

    def _add_uniform(self, agents: UniformAgents, found: list[AgentDays]) -> None:
        if len(agents):
            self._note(agents.shape.keys, agents.shape.overall)
            found.append(agents.columns)

    def _add_entries(self, path: str, entries: Iterator[_Entry], found: list[AgentDays]) -> Steps[None]:
        """Read agents some at a time, and add them to `found`."""
        while some := list(islice(entries, _AT_A_TIME)):
            if isinstance(some[0][2], dict):
                record = without_nulls(some[0][2])
                self._note(tuple(record), tuple(_overall(record, self._layouts[tuple(record)])))
            found.append(_checked(self._agents(path, some), path))
            yield

    def _agents(self, path: str, entries: list[_Entry]) -> AgentDays:
        agents, all_calls, averages = list[str](), list[int](), list[float | None]()
        number, key = 0, None
        try:
            for number, key, value in entries:  # noqa: B007 # for the error's path
                agent, average = key, None
                if value.__class__ is dict:
                    record = without_nulls(value)
                    layout = self._layouts.of(record)
                    if agent is None:
                        if not layout.agent_ids:
                            raise unrecognized("", "this agent's record has no agent id")
                        agent = converted(values.agent_id, record[layout.agent_ids[0]], "", layout.agent_ids[0])
                    calls, average = self._measures(record, layout)
                elif agent is None:
                    raise unrecognized("", "expected an agent's record (an object)")
                else:
                    calls = converted(values.count, value, "")
                if calls:
                    agents.append(agent)
                    all_calls.append(calls)
                    averages.append(average)
        except DecodeError as error:
            raise prefixed(child_path(path, number) if key is None else agent_path(path, number), error) from None
        return AgentDays(agents, all_calls, averages)

    def _measures(self, record: dict[str, Any], layout: Layout) -> tuple[int, float | None]:
        """Return calls and mean duration of an agent; what is missing may be one level down in `overall`."""
        calls = calls_of(record, layout)
        if not layout.overall and calls is not None:
            return calls, average_of(record, layout, calls)
        below = _overall(record, layout)
        path = child_path("", layout.overall[0]) if below else ""
        layout_below = self._layouts.of(below, path)
        if calls is None:
            calls = calls_of(below, layout_below, path)
        if calls is None:
            raise unrecognized("", "this agent's record has no call count")
        average = average_of(record, layout, calls)
        return calls, average if average is not None else average_of(below, layout_below, calls, path)

    def _note(self, keys: tuple[str, ...], overall: tuple[str, ...] | None) -> None:
        note_measures(self._findings, "an agent's", self._layouts[keys])
        note_measures(self._findings, "an agent's overall", self._layouts[overall or ()])


def agents_beside(
    members: Iterable[tuple[str, Raw]], path: str, layouts: Layouts
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the agents among members of a day record: objects with a call count, perhaps in `overall` (rule 3).

    All members are decoded, since a number in any of them may be out of range; raises DecodeError for `path`.
    """
    for key, raw in members:
        value = decode(raw, path)
        if isinstance(value, dict):
            agent = without_nulls(value)
            layout = layouts[tuple(agent)]
            if layout.counts or layouts[tuple(_overall(agent, layout))].counts:
                yield key, value


def added_up(parts: list[AgentDays], path: str) -> Steps[AgentDays]:
    """Return the agents of several parts, merged by id; raises DecodeError if the calls of one get too many."""
    together = yield from merged(parts)
    if len(together) < sum(map(len, parts)):  # else nothing has been added to anything
        for some in together.slices(_AT_A_TIME):
            if max(some.calls) > values.LARGEST_COUNT:
                raise unrecognized(path, "an agent's calls add up to a number out of range")
            yield
    return together


def _checked(agents: AgentDays, path: str) -> AgentDays:
    if max(map(len, agents.agents), default=0) > values.LONGEST_NAME:
        raise unrecognized(path, f"an agent id is longer than {values.LONGEST_NAME} characters")
    return agents


def _overall(record: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """Return the members of `overall`, none if it is not an object."""
    below = record[layout.overall[0]] if layout.overall else None
    return without_nulls(below) if isinstance(below, dict) else {}
