"""Checks of single values of the configuration; each function raises ValueError, which says what is wrong."""

import os
import re
import unicodedata
import warnings
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from exporter.config.convert import UNREAD, suggestion
from exporter.config.tokens import FileToken, TokenSource
from exporter.errors import TokenError
from exporter.runtime.files import open_regular, read_secret
from exporter.stats import field_names
from exporter.stats.values import UNITS

_Source = TypeVar("_Source", bound=TokenSource)
_SHORTEST_KEY: Final = 16
_DAY_SECONDS: Final = 86400

_OFFSET: Final = re.compile(r"(?:GMT|UTC)?[+-]?\d{1,2}(?::?\d\d)?", re.IGNORECASE)
_ABBREVIATION: Final = re.compile(r"([a-z]+)(?:[+-]?\d.*|(?: standard| daylight)?(?: time)?)", re.IGNORECASE)
"""A word as in `EST`, in POSIX's `EST5`, or in Windows' `Eastern Standard Time`."""
_ZONES: Final = {
    word: zone
    for zone, words in {
        "US/Eastern": "ET EST EDT EASTERN",
        "US/Central": "CT CST CDT CENTRAL",
        "US/Mountain": "MT MST MDT MOUNTAIN",
        "US/Pacific": "PT PST PDT PACIFIC",
        "US/Alaska": "AKST AKDT ALASKA ALASKAN",
        "US/Hawaii": "HST HAST HAWAII HAWAIIAN",
        "Europe/London": "BST",
        "Europe/Berlin": "CET CEST MEZ MESZ",
        "Asia/Kolkata": "IST INDIA",
        "Asia/Tokyo": "JST TOKYO",
        "Australia/Sydney": "AEST AEDT",
        "UTC": "UTC Z",
    }.items()
    for word in words.split()
}
"""What people mean by words that are not in the tz database, or are there for a zone without summer time."""


def check_url(url: str) -> None:
    """Accept a URL with scheme, host, optional port and optional path prefix.

    The message does not quote the URL, because it may contain a password or a token.
    """
    if not url.isprintable() or " " in url:
        raise ValueError("a URL must not contain white space or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL: its host or its port is invalid") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("a URL must begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("the URL must not contain a user or a password")
    if not parts.hostname:
        raise ValueError("the URL has no host")
    if port == 0:
        raise ValueError("the URL must not have port 0")
    if "?" in url or "#" in url:
        raise ValueError("the URL must not have a query or a fragment")
    if parts.path.rstrip("/").endswith("/stats"):
        raise ValueError("the URL must not end with /stats: the exporter adds it")


def check_name(name: str) -> None:
    """Accept a name that can be a path segment of a URL and the value of a label."""
    if not name:
        raise ValueError("a name must not be empty")
    if name in (".", ".."):
        raise ValueError(f"a name must not be {name!r}, which is removed from a URL")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise ValueError(f"{name!r} contains a control character or a lone surrogate")


def check_zone(key: str) -> None:
    """Accept the name of a time zone in the tz database."""
    try:
        zoneinfo.ZoneInfo(key)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # the latter two for '../x' and for a directory
        raise ValueError(f"unknown time zone {key!r}{_zone_hint(key)}") from None


def _zone_hint(key: str) -> str:
    if _OFFSET.fullmatch(key):
        return "; an offset has no summer time: use the name of a place, such as 'Europe/Berlin'"
    if (found := _ABBREVIATION.fullmatch(key)) and found[1].upper() in _ZONES:
        return f"; did you mean {_ZONES[found[1].upper()]!r}?"
    # Not the likes of EST and GB: one letter makes another zone of them.
    places = [zone for zone in zoneinfo.available_timezones() if "/" in zone or not zone.isupper() or zone == "UTC"]
    return suggestion(key, sorted(places)) or "; expected a name such as 'US/Eastern'"


def check_previous_day_for(seconds: float) -> None:
    """Accept at most a day, though the day on which clocks go back is an hour longer."""
    if seconds > _DAY_SECONDS:
        raise ValueError("must be at most 1d, such as 6h: the finished day's values end at the next midnight")


def check_pattern(pattern: str) -> None:
    """Accept a regular expression that means the same in every version of Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None


def check_key(path: Path) -> None:
    """Accept a file with a key that is too long to be guessed."""
    if is_future_credential(path):
        return
    try:
        size = len(read_secret(path).strip())
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror}") from None
    if size < _SHORTEST_KEY:
        raise ValueError(
            f"{str(path)!r} contains {size} bytes, but a key needs {_SHORTEST_KEY}; create one: openssl rand -hex 32"
        )


def is_future_credential(path: Path) -> bool:
    """Return whether `path` is below a folder that systemd creates when it starts a unit with credentials."""
    unit = path.parts[:4]
    return unit[:3] == ("/", "run", "credentials") and len(path.parts) > len(unit) and not Path(*unit).exists()


def existing_file(path: Path, *, or_future: bool = False) -> Path:
    """Return `path` if it is a readable regular file, or if `or_future` allows that systemd will create it."""
    if or_future and is_future_credential(path):
        return path
    try:
        with open_regular(path):
            return path
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except ValueError:  # the name contains a NUL
        raise ValueError(f"{str(path)!r} is not a file name") from None


def token_file(folder: Path, name: str, *, or_future: bool = False) -> FileToken:
    """Return the token in the file `name` of `folder`. With `or_future`, systemd may have to create the file."""
    if or_future and is_future_credential(folder / name):
        return FileToken(folder / name)
    # Path.exists raises if a name is too long, as a token may be, or if a directory is not accessible.
    if not os.path.exists(folder / name) and "/" not in name and "." not in name:  # noqa: PTH110
        raise ValueError("the file does not exist; its name is not shown because it may be the token itself")
    return with_token(FileToken(folder / name))


def with_token(source: _Source) -> _Source:
    """Return `source` if it has a token."""
    try:
        source.read()
    except TokenError as error:
        raise ValueError(str(error)) from None
    return source


def duplicates(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the index and a message for each name that is there before."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield index, f"{name!r} is duplicated"
        elif name is not UNREAD:
            seen.add(name)


_MEANINGS: Final = {
    "calls": field_names.COUNTS,
    "average_duration": field_names.AVERAGES,
    "total_duration": field_names.TOTALS,
    "agents": field_names.AGENTS,
    "agent_id": field_names.AGENT_IDS,
    "folder": field_names.FOLDERS,
    "date": field_names.DAYS,
    "an agent's record": field_names.OVERALL,
    "a wrapper": field_names.WRAPPERS,
    "an error": field_names.ERRORS,
}
_TOGETHER: Final = {"agent_id", "folder"}
"""A name may mean both, as `name` does: the one in an agent's record, the other outside of it."""


def check_unit(unit: str) -> None:
    """Accept the unit of durations that are plain numbers."""
    if unit not in UNITS:
        raise ValueError(f"{unit!r} is not one of {', '.join(UNITS)}{suggestion(unit, UNITS)}")


def ambiguous(lists: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    """Yield the path and a message for each name in a list of `stats_fields` that already has another meaning."""
    paths: dict[str, dict[str, str]] = {}
    for key, names in lists.items():
        for index, name in enumerate(names):
            if name is UNREAD:
                continue
            normalized = field_names.normalize(name)
            path = f"{key}[{index}]"
            meanings = [meaning for meaning, known in _MEANINGS.items() if normalized in known]
            before = paths.setdefault(normalized, {})
            duplicated = [before[other] for other in before if other == key or {key, other} != _TOGETHER]
            if not normalized:
                yield path, "a name must not be empty"
            elif meanings and key not in meanings:
                yield path, f"{name!r} already means {' and '.join(meanings)}"
            elif duplicated:
                yield path, f"{name!r} is duplicated: it is also stats_fields.{duplicated[0]}"
            else:
                before[key] = path
