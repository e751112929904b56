"""One folder's day records, fully decoded, to their values: rules 1 to 3, and the adding up of rule 7."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from msgspec import Raw

from exporter.errors import DecodeError
from exporter.runtime.steps import Steps
from exporter.stats import values
from exporter.stats.field_names import Layout, Layouts, first
from exporter.stats.json_path import at, at_agent, twice, unrecognized
from exporter.stats.model import AgentDay, AgentDays, FolderDay
from exporter.stats.raw_json import decode, is_composite
from exporter.stats.totals import Sum, merged, sum_of
from exporter.stats.uniform_agents import UniformAgents

Findings = dict[str, None]
"""What was read by which rule, in the order in which it was first seen; for people."""

_AGENTS_AT_A_TIME: Final = 2000
_MOST_AGENTS: Final = 2_000_000
_FOLDERS: Final = "a folder's"
_AGENTS: Final = "an agent's"
_AGENTS_OVERALL: Final = "an agent's overall"


class DayRecordReader:
    """Reads day records; `layouts` knows the names, `findings` collects what was read by which rule."""

    def __init__(self, layouts: Layouts, findings: Findings) -> None:
        self._layouts = layouts
        self._findings = findings

    def read(self, folder: str, records: Iterable[tuple[str, dict[str, Any]]]) -> Steps[FolderDay]:
        """Read and add up all records, each with its path, of one folder and day.

        It yields where a pause may be made, and returns the folder's day. Raises DecodeError, `unrecognized`.
        """
        total = Sum()
        parts: list[AgentDays] = []
        for path, record in records:
            try:
                agents = yield from self._agents(record)
                layout = self._layout(record)
                calls = self._calls(record, layout)
                average = self._average(record, layout, calls)
            except DecodeError as error:
                raise unrecognized(path + error.path, error.message) from None
            self._note(_FOLDERS, record)
            if calls is None:
                self._findings["rule 1: calls and mean duration are those of the agents, added up"] = None
                own = yield from sum_of(agents)
                calls, average = own.calls, own.average_seconds
            total.add(calls, average)
            if total.calls > values.LARGEST_COUNT:
                raise unrecognized(path, "the calls add up to a number out of range")
            parts.append(agents)
        together = parts[0] if len(parts) == 1 else (yield from _added_up(parts, path))
        return FolderDay(folder, total.calls, total.average_seconds, together)

    def _present(self, record: dict[str, Any]) -> Layout:
        """Give a record's layout; of two spellings of a name, one that is null does not count (rule 8)."""
        layout = self._layouts[tuple(record)]
        if layout.twice is None:
            return layout
        return self._layouts[tuple(key for key, value in record.items() if value is not None)]

    def _layout(self, record: dict[str, Any], path: str = "") -> Layout:
        layout = self._present(record)
        if layout.twice is not None:
            raise unrecognized(at(path, layout.twice), "stands here in two spellings, so which of them counts?")
        return layout

    def _calls(self, record: dict[str, Any], layout: Layout, path: str = "") -> int | None:
        for key in layout.counts:
            if (value := record[key]) is not None:
                try:
                    return values.count(value)
                except ValueError as error:
                    raise unrecognized(at(path, key), str(error)) from None
        return None

    def _average(self, record: dict[str, Any], layout: Layout, calls: int | None, path: str = "") -> float | None:
        key = ""
        try:
            for key in layout.averages:
                if (value := record[key]) is not None:
                    return values.seconds(value)
            for key in layout.totals:
                if (value := record[key]) is not None:
                    total = values.seconds(value)
                    return total / calls if calls else None
        except ValueError as error:
            raise unrecognized(at(path, key), str(error)) from None
        return None

    def _measure_agent(self, record: dict[str, Any]) -> tuple[int, float | None]:
        """Read an agent's values; what is missing may stand one level down in `overall` (rule 3)."""
        layout = self._layout(record)
        calls = self._calls(record, layout)
        below = _overall(record, layout)
        path = at("", layout.overall[0]) if below else ""
        layout_below = self._layout(below, path)
        if calls is None:
            calls = self._calls(below, layout_below, path)
        if calls is None:
            raise unrecognized("", "an agent's record without a call count")
        average = self._average(record, layout, calls)
        if average is None:
            average = self._average(below, layout_below, calls, path)
        return calls, average

    def _note_agent(self, record: dict[str, Any]) -> None:
        self._note(_AGENTS, record)
        self._note(_AGENTS_OVERALL, _overall(record, self._present(record)))

    def _note(self, whose: str, record: dict[str, Any]) -> None:
        """Remember which keys a record's values are read from."""
        layout = self._present(record)
        if (key := first(layout.counts, record)) is not None:
            self._findings[f"rule 1: {whose} calls from {key!r}"] = None
        if (key := first((*layout.averages, *layout.totals), record)) is not None:
            what = "total duration, divided by the calls," if key in layout.totals else "mean duration"
            self._findings[f"rule 2: {whose} {what} from {key!r}"] = None

    def _agents(self, record: dict[str, Any]) -> Steps[AgentDays]:
        """Read the agents (rule 3), with a pause where one may be made."""
        layout = self._layout(record)
        key = first(layout.agents, record)
        if key is None:
            return AgentDays()
        path, found, listed = at("", key), list[AgentDays](), False
        match record[key]:
            case Iterator() as pieces:
                start = 0
                for piece in pieces:
                    if piece is not None:
                        listed = isinstance(piece, list)
                        start += yield from self._some(key, piece, start, found)
                    if sum(map(len, found)) > _MOST_AGENTS:
                        raise unrecognized(path, f"more than {_MOST_AGENTS} agents")
                    yield
            case UniformAgents() as alike:
                yield from self._some(key, alike, 0, found)
                return found[0]
            case dict() | list() as all_of_them:
                listed = isinstance(all_of_them, list)
                yield from self._some(key, all_of_them, 0, found)
            case number:
                try:
                    values.count(number)
                except ValueError as error:
                    raise unrecognized(path, str(error)) from None
                self._findings[f"rule 3: {key!r} is a number, agents stand beside it under their ids"] = None
                yield from self._entries("", at_agent, 0, self.beside(record), self._by_id, found)
        agents = yield from _added_up(found, path)
        if not listed and len(agents) < sum(map(len, found)):
            raise twice(path)
        return agents

    def _some(
        self, key: str, agents: UniformAgents | dict[str, Any] | list[Any], start: int, found: list[AgentDays]
    ) -> Steps[int]:
        """Add what is under the key of the agents, or a piece of it from its place `start` on, to what has been found.

        Gives how many there are in it, with and without calls.
        """
        path = at("", key)
        match agents:
            case UniformAgents():
                self._findings[f"rule 3: agents from {key!r}, an object by their ids"] = None
                self._note(_AGENTS, dict.fromkeys(agents.keys, ""))
                found.append(_checked(agents.agents, path))
                yield
                return agents.size
            case dict():
                plain = tuple(agent for agent, value in agents.items() if _is_plain(value))
                if first(self._layouts[plain].counts, agents) is not None:
                    raise unrecognized(path, "are these agents by their ids, or is it a record of its own?")
                self._findings[f"rule 3: agents from {key!r}, an object by their ids"] = None
                yield from self._entries(path, at_agent, start, iter(agents.items()), self._by_id, found)
            case list():
                self._findings[f"rule 3: agents from {key!r}, a list"] = None
                yield from self._entries(path, at, start, enumerate(agents), self._listed, found)
        return len(agents)

    def _entries(
        self,
        path: str,
        place: Callable[[str, int], str],
        start: int,
        entries: Iterable[tuple[Any, Any]],
        read: Callable[[str, list[tuple[int, Any, Any]]], list[AgentDay]],
        found: list[AgentDays],
    ) -> Steps[None]:
        """Read agents some at a time, each with its number, counted from `start`."""
        numbered = enumerate(entries, start)
        while raw := list(islice(numbered, _AGENTS_AT_A_TIME)):
            some = [(number, name, _decoded(place(path, number), value)) for number, (name, value) in raw]
            if isinstance(some[0][2], dict):
                self._note_agent(some[0][2])
            found.append(_checked(AgentDays.of(read(path, some)), path))
            yield

    def beside(self, record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give the agents that stand in a record under their ids: its objects with a call count (rule 3)."""
        overall = self._layout(record).overall
        for key, value in record.items():
            if isinstance(value, dict) and key not in overall and self._has_calls(value):
                yield key, value

    def _has_calls(self, record: dict[str, Any]) -> bool:
        layout = self._present(record)
        below = _overall(record, layout)
        return first(layout.counts, record) is not None or first(self._present(below).counts, below) is not None

    def _by_id(self, path: str, some: list[tuple[int, Any, Any]]) -> list[AgentDay]:
        found = []
        for number, agent, record in some:
            if record is None:
                continue
            try:
                if record.__class__ is dict:
                    calls, average = self._measure_agent(record)
                else:
                    calls, average = _number_of_calls(record), None
            except DecodeError as error:
                raise unrecognized(at_agent(path, number) + error.path, error.message) from None
            if calls:
                found.append(AgentDay(agent, calls, average))
        return found

    def _listed(self, path: str, some: list[tuple[int, Any, Any]]) -> list[AgentDay]:
        found = []
        for index, _, record in some:
            if record is None:
                continue
            if not isinstance(record, dict):
                raise unrecognized(at(path, index), "expected an agent's record, an object")
            try:
                key = first(self._layout(record).agent_ids, record)
                if key is None:
                    raise unrecognized("", "an agent's record without an id")
                agent = _agent_id(key, record[key])
                calls, average = self._measure_agent(record)
            except DecodeError as error:
                raise unrecognized(at(path, index) + error.path, error.message) from None
            if calls:
                found.append(AgentDay(agent, calls, average))
        return found


def _added_up(parts: list[AgentDays], path: str) -> Steps[AgentDays]:
    """Add up the agents of several parts, as `merged` does; raises DecodeError where the calls of one get too many."""
    together = yield from merged(parts)
    if len(together) < sum(map(len, parts)):  # else nothing has been added to anything
        for some in together.slices(_AGENTS_AT_A_TIME):
            if max(some.calls) > values.LARGEST_COUNT:
                raise unrecognized(path, "an agent's calls add up to a number out of range")
            yield
    return together


def _is_plain(value: Any) -> bool:
    return not is_composite(value) if isinstance(value, Raw) else not isinstance(value, dict)


def _checked(agents: AgentDays, path: str) -> AgentDays:
    if max(map(len, agents.agents), default=0) > values.LONGEST_NAME:
        raise unrecognized(path, f"an agent's id of more than {values.LONGEST_NAME} characters")
    return agents


def _decoded(place: str, value: Any) -> Any:
    """Decode an agent's record that comes raw, because there are very many."""
    if not isinstance(value, Raw):
        return value
    try:
        return decode(value, "")
    except DecodeError as error:
        raise unrecognized(place + error.path, error.message) from None


def _overall(record: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """Give what stands in `overall`, empty where there is no such object."""
    below = record[layout.overall[0]] if layout.overall else None
    return below if isinstance(below, dict) else {}


def _agent_id(key: str, value: Any) -> str:
    try:
        return values.agent_id(value)
    except ValueError as error:
        raise unrecognized(at("", key), str(error)) from None


def _number_of_calls(value: Any) -> int:
    try:
        return values.count(value)
    except ValueError as error:
        raise unrecognized("", str(error)) from None
