"""The responses of `/list` and `/config`, as names and time zones.

Forms: V-Spark API reference, `/list` and `/config/orgs`. Every name is text from outside. It becomes a label and a part
of a URL, so a name that cannot be one is left out.
"""

from typing import Any, Final, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from exporter.config import checks
from exporter.errors import DecodeError
from exporter.stats.values import LONGEST_NAME

_MOST_NAMES: Final = 200_000

_Shape = TypeVar("_Shape")
_Value = TypeVar("_Value")


class Listing(NamedTuple, Generic[_Value]):
    """What a response lists, and why something in it was left out, one text for each."""

    value: _Value
    left_out: tuple[str, ...]


class _Org(msgspec.Struct):
    timezone: Any = None


def read_names(body: bytes) -> Listing[tuple[str, ...]]:
    """Return the names in a response of `/list`, a JSON list of texts, in V-Spark's order and without duplicates.

    Raises DecodeError: `not_json`, or `unrecognized` for any other JSON and for more than 200,000 names.
    """
    listed = _decoded(body, list[str], "a list of names")
    if len(listed) > _MOST_NAMES:
        raise DecodeError("unrecognized", "$", f"more than {_MOST_NAMES:,} names")
    names: list[str] = []
    left_out: list[str] = []
    for name in dict.fromkeys(listed):
        problem = _problem(name)
        if problem is None:
            names.append(name)
        else:
            left_out.append(problem)
    return Listing(tuple(names), tuple(left_out))


def read_zones(body: bytes) -> Listing[dict[str, ZoneInfo]]:
    """Return the time zones in a response of `/config/COMPANY/orgs`: a JSON object of objects, by org.

    Raises DecodeError as `read_names`.
    """
    orgs = _decoded(body, dict[str, _Org], "an object of orgs")
    zones: dict[str, ZoneInfo] = {}
    left_out: list[str] = []
    for org, config in orgs.items():
        if _problem(org) is not None or config.timezone in (None, ""):
            continue
        try:
            checks.check_zone(config.timezone)
            zones[org] = ZoneInfo(config.timezone)
        except (TypeError, ValueError):
            left_out.append(f"{org}: V-Spark names no time zone of the tz database")
    return Listing(zones, tuple(left_out))


def _decoded(body: bytes, shape: type[_Shape], expected: str) -> _Shape:
    try:
        return msgspec.json.decode(body.strip().removeprefix(b"\xef\xbb\xbf"), type=shape)
    except msgspec.ValidationError:
        raise DecodeError("unrecognized", "$", f"expected {expected}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DecodeError("not_json", "$", f"expected {expected}, but the body is not JSON") from None


def _problem(name: str) -> str | None:
    """Return why `name` cannot be a label and a part of a URL; None if it can."""
    if len(name) > LONGEST_NAME:
        return f"a name of {len(name):,} characters; at most {LONGEST_NAME:,} are accepted"
    try:
        checks.check_name(name)
    except ValueError as error:
        return str(error)
    return None
