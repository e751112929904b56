"""Counts, durations, dates and names, converted from their values in the JSON: rule 8, and the dates of rule 5.

Each function raises ValueError with what was expected and what was found. No message repeats a text of the body.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from functools import cache
from types import NoneType
from typing import Any, Final

LARGEST_COUNT: Final = 2**53
"""Beyond it, a float, and so a sample, cannot represent every whole number."""

LARGEST_DURATION: Final = 2.0**53
"""Keeps calls times a duration far from infinity."""

UNITS: Final = {"seconds": (1, 1), "milliseconds": (1, 1000), "minutes": (60, 1)}
"""What a duration in a unit is multiplied with, and then divided by, to have seconds."""

LONGEST_NAME: Final = 1024
"""Characters of a folder name or an agent id. Each of their samples repeats it."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?")
_CLOCK: Final = re.compile(r"(?:([0-9]{1,15}):([0-5][0-9])|([0-9]{1,15})):([0-5][0-9](?:\.[0-9]{1,400})?)")
_DATE: Final = re.compile(r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})")
_AFTER_DIGITS: Final = ":"
_DURATIONS_KEPT: Final = 20_000
_KINDS: Final = {bool: "a boolean", str: "another text", list: "a list", dict: "an object", NoneType: "null"}


def count(value: Any) -> int:
    """Return a number of calls, from a whole number of at least 0 or a text that is one."""
    if value.__class__ is int and 0 <= value <= LARGEST_COUNT:
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if not value.isdecimal() else int(value)
    if value.__class__ in _KINDS or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"expected a number of calls, found {_kind(value)}")
    if value != int(value):
        raise ValueError("expected a number of calls, found a fraction")
    return int(value)


class Durations:
    """Converts durations to seconds; those that are plain numbers are in `unit`."""

    __slots__ = ("of_text", "seconds", "unit")

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.of_text = _SecondsOfText(unit)
        self.seconds: Callable[[Any], float] = _reader(unit, self.of_text)
        """Returns a duration in seconds, from a number of units, `H:MM:SS` or `MM:SS`."""


@cache
def durations_in(unit: str) -> Durations:
    """Return the one Durations of a unit, whose known texts every parser shares."""
    return Durations(unit)


class _SecondsOfText(dict[str, float]):
    """The seconds of each distinct text, converted once: the durations of a day repeat."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def __missing__(self, text: str) -> float:
        if clock := _CLOCK.fullmatch(text):
            hours, minutes, only_minutes, rest = clock.groups()
            result = _in_range(int(hours or 0) * 3600 + int(minutes or only_minutes) * 60 + float(rest))
        elif _NUMBER.fullmatch(text):
            result = _in_seconds(float(text), self._unit)
        else:
            raise ValueError(f"expected a duration ({self._unit}, MM:SS or H:MM:SS), found another text")
        if len(self) >= _DURATIONS_KEPT:
            self.clear()
        self[text] = result
        return result


def _reader(unit: str, of_text: _SecondsOfText) -> Callable[[Any], float]:
    """Return a function, not a method: it runs for every agent, and a method takes a sixth longer."""

    def seconds(value: Any) -> float:
        return of_text[value] if value.__class__ is str else _in_seconds(value, unit)

    return seconds


def _in_seconds(value: Any, unit: str) -> float:
    number = _in_range(value)
    if unit == "seconds":
        return number
    factor, divisor = UNITS[unit]
    return _in_range(number * factor / divisor)


def _in_range(value: Any) -> float:
    if value.__class__ in _KINDS or not 0 <= value <= LARGEST_DURATION:
        raise ValueError(f"expected a duration, found {_kind(value)}")
    return float(value)


def day(value: Any) -> date:
    """Return a date, from `YYYYMMDD`, as a text or a number, or `YYYY-MM-DD`."""
    found = None
    if isinstance(value, str | int) and not isinstance(value, bool):
        found = day_of_key(str(value))
    if found is None:
        raise ValueError("expected a date, YYYYMMDD or YYYY-MM-DD")
    return found


def day_of_key(text: str) -> date | None:
    """Return the date that a key is, None if it is not one."""
    if len(text) not in (8, 10) or not text[:1].isdecimal() or not (match := _DATE.fullmatch(text)):
        return None
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None


def dates_among(keys: Iterable[str]) -> list[str]:
    """Return those keys that are dates. Most keys are not, which a comparison with a character shows fastest."""
    return [key for key in keys if key < _AFTER_DIGITS and day_of_key(key) is not None]


def folder(value: Any) -> str:
    """Return a folder name, from a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("expected a folder name (a text that is not empty)")
    return value


def agent_id(value: Any) -> str:
    """Return an agent id, from a text or a whole number."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    found = "a fraction" if isinstance(value, float) else _kind(value)
    raise ValueError(f"expected an agent id (a text or a whole number), found {found}")


def _kind(value: Any) -> str:
    return _KINDS.get(value.__class__) or ("a negative number" if value < 0 else "a number out of range")
