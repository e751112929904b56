"""JSON paths such as `$.Test01.agents[agent 3]`, and the errors that carry them."""

import json
import re
from collections.abc import Callable
from functools import partial
from itertools import takewhile
from typing import Any, Final, TypeVar

from exporter.errors import SAYS, DecodeError
from exporter.runtime.terminal import printable

_LONGEST_KEY: Final = 60
_LONGEST_QUOTATION: Final = 200
_MOST_QUOTED: Final = 5
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_Value = TypeVar("_Value")


def child_path(path: str, key: str | int) -> str:
    """Return the path of a member or element below `path`, in ASCII and of bounded length: keys are foreign text."""
    if isinstance(key, str):
        if len(key) > _LONGEST_KEY:
            # The beginning of the key is not shown: half a token would not be masked.
            return f"{path}[a key of {len(key)} characters]"
        if _PLAIN_KEY.fullmatch(key):
            return f"{path}.{key}"
    return f"{path}[{json.dumps(key)}]"


def agent_path(path: str, number: int) -> str:
    """Return the path of an agent's record below `path`, by its number from 0: agent ids do not belong in a log."""
    return f"{path}[agent {number + 1}]"


def unrecognized(path: str, message: str) -> DecodeError:
    """Return the error for a place in the JSON that the rules do not allow, or that they leave ambiguous."""
    return DecodeError("unrecognized", path, message)


def duplicate_key(path: str) -> DecodeError:
    """Return the error for an object at `path` that has the same key twice."""
    return unrecognized(path, "a key of this object is duplicated, so its value is ambiguous")


def prefixed(path: str, error: DecodeError) -> DecodeError:
    """Return `error`, whose path is relative to `path`, with its whole path."""
    return DecodeError(error.reason, path + error.path, error.message)


def converted(convert: Callable[[Any], _Value], value: Any, path: str, key: str | None = None) -> _Value:
    """Return what a function of `values` makes of the value at `path`, or at its member `key`; raises DecodeError."""
    try:
        return convert(value)
    except ValueError as error:
        raise unrecognized(path if key is None else child_path(path, key), str(error)) from None


def quotation(*values: Any) -> str:
    """Return the texts that V-Spark sent in place of data, as the end of a message; empty if no value is a text.

    Long texts are cut at white space. A token has none, so it is never cut in half, which would escape the masking.
    """
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    said: list[str] = []
    room = _LONGEST_QUOTATION
    for text in texts:
        fits = takewhile(partial(_ends_within, room), re.finditer(r"\S+", text))
        end = max((word.end() for word in fits), default=0)
        if end:
            more = ["…"] if text[end:].strip() else []
            said.append(printable(" ".join([*text[:end].split(), *more])))
            room -= end
        if len(said) == _MOST_QUOTED:
            break
    if not texts:
        return ""
    return f"{SAYS}{'; '.join(said) or '…'}"


def _ends_within(room: int, word: re.Match[str]) -> bool:
    return word.end() <= room
