"""Which unknown names in a body may be those of `stats_fields`, by parts of words and by the types of their values."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from exporter.stats import field_names, values
from exporter.stats.field_names import normalize

_HINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "calls": ("call", "anruf", "anzahl", "gespr", "count", "number", "llamada", "appel", "chiamat", "ligac"),
    "duration": ("dur", "dauer", "length", "time", "zeit", "aht", "sec", "sek", "tiempo", "temps"),
    "total": ("total", "sum", "gesamt", "overall"),
    "agents": ("agent", "user", "operator", "mitarbeiter", "berater", "staff", "employee", "asesor"),
    "folder": ("folder", "ordner", "carpeta", "dossier", "cartella", "pasta", "verzeichnis"),
    "agent_id": ("id", "name", "kennung", "number", "nummer", "agent", "user", "operator", "mitarbeiter"),
}
"""Parts of the names, as the rules compare them, in the languages of some call centers."""
_NOT_COUNTS: Final = frozenset({"status", "code", "statuscode", "version", "limit", "offset", "page", "took", "time"})
_UNITS: Final = {"milliseconds": ("ms", "msec", "millis", "milliseconds"), "minutes": ("min", "minutes", "minuten")}
_DURATION: Final = re.compile(r"[0-9]{1,9}(?:(?::[0-5][0-9]){1,2})?(?:\.[0-9]{1,9})?")
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "calls": field_names.COUNTS,
    "average_duration": (*field_names.AVERAGES, *field_names.TOTALS),
    "total_duration": (*field_names.AVERAGES, *field_names.TOTALS),
    "agents": field_names.AGENTS,
    "agent_id": field_names.AGENT_IDS,
    "folder": field_names.FOLDERS,
    "date": field_names.DAYS,
}
"""The names of the rules for what each key of `stats_fields` extends."""
EXPLANATIONS: Final = field_names.ERRORS | {"message"}
"""The names of fields in which V-Spark says what is wrong."""
_OTHERS: Final = field_names.WRAPPERS | EXPLANATIONS | frozenset(field_names.OVERALL)
_CALL_GUESSES: Final = 3
_OBJECTS: Final = 10_000
"""How many objects are looked at: the first ones of a large body are like the others."""

_Found = dict[str, list[Any]]


def guess_fields(value: Any, fields: Mapping[str, Any], *, whole_org: bool) -> list[dict[str, str]]:
    """Return mappings from keys of `stats_fields` to names in a JSON value, the most likely one first.

    `fields` are the names that the configuration has already. A name for the folder is guessed for a whole org only.
    """
    kinds = {key: {*names, *map(normalize, fields.get(key, ()))} for key, names in _KINDS.items()}
    known = _OTHERS.union(*kinds.values())
    unknown: dict[bool, _Found] = {False: {}, True: {}}
    present: dict[bool, set[str]] = {False: set(), True: set()}
    for members, below_agents in islice(_objects(value, below_agents=False), _OBJECTS):
        for key, member in members.items():
            if normalize(key) in known:
                present[below_agents].add(normalize(key))
            elif key and member is not None and values.day_of_key(key) is None:
                unknown[below_agents].setdefault(key, []).append(member)
    records, agents = unknown[False], unknown[True]
    guess = _one_guess(records, agents, whole_org=whole_org)
    for key in list(guess):
        if kinds[key] & present[key == "agent_id"]:
            del guess[key]  # the rules know a field of this kind, and an extension would come before it
    guess |= _unit(guess, records)
    if kinds["calls"] & present[False]:
        return [guess] if guess else []
    counts = [key for key in records if key not in guess.values() and _is_count(key, records[key])]
    counts.sort(key=lambda key: not _hinted(key, "calls"))
    return [guess | {"calls": key} for key in counts[:_CALL_GUESSES] if _hinted(key, "calls") or guess]


def _one_guess(records: _Found, agents: _Found, *, whole_org: bool) -> dict[str, str]:
    """Return the likely name of everything but the count."""
    guess: dict[str, str] = {}
    for key, found in records.items():
        if all(map(_is_day, found)):
            guess.setdefault("date", key)
        elif all(map(_is_duration, found)) and (_hinted(key, "duration") or all(map(_is_clock, found))):
            guess.setdefault("total_duration" if _hinted(key, "total") else "average_duration", key)
        elif _hinted(key, "agents") and all(isinstance(each, dict | list) for each in found):
            guess.setdefault("agents", key)
        elif whole_org and _hinted(key, "folder") and all(isinstance(each, str) for each in found):
            guess.setdefault("folder", key)
    for key, found in agents.items():
        if _hinted(key, "agent_id") and all(isinstance(each, str | int) for each in found):
            guess.setdefault("agent_id", key)
    return guess


def _unit(guess: Mapping[str, str], records: _Found) -> dict[str, str]:
    """Return the unit that the name of a guessed duration ends with, unless its values have hours and minutes."""
    for key in ("average_duration", "total_duration"):
        name = guess.get(key, "")
        for unit, endings in _UNITS.items():
            if normalize(name).endswith(endings) and not any(map(_is_clock, records[name])):
                return {"duration_unit": unit}
    return {}


def _objects(value: Any, *, below_agents: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield each object, and whether it is or is in an agent's record; an object of agents by their ids is not one."""
    if isinstance(value, list):
        for each in value:
            yield from _objects(each, below_agents=below_agents)
    elif isinstance(value, dict):
        yield value, below_agents
        for key, each in value.items():
            if normalize(key) in field_names.AGENTS or _hinted(key, "agents"):
                by_id = list(each.values()) if isinstance(each, dict) else each
                yield from _objects(by_id, below_agents=True)
            else:
                yield from _objects(each, below_agents=below_agents)


def _hinted(key: str, what: str) -> bool:
    name = normalize(key)
    return any(hint in name for hint in _HINTS[what])


def _is_count(key: str, found: list[Any]) -> bool:
    if normalize(key) in _NOT_COUNTS or _hinted(key, "duration"):
        return False
    return all(_accepts(values.count, each) for each in found)


def _is_duration(value: Any) -> bool:
    if isinstance(value, str):
        return _DURATION.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_clock(value: Any) -> bool:
    return isinstance(value, str) and ":" in value and _is_duration(value)


def _is_day(value: Any) -> bool:
    return _accepts(values.day, value)


def _accepts(convert: Any, value: Any) -> bool:
    try:
        convert(value)
    except ValueError:
        return False
    return True
