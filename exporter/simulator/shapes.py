"""The shapes a `/stats` body may have: no reference shows one, so this upstream can answer in each of several.

A shape is a layout (where the day records stand) and a spelling (what a record holds, under which names). All of them
are legal by the rules of the reader; `Shape.LIST` is closest to what the reference shows of `/appstats`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from exporter.simulator.calls import AgentCalls, FolderCalls


class Shape(StrEnum):
    """The name of a shape, as `--shape` takes it."""

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


def body(shape: Shape, days: Sequence[FolderCalls], asked_folder: str | None) -> Any:
    """Return the JSON value of an answer in this shape; `asked_folder` is None where the whole org was asked for."""
    layout, spelling = _SHAPES[shape]
    return layout(days, spelling, asked_folder)


def h_mm_ss(seconds: float) -> str:
    """Return a duration as V-Spark writes it, rounded to whole seconds: 0:05:12."""
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
    """The names in a record, and how counts, durations and agents are written."""

    date: str = "date"
    folder: str = "folder"
    calls: str = "calls"
    duration: str = "avgduration"
    agents: str = "agents"
    count: Callable[[int], Any] = int
    time: Callable[[int, int], Any] = _mean_as_text

    def numbers(self, of: FolderCalls | AgentCalls) -> dict[str, Any]:
        """Return what a folder's and an agent's record have in common."""
        return {self.calls: self.count(of.calls), self.duration: self.time(of.seconds, of.calls)}

    def record(self, day: FolderCalls) -> dict[str, Any]:
        """Return a day record that names neither its folder nor its day."""
        record = self.numbers(day)
        if day.agents:
            record[self.agents] = self.agents_of(day)
        return record

    def agents_of(self, day: FolderCalls) -> Any:
        """Return the agents with calls: an object of records by id."""
        return {agent.agent: self.numbers(agent) for agent in day.agents}


class _AgentList(_Spelling):
    """Agents are a list of records that carry their id."""

    def agents_of(self, day: FolderCalls) -> Any:
        return [{"agent": agent.agent, **self.numbers(agent)} for agent in day.agents]


class _AppStats(_Spelling):
    """As the reference shows `/appstats`: `agents` is how many, each stands beside it, its duration in `overall`.

    A record with agents has no count of its own; without agents it has to have one.
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


def _list(days: Sequence[FolderCalls], spelling: _Spelling, _asked_folder: str | None) -> Any:
    return [{spelling.date: _date(day), spelling.folder: day.folder, **spelling.record(day)} for day in days]


def _by_folder(days: Sequence[FolderCalls], spelling: _Spelling, _asked_folder: str | None) -> Any:
    answer: dict[str, list[Any]] = {}
    for day in days:
        answer.setdefault(day.folder, []).append({spelling.date: _date(day), **spelling.record(day)})
    return answer


def _by_date(days: Sequence[FolderCalls], spelling: _Spelling, _asked_folder: str | None) -> Any:
    answer: dict[str, list[Any]] = {}
    for day in days:
        answer.setdefault(_date(day), []).append({spelling.folder: day.folder, **spelling.record(day)})
    return answer


def _by_folder_and_date(days: Sequence[FolderCalls], spelling: _Spelling, _asked_folder: str | None) -> Any:
    answer: dict[str, dict[str, Any]] = {}
    for day in days:
        answer.setdefault(day.folder, {})[_date(day)] = spelling.record(day)
    return answer


def _by_date_and_folder(days: Sequence[FolderCalls], spelling: _Spelling, _asked_folder: str | None) -> Any:
    answer: dict[str, dict[str, Any]] = {}
    for day in days:
        answer.setdefault(_date(day), {})[day.folder] = spelling.record(day)
    return answer


def _wrapped(days: Sequence[FolderCalls], spelling: _Spelling, asked_folder: str | None) -> Any:
    return {"stats": _list(days, spelling, asked_folder)}


def _bare(days: Sequence[FolderCalls], spelling: _Spelling, asked_folder: str | None) -> Any:
    """One record alone where one folder's one day was asked for, else the list."""
    if asked_folder is None or len(days) != 1:
        return _list(days, spelling, asked_folder)
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
