"""What a single value of the configuration has to be; each function raises ValueError, with what is wrong with it."""

import os
import re
import unicodedata
import warnings
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from exporter.config.convert import suggestion
from exporter.config.tokens import FileToken, TokenSource
from exporter.errors import TokenError
from exporter.runtime.files import open_regular, read_secret
from exporter.stats import field_names

_Source = TypeVar("_Source", bound=TokenSource)
_SHORTEST_KEY: Final = 16


def check_url(url: str) -> None:
    """Accept scheme, host, optional port and optional path prefix.

    What is wrong is said without the URL, as it may hold a password or a token.
    """
    if not url.isprintable() or " " in url:
        raise ValueError("a URL cannot hold white space or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("no URL: its host or its port cannot be read") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("a URL has to begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("a URL cannot hold a user or a password here")
    if not parts.hostname:
        raise ValueError("the URL names no host")
    if port == 0:
        raise ValueError("a URL cannot have port 0")
    if "?" in url or "#" in url:
        raise ValueError("a URL cannot have a query or a fragment here")
    if parts.path.rstrip("/").endswith("/stats"):
        raise ValueError("leave /stats out, it is added")


def check_name(name: str) -> None:
    """Accept what can stand in the path of a URL as a segment, and in a label."""
    if not name:
        raise ValueError("a name cannot be empty")
    if name in (".", ".."):
        raise ValueError(f"a name cannot be {name!r}, which vanishes from a URL")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise ValueError(f"{name!r} holds a control character or half of a character")


def check_zone(key: str) -> None:
    """Accept the name of a time zone of the tz database."""
    try:
        zoneinfo.ZoneInfo(key)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # the latter for '../x', and for a folder
        hint = suggestion(key, sorted(zoneinfo.available_timezones()))
        raise ValueError(f"unknown time zone {key!r}{hint}") from None


def check_pattern(pattern: str) -> None:
    """Accept a regular expression of Python that has one meaning in every version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


def check_some(values: Sequence[object]) -> None:
    """Accept a list with something in it."""
    if not values:
        raise ValueError("has to name at least one")


def check_key(path: Path) -> None:
    """Accept a file with a key in it that is not guessed by trying all short ones."""
    try:
        size = len(read_secret(path).strip())
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror}") from None
    if size < _SHORTEST_KEY:
        raise ValueError(
            f"{str(path)!r} holds {size} bytes; a key has at least {_SHORTEST_KEY}: make one by `openssl rand -hex 32`"
        )


def existing_file(path: Path) -> Path:
    """Give `path` where it is a file that can be read."""
    try:
        with open_regular(path):
            return path
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except ValueError:  # a NUL in it
        raise ValueError(f"{str(path)!r} is no path") from None


def token_file(folder: Path, name: str) -> FileToken:
    """Give the file `name` in `folder` where it holds a token."""
    # Not Path.exists, which raises where a name is too long, as a token may be, and where a folder is shut.
    if not os.path.exists(folder / name) and "/" not in name and "." not in name:  # noqa: PTH110
        raise ValueError("there is no such file; its name is not shown, for it may be the token itself")
    return with_token(FileToken(folder / name))


def with_token(source: _Source) -> _Source:
    """Give `source` where it has a token."""
    try:
        source.read()
    except TokenError as error:
        raise ValueError(str(error)) from None
    return source


def repeated(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the index and a message for each name that stood before."""
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            yield index, f"{name!r} stands twice"


_MEANINGS: Final = {
    name: meaning
    for meaning, names in {
        "calls": field_names.COUNTS,
        "average_duration": field_names.AVERAGES,
        "agents": field_names.AGENTS,
        "the total duration": field_names.TOTALS,
        "an agent's id": field_names.AGENT_IDS,
        "a folder": field_names.FOLDERS,
        "a date": field_names.DAYS,
        "an agent's record": field_names.OVERALL,
        "a wrapper": field_names.WRAPPERS,
        "an error": field_names.ERRORS,
    }.items()
    for name in names
}


def ambiguous(lists: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    """Yield the place and a message for each name in a list of `stats_fields` that means something else already."""
    given: dict[str, str] = {}
    for key, names in lists.items():
        for index, name in enumerate(names):
            if not isinstance(name, str):  # it could not be read, and that has been said
                continue
            known = field_names.normalize(name)
            place = f"{key}[{index}]"
            if not known:
                yield place, "a name cannot be empty"
            elif _MEANINGS.get(known, key) != key:
                yield place, f"{name!r} means {_MEANINGS[known]} already"
            elif given.setdefault(known, place) != place:
                yield place, f"{name!r} stands under {given[known]} already"
