"""What a response says in place of day records: rule 10."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from msgspec import Raw

from exporter.errors import DecodeError
from exporter.stats.field_names import ERRORS, WRAPPERS, Layouts, normalize
from exporter.stats.json_path import quotation
from exporter.stats.raw_json import decode

_EXPLANATIONS: Final = ERRORS | {"message"}
_LARGEST: Final = 2**16
"""Bytes of a response that is searched for texts; one that only says what is wrong is shorter."""
_SUCCESS: Final = frozenset({"ok", "success"})


def is_failure(key: str, value: Any, *, empty: bool) -> bool:
    """Return whether a value next to lists or objects says that the request failed; `empty` if they have no records."""
    if normalize(key) in ERRORS:
        return bool(value)
    if not empty or value is True or (isinstance(value, str) and value.casefold() in _SUCCESS):
        return False
    return value is False or value not in (0, HTTPStatus.OK)


def explanation(inside: Mapping[str, Raw], body: Raw | None, layouts: Layouts) -> str:
    """Return the texts that say what is wrong, quoted as the end of a message; empty if there are none.

    These are the texts under `error`, `errors` or `message` in the object `inside`, then those at the top of `body` and
    in its wrappers. `body` is None if the response has day records.
    """
    said = [decode(value, "") for key, value in inside.items() if normalize(key) in _EXPLANATIONS]
    if body is not None and len(body) <= _LARGEST:
        with suppress(DecodeError):
            texts = list(_texts(decode(body, ""), layouts))
            said += [text for _, text in sorted(texts, key=lambda each: normalize(each[0]) not in _EXPLANATIONS)]
    return quotation(*dict.fromkeys(text for text in said if isinstance(text, str)))


def _texts(value: Any, layouts: Layouts, *, below: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the texts in an object or a list, with their keys, and then those `below`, in its wrappers.

    Fields of day records are left out: they may hold an agent's id.
    """
    members: Iterable[tuple[str, Any]] = ()
    match value:
        case dict():
            members = value.items()
        case list():
            members = (("", each) for each in value)
    for key, each in members:
        if isinstance(each, str):
            if not layouts.is_known(key) and each.casefold() not in _SUCCESS:
                yield key, each
        elif not below and normalize(key) in WRAPPERS | ERRORS:
            yield from _texts(each, layouts, below=True)
