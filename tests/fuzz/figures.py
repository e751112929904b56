"""The rules of docs/stats-format.md for one record, written a second time: 1 to 3, 7 and 8."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final, NamedTuple

COUNTS: Final = ("calls", "ncalls", "numcalls", "totalcalls", "callcount", "callvolume", "volume")
MEANS: Final = ("avgduration", "averageduration", "avgcallduration", "averagecallduration", "avglength", "duration")
TOTALS: Final = ("totalduration", "durationtotal", "sumduration")
AGENTS: Final = ("agents", "agentstats", "byagent")
IDS: Final = ("agent", "agentid", "id", "name")
FOLDERS: Final = ("folder", "foldername", "name")
DAYS: Final = ("date", "day")
WRAPPERS: Final = ("stats", "data", "results", "folders")
ERRORS: Final = ("error", "errors")
KNOWN: Final = {*COUNTS, *MEANS, *TOTALS, *AGENTS, *IDS, *FOLDERS, *DAYS, "overall"}
LARGEST: Final = 2**53


class RefusedError(Exception):
    """The rules do not decide this answer."""


class Figures(NamedTuple):
    """Calls, their mean duration in seconds, and the same of each agent by id."""

    calls: int
    mean: Fraction | None
    agents: dict[str, tuple[int, Fraction | None]]


def figures_of(members: dict[str, Any]) -> Figures:
    """Read a record (rules 1 to 3)."""
    named = named_members(members)
    parts = list(_agents(members, named))
    calls, mean = _measures(named, {})
    agents: dict[str, list[Figures]] = {}
    for agent, of_agent, mean_of_agent in parts:
        agents.setdefault(agent, []).append(Figures(of_agent, mean_of_agent, {}))
    merged = {agent: together(each)[:2] for agent, each in agents.items()}
    if calls is None:
        calls, mean, _ = together([Figures(*each, {}) for each in merged.values()])
    return Figures(calls, mean if calls else None, merged)


def _agents(members: dict[str, Any], named: dict[str, Any]) -> Iterator[tuple[str, int, Fraction | None]]:
    found = next((named[name] for name in AGENTS if name in named), None)
    if found is None:
        return
    entries: list[tuple[Any, Any]]
    if isinstance(found, list):
        entries = [(_id(each), each) for each in found if each is not None]
    elif isinstance(found, dict):
        if has_count(loosely_named(found)):
            raise RefusedError("agents, or a record?")
        entries = [(agent, each) for agent, each in found.items() if each is not None]
    else:
        _count(found)
        entries = list(agents_beside(members))
    if isinstance(found, list | dict) and found and not entries:
        raise RefusedError("agents that are all null")
    for agent, value in entries:
        calls: int | None
        if isinstance(value, dict):
            inside = named_members(value)
            below = inside.get("overall")
            calls, mean = _measures(inside, named_members(below) if isinstance(below, dict) else {})
        else:
            calls, mean = _count(value), None
        if calls is None:
            raise RefusedError("an agent without a count")
        if calls:
            yield agent, calls, mean


def agents_beside(members: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the agents of a record under their ids (rule 3)."""
    for key, value in members.items():
        if isinstance(value, dict) and norm(key) != "overall":
            named = loosely_named(value)
            if any(name in each for each in (named, loosely_named(named.get("overall"))) for name in COUNTS):
                yield key, value


def _id(record: Any) -> str:
    found = None
    if isinstance(record, dict):
        named = named_members(record)
        found = next((named[name] for name in IDS if name in named), None)
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise RefusedError("no agent's id")
    return str(found)


def _measures(named: dict[str, Any], below: dict[str, Any]) -> tuple[int | None, Fraction | None]:
    """Return count and mean; what is missing may be in `below`."""
    places = [named, below]
    calls = next((_count(place[name]) for place in places for name in COUNTS if name in place), None)
    for place in places:
        for name in MEANS:
            if name in place:
                return calls, _seconds(place[name])
        for name in TOTALS:
            if name in place:
                total = _seconds(place[name])
                return calls, total / calls if calls else None
    return calls, None


def together(parts: list[Figures]) -> Figures:
    """Add up what several records say (rule 7)."""
    timed = [part for part in parts if part.mean is not None and part.calls]
    weight = sum(part.calls for part in timed)
    mean = (
        sum((part.calls * part.mean for part in timed if part.mean is not None), Fraction()) / weight
        if weight
        else None
    )
    agents: dict[str, list[Figures]] = {}
    for part in parts:
        for agent, (calls, of_agent) in part.agents.items():
            agents.setdefault(agent, []).append(Figures(calls, of_agent, {}))
    calls = sum(part.calls for part in parts)
    return Figures(calls, mean, {agent: together(each)[:2] for agent, each in agents.items()})


def norm(name: str) -> str:
    """Return a name as names are compared."""
    return re.sub("[-_ ]", "", name).casefold()


def named_members(members: dict[str, Any]) -> dict[str, Any]:
    """Return the members that have a meaning, by their plain names; null is not a member."""
    named: dict[str, Any] = {}
    for key, value in members.items():
        if (name := norm(key)) in KNOWN and value is not None:
            if name in named:
                raise RefusedError("a name in two spellings")
            named[name] = value
    return named


def loosely_named(members: Any) -> dict[str, Any]:
    """Return the same object if two spellings do no harm, and an empty one for anything but an object."""
    return (
        {norm(key): value for key, value in members.items() if value is not None} if isinstance(members, dict) else {}
    )


def has_count(named: dict[str, Any]) -> bool:
    """Return whether there is a call count (rule 1)."""
    count = next((named[name] for name in COUNTS if name in named), None)
    return count is not None and not isinstance(count, dict | list)


def _number(value: Any) -> Fraction:
    if isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value):
            raise RefusedError("a text that is no number")
        value = float(value) if re.search("[.eE]", value) else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:
        raise RefusedError("no number, or one out of range")
    return Fraction(value)


def _count(value: Any) -> int:
    number = _number(value)
    if number.denominator != 1:
        raise RefusedError("a fraction of a call")
    return int(number)


def _seconds(value: Any) -> Fraction:
    if isinstance(value, str) and ":" in value:
        clock = re.fullmatch(r"(?:([0-9]+):(?=[0-5][0-9]:))?([0-9]+):([0-5][0-9](?:\.[0-9]+)?)", value)
        if not clock:
            raise RefusedError("no duration")
        seconds = int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + Fraction(float(clock[3]))
        return _number(float(seconds))
    return _number(value)
