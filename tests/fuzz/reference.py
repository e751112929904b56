"""The rules of docs/stats-format.md, written a second time: on JSON that is decoded whole, without any haste.

It shares no code with the reader of the exporter, so that it can contradict it. What it refuses the exporter has to
refuse, and what both read has to be the same; the exporter may refuse more.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from tests.fuzz.figures import (
    AGENTS,
    COUNTS,
    DAYS,
    ERRORS,
    FOLDERS,
    WRAPPERS,
    Figures,
    RefusedError,
    agents_beside,
    figures_of,
    has_count,
    loosely_named,
    named_members,
    norm,
    together,
)


@dataclass(frozen=True)
class _Record:
    value: dict[str, Any]
    folder: str
    day: date | None


@dataclass(frozen=True)
class _Place:
    folder: str | None = None
    several: bool = False
    day: date | None = None
    doubtful: bool = False
    claims: tuple[str | date, ...] = ()


def read(answer: Any, asked_folder: str | None, asked_day: date | None, owners: tuple[str, str]) -> dict[str, Figures]:
    """Return each folder's day; RefusedError if the rules do not decide it.

    `owners` are the company and the org that were asked for.
    """
    records = list(_Walk(asked_folder, asked_day, owners).into(answer, _Place()))
    if not records and not _is_empty(answer, ""):
        raise RefusedError("neither records nor empty")
    days = {record.day for record in records}
    if asked_day is None and len(days) > 1 and None in days:
        raise RefusedError("some records have a date and some have none")
    day = asked_day or max((each for each in days if each), default=None)
    if asked_folder is not None and records and all(record.folder != asked_folder for record in records):
        raise RefusedError("all records are of other folders")
    found: dict[str, list[Figures]] = {}
    for record in records:
        figures = figures_of(record.value)
        if record.day == day and asked_folder in (None, record.folder):
            found.setdefault(record.folder, []).append(figures)
    return {folder: together(figures) for folder, figures in found.items()}


class _Walk:
    def __init__(self, asked_folder: str | None, asked_day: date | None, owners: tuple[str, str]) -> None:
        self._owners = owners
        self._asked_folder = asked_folder
        self._asked_day = asked_day

    def into(self, value: Any, place: _Place) -> Iterator[_Record]:
        if isinstance(value, list):
            if value and all(each is None for each in value):
                raise RefusedError("a list of null")
            for each in value:
                if isinstance(each, dict | list):
                    yield from self.into(each, place)
                elif each is not None:
                    raise RefusedError("a value among records")
            return
        if not isinstance(value, dict):
            raise RefusedError("a value in place of records")
        members = {key: each for key, each in value.items() if each is not None}
        if value and not members:
            raise RefusedError("an object of null")
        named = named_members(members)
        if _is_record(members, named):
            yield self._record(members, named, place)
        else:
            found = list(self._container(members, named, place))
            if not found and any(each is None and norm(key) in {*COUNTS, *AGENTS} for key, each in value.items()):
                raise RefusedError("a record of null")
            yield from found

    def _container(self, members: dict[str, Any], named: dict[str, Any], place: _Place) -> Iterator[_Record]:
        below = {key: each for key, each in members.items() if isinstance(each, dict | list)}
        beside = {key for key in members if key not in below and norm(key) not in {*DAYS, *FOLDERS}}
        if members and not below:
            raise RefusedError("values only")
        if len(below) > 1 and (beside or any(norm(key) in WRAPPERS or key in self._owners for key in below)):
            raise RefusedError("values or wrappers beside what is keyed")
        if any(_day_of(key) for key in beside):
            raise RefusedError("a date with a value")
        claims = [_day_of(str(named[name])) for name in DAYS if name in named]
        claims += [named[name] for name in FOLDERS[:2] if isinstance(named.get(name), str)]
        place = replace(place, claims=(*place.claims, *filter(None, claims)))
        found = 0
        for key, each in below.items():
            name, records = norm(key), 0
            for record in self.into(each, self._under(key, place, doubtful=bool(beside))):
                records += 1
                yield record
            if name in ERRORS and not records:
                raise RefusedError("an error")
            found += records
        for key in beside:
            if (norm(key) in ERRORS and members[key]) or (not found and not _is_empty(members[key], key)):
                raise RefusedError("a value that says something")

    def _under(self, key: str, place: _Place, *, doubtful: bool) -> _Place:
        if norm(key) in WRAPPERS:
            return place
        if day := _day_of(key):
            return replace(place, day=day)
        if key in self._owners:
            return place
        if not key or norm(key) == "overall":
            raise RefusedError("no folder's name")
        return replace(place, folder=key, several=place.folder is not None, doubtful=doubtful)

    def _record(self, members: dict[str, Any], named: dict[str, Any], place: _Place) -> _Record:
        folder = next((named[name] for name in FOLDERS if name in named), None)
        if folder is None:
            folder = place.folder if place.folder is not None else self._asked_folder
            if place.several:
                raise RefusedError("several keys that may be the folder")
            if place.folder is not None and place.doubtful:
                raise RefusedError("a value beside what would be a folder")
        if not isinstance(folder, str) or not folder:
            raise RefusedError("no folder")
        day = place.day or self._asked_day
        given = next((named[name] for name in DAYS if name in named), None)
        if given is not None:
            day = _day_of(str(given)) if isinstance(given, str | int) else None
            if day is None:
                raise RefusedError("no date")
        if any(claim not in (folder, day) for claim in place.claims):
            raise RefusedError("a container says otherwise")
        return _Record(members, folder, day)


def _is_record(members: dict[str, Any], named: dict[str, Any]) -> bool:
    if has_count(named):
        return True
    agents = next((named[name] for name in AGENTS if name in named), None)
    if isinstance(agents, dict):
        if has_count(loosely_named(agents)):
            raise RefusedError("a folder called agents, or agents?")
        agents = {agent: each for agent, each in agents.items() if each is not None}
    if isinstance(agents, dict | list):
        if not agents:
            raise RefusedError("neither a count nor agents")
        return True
    if agents is None:
        return False
    beside = dict(agents_beside(members))
    if any(norm(agent) in WRAPPERS or _day_of(agent) for agent in beside):
        raise RefusedError("an agent, or day records?")
    return bool(beside)


def _day_of(text: str) -> date | None:
    match = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})|([0-9]{4})-([0-9]{2})-([0-9]{2})", text)
    try:
        return date(*(int(part) for part in match.groups() if part)) if match else None
    except ValueError:
        return None


def _is_empty(value: Any, key: str) -> bool:
    """Return whether nothing in a body without records may be meant as a number of calls."""
    if isinstance(value, dict):
        return all(_is_empty(each, name) for name, each in value.items())
    if isinstance(value, list):
        return all(_is_empty(each, key) for each in value)
    if norm(key) in {*DAYS, *FOLDERS} or value is None or value is True:
        return True
    if isinstance(value, str):
        return value.casefold() in ("ok", "success") or (norm(key) in ERRORS and not value)
    return (value is not False and value in (0, 200)) or (norm(key) in ERRORS and not value)
