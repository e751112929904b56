"""Places in the JSON of an answer, and the error for one that the rules do not decide."""

import json
import re
from itertools import takewhile
from typing import Any, Final

from exporter.errors import DecodeError
from exporter.runtime.terminal import printable

_LONGEST_KEY: Final = 60
_LONGEST_SAYING: Final = 200
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def at(path: str, key: str | int) -> str:
    """Give the place below `path`, in ASCII and of bounded length, since keys come from outside."""
    if isinstance(key, str):
        if len(key) > _LONGEST_KEY:
            # Not its beginning: what cuts a token in two keeps it from being masked.
            return f"{path}[a key of {len(key)} characters]"
        if _PLAIN_KEY.fullmatch(key):
            return f"{path}.{key}"
    return f"{path}[{json.dumps(key)}]"


def at_agent(path: str, number: int) -> str:
    """Give the place of an agent's record below `path`, by its number from 0: its id is nothing for a log."""
    return f"{path}[agent {number + 1}]"


def unrecognized(path: str, message: str) -> DecodeError:
    """Make the error for a place that the rules do not decide."""
    return DecodeError("unrecognized", path, message)


def twice(path: str) -> DecodeError:
    """Make the error for an object that has a key twice, of whose values a reader of JSON keeps but the last."""
    return unrecognized(path, "a key stands here twice, so which of them counts?")


def saying(value: Any) -> str:
    """Quote what V-Spark says in words, to follow a message; nothing where `value` is no text.

    It is cut between two words: no token holds white space, so none is cut in two and then not masked.
    """
    if not isinstance(value, str) or not value.strip():
        return ""
    words = takewhile(lambda word: word.end() <= _LONGEST_SAYING, re.finditer(r"\S+", value))
    end = max((word.end() for word in words), default=0)
    more = ["…"] if value[end:].strip() else []
    return f"; it says: {printable(' '.join([*value[:end].split(), *more]))}"
