"""The structure of a JSON body, to help find the names that an installation uses."""

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

_KEYS_SHOWN: Final = 10
_VALUE_SHOWN: Final = 24
_DEPTH: Final = 5
_LARGEST: Final = 2**20


def outline(body: bytes) -> list[str]:
    """Return a line for the first element of each list and for the first keys of each object.

    Empty if the body is large or not JSON.
    """
    if len(body) > _LARGEST:
        return []
    try:
        return list(_outline(msgspec.json.decode(body), _DEPTH))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def _outline(value: Any, depth: int) -> Iterator[str]:
    entries: list[tuple[str, Any]] = []
    match value:
        case dict():
            entries = list(value.items())
        case list():
            entries = [(f"[{index}]", below) for index, below in enumerate(value)]
    shown = entries[: 1 if isinstance(value, list) else _KEYS_SHOWN]
    for name, below in shown:
        if isinstance(below, dict | list) and below and depth:
            yield f"{name}:"
            yield from (f"  {line}" for line in _outline(below, depth - 1))
        else:
            yield f"{name}: {_brief(below)}"
    if len(entries) > len(shown):
        yield f"… and {len(entries) - len(shown)} more"


def _brief(value: Any) -> str:
    text = ("{…}" if value else "empty") if isinstance(value, dict | list) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_SHOWN else f"{text[:_VALUE_SHOWN]}…"
