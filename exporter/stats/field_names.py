"""The names that the rules of the reader know, and which of them an object has.

The rules of the reader are this project's contract about the JSON of `/stats`, which no edition of the V-Spark
reference shows; docs/stats-format.md states them by number.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

COUNTS: Final = ("calls", "ncalls", "numcalls", "totalcalls", "callcount", "callvolume", "volume")
AVERAGES: Final = ("avgduration", "averageduration", "avgcallduration", "averagecallduration", "avglength", "duration")
TOTALS: Final = ("totalduration", "durationtotal", "sumduration")
AGENTS: Final = ("agents", "agentstats", "byagent")
AGENT_IDS: Final = ("agent", "agentid", "id", "name")
FOLDERS: Final = ("folder", "foldername", "name")
DAYS: Final = ("date", "day")
OVERALL: Final = ("overall",)
WRAPPERS: Final = frozenset({"stats", "data", "results", "folders"})
ERRORS: Final = frozenset({"error", "errors"})
SAYINGS: Final = ERRORS | {"message"}
"""Under these an answer without day records says in words what is wrong."""

_SIGHTLESS: Final = str.maketrans("", "", "_- ")
_LAYOUTS_KEPT: Final = 1024
_KEYS_KEPT: Final = 64


def normalize(name: str) -> str:
    """Give `name` as the rules compare it: without case, `_`, `-` and spaces."""
    return name.translate(_SIGHTLESS).casefold()


class Layout(Struct, frozen=True):
    """Which keys of an object play which part, each in the order in which the rules try them."""

    counts: tuple[str, ...]
    averages: tuple[str, ...]
    totals: tuple[str, ...]
    agents: tuple[str, ...]
    agent_ids: tuple[str, ...]
    folders: tuple[str, ...]
    days: tuple[str, ...]
    overall: tuple[str, ...]
    twice: str | None
    """A key that stands there in two spellings, so that the rules do not say which of them counts."""
    pair: tuple[str, str | None] | None
    """The keys of the count and of the mean (None: there is none) where there is nothing to choose among."""


class Layouts(dict[tuple[str, ...], Layout]):
    """The layout of every set of keys, worked out once: an installation has a handful of them.

    `calls`, `average_duration` and `agents` are the names that an installation has beyond those of rules 1 to 3.
    """

    def __init__(
        self, calls: Sequence[str] = (), average_duration: Sequence[str] = (), agents: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self._parts = {
            "counts": _ordered(calls, COUNTS),
            "averages": _ordered(average_duration, AVERAGES),
            "totals": TOTALS,
            "agents": _ordered(agents, AGENTS),
            "agent_ids": AGENT_IDS,
            "folders": FOLDERS,
            "days": DAYS,
            "overall": OVERALL,
        }
        self._names = frozenset(name for names in self._parts.values() for name in names)

    def __missing__(self, keys: tuple[str, ...]) -> Layout:
        layout = self._make(keys)
        if len(keys) <= _KEYS_KEPT:
            if len(self) >= _LAYOUTS_KEPT:
                self.clear()
            self[keys] = layout
        return layout

    def _make(self, keys: Iterable[str]) -> Layout:
        found: dict[str, str] = {}
        twice = None
        for key in keys:
            name = normalize(key)
            if name in self._names:
                if name in found:
                    twice = key
                found[name] = key
        parts = {part: tuple(found[name] for name in names if name in found) for part, names in self._parts.items()}
        averages = parts["averages"]
        plain = twice is None and not parts["totals"] and not parts["overall"] and len(averages) <= 1
        pair = (parts["counts"][0], averages[0] if averages else None) if plain and len(parts["counts"]) == 1 else None
        return Layout(**parts, twice=twice, pair=pair)


def _ordered(extensions: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Give each name once: an extension may be one of the rules' own that is to be tried before the others."""
    return tuple(dict.fromkeys((*map(normalize, extensions), *names)))


def first(keys: Iterable[str], record: Mapping[str, Any]) -> str | None:
    """Give the first of `keys` whose value in `record` is not null, None where there is no such key."""
    for key in keys:
        if record[key] is not None:
            return key
    return None
