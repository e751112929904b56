"""The query of the status page and its JSON: which targets to show, and in which order."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from exporter.errors import REASONS
from exporter.exposition.families import FolderFigures
from exporter.polling.snapshot import SEVERITY, Health, TargetFigures, TargetStatus
from exporter.runtime.steps import Pauses

_LONGEST_FILTER: Final = 200
_SORTED_AT_ONCE: Final = 1000

Folder = tuple[str, FolderFigures]
_Key = tuple[bool, float, str]
_Item = TypeVar("_Item")


class Sort(StrEnum):
    """The column by which rows are sorted."""

    STATE = "state"
    NAME = "name"
    CALLS = "calls"
    DURATION = "duration"
    AGENTS = "agents"
    SUCCESS = "success"
    NEXT = "next"

    @property
    def descends(self) -> bool:
        """Whether the largest value comes first by default."""
        return self in (Sort.CALLS, Sort.DURATION, Sort.AGENTS, Sort.SUCCESS)


class Selected(Struct, frozen=True, gc=False):
    """A target that matches, and those of its folders that match, in order."""

    status: TargetStatus
    folders: Iterator[Folder]
    folders_matching: int


class StatusQuery(Struct, frozen=True):
    """Which targets to show, and in which order.

    `reason` is the reason for which they fail now. `refresh` is whether the page refreshes itself.
    """

    filter: str = ""
    health: Health | None = None
    reason: str = ""
    sort: Sort = Sort.STATE
    descending: bool = False
    refresh: bool = True

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> tuple[Self, tuple[str, ...]]:
        """Return the query of a URL and its problems. The default replaces an invalid value."""
        problems = []

        def chosen(name: str, allowed: Sequence[str]) -> str:
            value = given.get(name, "")
            if value and value not in allowed:
                problems.append(f"{name}={value[:50]!r} is unknown, expected one of {', '.join(allowed)}")
                return ""
            return value

        text = given.get("filter", "").strip()
        if len(text) > _LONGEST_FILTER:
            problems.append(f"filter is longer than {_LONGEST_FILTER} characters; only its beginning is used")
            text = text[:_LONGEST_FILTER].rstrip()
        health = chosen("state", tuple(Health))
        reason = chosen("reason", tuple(REASONS))
        sort = Sort(chosen("sort", tuple(Sort)) or Sort.STATE)
        order = chosen("order", ("asc", "desc"))
        return cls(
            filter=text,
            health=Health(health) if health else None,
            reason=reason,
            sort=sort,
            descending=order == "desc" if order else sort.descends,
            refresh=chosen("refresh", ("0", "1")) != "0",
        ), tuple(problems)

    def link(self, **changes: Any) -> str:
        """Return the query, with some fields changed, as a relative link without default values."""
        query = replace(self, **changes)
        pairs = [
            ("filter", query.filter, ""),
            ("state", query.health or "", ""),
            ("reason", query.reason, ""),
            ("sort", query.sort, Sort.STATE),
            ("order", "desc" if query.descending else "asc", "desc" if query.sort.descends else "asc"),
            ("refresh", "1" if query.refresh else "0", "1"),
        ]
        return f"?{urlencode([(name, value) for name, value, default in pairs if value != default])}"

    def link_sorted_by(self, sort: Sort) -> str:
        """Return a link to the same query sorted by `sort`, in reverse order if it is sorted by it already."""
        return self.link(sort=sort, descending=not self.descending if sort is self.sort else sort.descends)

    async def select(self, targets: Iterable[TargetStatus], pauses: Pauses) -> list[Selected]:
        """Return the matching targets in order, with `pauses` for the event loop."""
        words = self.filter.casefold().split()
        found = []
        for status in targets:
            if self.health in (None, status.health) and self.reason in ("", status.failing_reason):
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
        """Whether keys are sorted in reverse. Numbers are negated instead, so that equal ones stay sorted by name."""
        return self.sort is Sort.NAME and self.descending

    def _target_key(self, status: TargetStatus) -> _Key:
        value: float | None = None
        match self.sort:
            case Sort.STATE:
                value = SEVERITY[status.health]
            case Sort.SUCCESS:
                value = status.success_age_seconds
            case Sort.NEXT:
                value = status.next_poll_seconds
            case _ if status.figures is not None:
                value = _figure(self.sort, status.figures)
        return self._key(value, status.target.name)

    def _folder_key(self, folder: Folder) -> _Key:
        name, figures = folder
        return self._key(_figure(self.sort, figures), name)

    def _key(self, value: float | None, name: str) -> _Key:
        """Return the sort key: rows without a value come last in either order, rows with equal values by name."""
        return value is None, (-value if self.descending else value) if value is not None else 0.0, name.casefold()


def _figure(sort: Sort, figures: FolderFigures | TargetFigures) -> float | None:
    match sort:
        case Sort.CALLS:
            return figures.calls
        case Sort.DURATION:
            return figures.average_seconds
        case Sort.AGENTS:
            return figures.agents
        case _:
            return None


def _matches(name: str, words: Sequence[str]) -> bool:
    if not words:
        return True
    name = name.casefold()
    return all(word in name for word in words)


async def _matching(status: TargetStatus, words: Sequence[str], pauses: Pauses) -> list[Folder]:
    """Return the folders whose full name contains every word."""
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
    """Sort in chunks: sorting all folders of a very large org at once would block the event loop."""
    chunks = []
    for start in range(0, len(items), _SORTED_AT_ONCE):
        chunks.append(sorted(items[start : start + _SORTED_AT_ONCE], key=key, reverse=order.backwards))
        if pauses.due:
            await pauses.take()
    return heapq.merge(*chunks, key=key, reverse=order.backwards)
