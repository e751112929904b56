"""The names of fields that the rules of docs/stats-format.md know, and which of them an object has.

No edition of the V-Spark reference shows the JSON of `/stats`. The rules are this project's contract about it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from exporter.stats.json_path import child_path, unrecognized
from exporter.stats.values import Durations, durations_in

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

_LAYOUTS_KEPT: Final = 1024
_KEYS_KEPT: Final = 64


def normalize(name: str) -> str:
    """Return `name` as the rules compare it: without case, `_`, `-` and spaces."""
    return name.replace("_", "").replace("-", "").replace(" ", "").casefold()


def _all_normalized(names: Sequence[str]) -> list[str]:
    """Return all names normalized, in a tenth of the time if there are many."""
    together = normalize("\n".join(names)).split("\n")
    return together if len(together) == len(names) else [normalize(name) for name in names]


class Layout(Struct, frozen=True):
    """The keys of an object by their meaning, each in the order in which the rules try them."""

    counts: tuple[str, ...]
    averages: tuple[str, ...]
    totals: tuple[str, ...]
    agents: tuple[str, ...]
    agent_ids: tuple[str, ...]
    folders: tuple[str, ...]
    days: tuple[str, ...]
    overall: tuple[str, ...]
    duplicate: str | None
    """A key whose name is present in another spelling too, so that the rules do not say which of them counts."""
    wrappers: tuple[str, ...]
    """The keys that are names of wrappers."""
    durations: Durations
    """How the values under `averages` and `totals` are converted to seconds."""


class Layouts(dict[tuple[str, ...], Layout]):
    """The layout of each tuple of keys, worked out once: an installation has a handful of them.

    The arguments are those of the configuration's `stats_fields`: names that an installation uses beyond those of the
    rules, and the unit of its durations (rule 11).
    """

    def __init__(
        self,
        *,
        calls: Sequence[str] = (),
        average_duration: Sequence[str] = (),
        total_duration: Sequence[str] = (),
        agents: Sequence[str] = (),
        agent_id: Sequence[str] = (),
        folder: Sequence[str] = (),
        date: Sequence[str] = (),
        duration_unit: str = "seconds",
    ) -> None:
        super().__init__()
        self.durations = durations_in(duration_unit)
        self._parts = {
            "counts": _ordered(calls, COUNTS),
            "averages": _ordered(average_duration, AVERAGES),
            "totals": _ordered(total_duration, TOTALS),
            "agents": _ordered(agents, AGENTS),
            "agent_ids": _ordered(agent_id, AGENT_IDS),
            "folders": _ordered(folder, FOLDERS),
            "days": _ordered(date, DAYS),
            "overall": OVERALL,
        }
        self._names = frozenset(name for names in self._parts.values() for name in names)
        self._names_and_wrappers = self._names | WRAPPERS

    def of(self, members: Mapping[str, Any], path: str = "") -> Layout:
        """Return the layout of an object at `path` that has no nulls; raises DecodeError for a duplicated name."""
        layout = self[tuple(members)]
        if layout.duplicate is not None:
            message = "this field is present in two spellings, so its value is ambiguous"
            raise unrecognized(child_path(path, layout.duplicate), message)
        return layout

    def is_known(self, key: str) -> bool:
        """Return whether a key has a meaning by rules 1 to 5."""
        return normalize(key) in self._names

    def knows_any(self, keys: Sequence[str]) -> bool:
        """Return whether any of the keys has a meaning, so that it would be in the layout of an object with it."""
        return not self._names_and_wrappers.isdisjoint(_all_normalized(keys))

    def __missing__(self, keys: tuple[str, ...]) -> Layout:
        layout = self._make(keys)
        if len(keys) <= _KEYS_KEPT:
            if len(self) >= _LAYOUTS_KEPT:
                self.clear()
            self[keys] = layout
        return layout

    def _make(self, keys: Sequence[str]) -> Layout:
        found: dict[str, str] = {}
        duplicate = None
        wrappers: list[str] = []
        names = zip(keys, _all_normalized(keys), strict=True)
        for key, name in [(key, name) for key, name in names if name in self._names_and_wrappers]:
            if name in WRAPPERS:
                wrappers.append(key)
            if name in self._names:
                if name in found:
                    duplicate = key
                found[name] = key
        parts = {part: tuple(found[name] for name in names if name in found) for part, names in self._parts.items()}
        return Layout(**parts, duplicate=duplicate, wrappers=tuple(wrappers), durations=self.durations)


def _ordered(extensions: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return each name once. An extension may be a name of the rules that is to be tried before the others."""
    return tuple(dict.fromkeys((*map(normalize, extensions), *names)))
