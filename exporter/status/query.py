"""What somebody wants to see of the targets: the query of the status page and of its JSON."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, Self, TypeVar
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from exporter.exposition.families import FolderFigures
from exporter.polling.snapshot import SEVERITY, State, TargetStatus
from exporter.runtime.steps import Pauses

_LONGEST_FILTER: Final = 200
_SORTED_AT_ONCE: Final = 1000

Folder = tuple[str, FolderFigures]
_Key = tuple[bool, float, str]
_Item = TypeVar("_Item")


class Sort(StrEnum):
    """What rows are sorted by."""

    STATE = "state"
    NAME = "name"
    CALLS = "calls"
    DURATION = "duration"
    AGENTS = "agents"
    SUCCESS = "success"
    NEXT = "next"

    @property
    def descends(self) -> bool:
        """Whether the largest comes first unless somebody wants it otherwise."""
        return self in (Sort.CALLS, Sort.DURATION, Sort.AGENTS, Sort.SUCCESS)


class Selected(Struct, frozen=True, gc=False):
    """A target that is wanted, and those of its folders that are, in their order."""

    status: TargetStatus
    folders: Iterator[Folder]
    folders_matching: int


class StatusQuery(Struct, frozen=True):
    """Which targets, in which order; `refresh`: whether the page loads itself again."""

    filter: str = ""
    state: State | None = None
    sort: Sort = Sort.STATE
    descending: bool = False
    refresh: bool = True

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> tuple[Self, tuple[str, ...]]:
        """Read the query of a URL; also gives what is wrong with it, for which the default is taken."""
        problems = []

        def chosen(name: str, allowed: Sequence[str]) -> str:
            value = given.get(name, "")
            if value and value not in allowed:
                problems.append(f"{name}={value[:50]!r} is unknown, expected one of {', '.join(allowed)}")
                return ""
            return value

        text = given.get("filter", "").strip()
        if len(text) > _LONGEST_FILTER:
            problems.append(f"filter is longer than {_LONGEST_FILTER} characters: its beginning is used")
            text = text[:_LONGEST_FILTER].rstrip()
        state = chosen("state", tuple(State))
        sort = Sort(chosen("sort", tuple(Sort)) or Sort.STATE)
        order = chosen("order", ("asc", "desc"))
        return cls(
            filter=text,
            state=State(state) if state else None,
            sort=sort,
            descending=order == "desc" if order else sort.descends,
            refresh=chosen("refresh", ("0", "1")) != "0",
        ), tuple(problems)

    @property
    def href(self) -> str:
        """The query as a relative link, without what is the default anyway."""
        pairs = [
            ("filter", self.filter, ""),
            ("state", self.state or "", ""),
            ("sort", self.sort, Sort.STATE),
            ("order", "desc" if self.descending else "asc", "desc" if self.sort.descends else "asc"),
            ("refresh", "1" if self.refresh else "0", "1"),
        ]
        return f"?{urlencode([(name, value) for name, value, default in pairs if value != default])}"

    def with_state(self, state: State | None) -> Self:
        """Give the same query for the targets in a state, None: in any."""
        return replace(self, state=state)

    def sorted_by(self, sort: Sort) -> Self:
        """Give the same query sorted by `sort`, the other way round where it is that already."""
        return replace(self, sort=sort, descending=not self.descending if sort is self.sort else sort.descends)

    def with_refresh(self, *, refresh: bool) -> Self:
        """Give the same query with or without loading itself again."""
        return replace(self, refresh=refresh)

    async def select(self, targets: Iterable[TargetStatus], pauses: Pauses) -> list[Selected]:
        """Choose and sort; lets the event loop breathe by `pauses`."""
        words = self.filter.casefold().split()
        found = []
        for status in targets:
            if self.state in (None, status.state):
                folders = await _matching(status, words, pauses)
                if folders or _matches(status.target.name, words):
                    found.append((status, folders))
            if pauses.due:
                await pauses.take()
        selected = []
        for status, folders in await _ordered(found, lambda each: self._target_key(each[0]), self, pauses):
            ordered = await _ordered(folders, self._folder_key, self, pauses)
            selected.append(Selected(status, ordered, len(folders)))
        return selected

    @property
    def backwards(self) -> bool:
        """Whether keys are sorted in reverse; numbers are negated instead, so that equals stay sorted by name."""
        return self.sort is Sort.NAME and self.descending

    def _target_key(self, status: TargetStatus) -> _Key:
        figures = status.figures
        value: float | None = None
        match self.sort:
            case Sort.STATE:
                value = SEVERITY[status.state]
            case Sort.SUCCESS:
                value = status.success_age_seconds
            case Sort.NEXT:
                value = status.next_poll_seconds
            case Sort.CALLS | Sort.DURATION | Sort.AGENTS if figures is not None:
                value = _figure(self.sort, figures.calls, figures.average_seconds, figures.agents)
        return self._key(value, status.target.name)

    def _folder_key(self, folder: Folder) -> _Key:
        name, figures = folder
        return self._key(_figure(self.sort, figures.calls, figures.average_seconds, figures.agents), name)

    def _key(self, value: float | None, name: str) -> _Key:
        """Give what to sort by: what has no value comes last either way, equals by name."""
        return value is None, (-value if self.descending else value) if value is not None else 0.0, name.casefold()


def _figure(sort: Sort, calls: int, average_seconds: float | None, agents: int) -> float | None:
    match sort:
        case Sort.CALLS:
            return calls
        case Sort.DURATION:
            return average_seconds
        case Sort.AGENTS:
            return agents
        case _:
            return None


def _matches(name: str, words: Sequence[str]) -> bool:
    if not words:
        return True
    name = name.casefold()
    return all(word in name for word in words)


async def _matching(status: TargetStatus, words: Sequence[str], pauses: Pauses) -> list[Folder]:
    """Give the folders in whose full name every word stands."""
    if not words:
        return list(status.folders.items())
    above = f"{status.target.company}/{status.target.org}/".casefold()
    found = []
    for folder in status.folders.items():
        if _matches(above + folder[0], words):
            found.append(folder)
        if pauses.due:
            await pauses.take()
    return found


async def _ordered(
    items: Sequence[_Item], key: Callable[[_Item], _Key], order: StatusQuery, pauses: Pauses
) -> Iterator[_Item]:
    """Sort some at a time: all of a very large org's folders at once would hold the event loop."""
    chunks = []
    for start in range(0, len(items), _SORTED_AT_ONCE):
        chunks.append(sorted(items[start : start + _SORTED_AT_ONCE], key=key, reverse=order.backwards))
        if pauses.due:
            await pauses.take()
    return heapq.merge(*chunks, key=key, reverse=order.backwards)
