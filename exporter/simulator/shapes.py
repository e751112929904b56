"""The shapes of a `/stats` body. The reference of V-Spark shows none, so the simulator supports several.

A shape is a layout (how the day records are nested) and a spelling (the fields of a record and their names). The rules
of the reader cover all of them. `Shape.LIST` is closest to what the reference shows of `/appstats`. The shapes in
FOREIGN_SHAPES are of their own, and the exporter reads them only with a program in `stats_jq`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from exporter.simulator import foreign_shapes
from exporter.simulator.calls import AgentCalls, FolderCalls


class Shape(StrEnum):
    """The name of a shape, the value of `--shape`."""

    LIST = "list"
    BY_FOLDER = "by_folder"
    BY_DATE = "by_date"
    BY_FOLDER_AND_DATE = "by_folder_and_date"
    BY_DATE_AND_FOLDER = "by_date_and_folder"
    WRAPPED = "wrapped"
    BARE = "bare"
    APPSTATS = "appstats"
    AGENT_LIST = "agent_list"
    SECONDS = "seconds"
    STRINGS = "strings"
    TOTALS = "totals"
    SPELLED = "spelled"
    TABLE = "table"
    CSV = "csv"
    AGENTS_BELOW_FOLDERS = "agents_below_folders"
    METRICS = "metrics"
    DIRECTIONS = "directions"


def body(shape: Shape, days: Sequence[FolderCalls], folder: str | None) -> Any:
    """Return the JSON value of a response in this shape; `folder` is the requested one, None for the whole org."""
    if foreign := FOREIGN_SHAPES.get(shape):
        return foreign(days)
    layout, spelling = _SHAPES[shape]
    return layout(days, spelling, folder)


def h_mm_ss(seconds: float) -> str:
    """Return a duration in the format of V-Spark, rounded to whole seconds: 0:05:12."""
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def _mean_as_text(seconds: int, calls: int) -> Any:
    return h_mm_ss(seconds / calls)


def _mean_as_number(seconds: int, calls: int) -> Any:
    return round(seconds / calls, 3)


def _mean_as_numeric_string(seconds: int, calls: int) -> Any:
    return f"{seconds / calls:.4f}"


def _total_as_text(seconds: int, _calls: int) -> Any:
    return h_mm_ss(seconds)


@dataclass(frozen=True, slots=True)
class _Spelling:
    """The field names of a record, and the format of counts, durations and agents."""

    date: str = "date"
    folder: str = "folder"
    calls: str = "calls"
    duration: str = "avgduration"
    agents: str = "agents"
    count: Callable[[int], Any] = int
    time: Callable[[int, int], Any] = _mean_as_text

    def numbers(self, of: FolderCalls | AgentCalls) -> dict[str, Any]:
        """Return the fields that the records of folders and of agents have in common."""
        return {self.calls: self.count(of.calls), self.duration: self.time(of.seconds, of.calls)}

    def record(self, day: FolderCalls) -> dict[str, Any]:
        """Return a day record without its folder and its day."""
        record = self.numbers(day)
        if day.agents:
            record[self.agents] = self.agents_of(day)
        return record

    def agents_of(self, day: FolderCalls) -> Any:
        """Return the agents with calls, as an object of records by agent id."""
        return {agent.agent: self.numbers(agent) for agent in day.agents}


class _AgentList(_Spelling):
    """A spelling in which agents are a list of records with an id."""

    def agents_of(self, day: FolderCalls) -> Any:
        return [{"agent": agent.agent, **self.numbers(agent)} for agent in day.agents]


class _AppStats(_Spelling):
    """The spelling of `/appstats` in the reference: `agents` is their number, and each is a field beside it.

    A record with agents has no number of calls; without agents it has one. The duration of an agent is in `overall`.
    """

    def record(self, day: FolderCalls) -> dict[str, Any]:
        if not day.agents:
            return {**self.numbers(day), "agents": 0}
        beside = {
            agent.agent: {"calls": agent.calls, "overall": {"ncalls": agent.calls, **self._duration(agent)}}
            for agent in day.agents
        }
        return {"agents": len(day.agents), **beside}

    def _duration(self, agent: AgentCalls) -> dict[str, Any]:
        return {self.duration: self.time(agent.seconds, agent.calls)}


def _list(days: Sequence[FolderCalls], spelling: _Spelling, _folder: str | None) -> Any:
    return [{spelling.date: _date(day), spelling.folder: day.folder, **spelling.record(day)} for day in days]


def _by_folder(days: Sequence[FolderCalls], spelling: _Spelling, _folder: str | None) -> Any:
    nested: dict[str, list[Any]] = {}
    for day in days:
        nested.setdefault(day.folder, []).append({spelling.date: _date(day), **spelling.record(day)})
    return nested


def _by_date(days: Sequence[FolderCalls], spelling: _Spelling, _folder: str | None) -> Any:
    nested: dict[str, list[Any]] = {}
    for day in days:
        nested.setdefault(_date(day), []).append({spelling.folder: day.folder, **spelling.record(day)})
    return nested


def _by_folder_and_date(days: Sequence[FolderCalls], spelling: _Spelling, _folder: str | None) -> Any:
    nested: dict[str, dict[str, Any]] = {}
    for day in days:
        nested.setdefault(day.folder, {})[_date(day)] = spelling.record(day)
    return nested


def _by_date_and_folder(days: Sequence[FolderCalls], spelling: _Spelling, _folder: str | None) -> Any:
    nested: dict[str, dict[str, Any]] = {}
    for day in days:
        nested.setdefault(_date(day), {})[day.folder] = spelling.record(day)
    return nested


def _wrapped(days: Sequence[FolderCalls], spelling: _Spelling, folder: str | None) -> Any:
    return {"stats": _list(days, spelling, folder)}


def _bare(days: Sequence[FolderCalls], spelling: _Spelling, folder: str | None) -> Any:
    """Return a single record for one day of one folder, otherwise the list."""
    if folder is None or len(days) != 1:
        return _list(days, spelling, folder)
    return {spelling.date: _date(days[0]), **spelling.record(days[0])}


def _date(day: FolderCalls) -> str:
    return day.day.strftime("%Y%m%d")


_Layout = Callable[[Sequence[FolderCalls], _Spelling, str | None], Any]

_SHAPES: dict[Shape, tuple[_Layout, _Spelling]] = {
    Shape.LIST: (_list, _Spelling()),
    Shape.BY_FOLDER: (_by_folder, _Spelling()),
    Shape.BY_DATE: (_by_date, _Spelling()),
    Shape.BY_FOLDER_AND_DATE: (_by_folder_and_date, _Spelling()),
    Shape.BY_DATE_AND_FOLDER: (_by_date_and_folder, _Spelling()),
    Shape.WRAPPED: (_wrapped, _Spelling()),
    Shape.BARE: (_bare, _Spelling()),
    Shape.APPSTATS: (_list, _AppStats(duration="duration")),
    Shape.AGENT_LIST: (_list, _AgentList()),
    Shape.SECONDS: (_list, _Spelling(time=_mean_as_number)),
    Shape.STRINGS: (_list, _Spelling(count=str, time=_mean_as_numeric_string)),
    Shape.TOTALS: (_list, _Spelling(duration="totalduration", time=_total_as_text)),
    Shape.SPELLED: (
        _by_date,
        _Spelling(
            date="Day",
            folder="Folder Name",
            calls="Call Volume",
            duration="Average_Call-Duration",
            agents="By Agent",
        ),
    ),
}

FOREIGN_SHAPES: Mapping[Shape, Callable[[Sequence[FolderCalls]], Any]] = {
    Shape.TABLE: foreign_shapes.table,
    Shape.CSV: foreign_shapes.csv,
    Shape.AGENTS_BELOW_FOLDERS: foreign_shapes.agents_below_folders,
    Shape.METRICS: foreign_shapes.metrics,
    Shape.DIRECTIONS: foreign_shapes.directions,
}
