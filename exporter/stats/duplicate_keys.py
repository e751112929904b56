"""Duplicated keys in JSON objects. JSON decoders keep only the last value of a key and do not report the others.

Python's `json` could report them through `object_pairs_hook`, but takes longer than the whole parse of a large body.
"""

from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Raw

_SHORTEST_MEMBER: Final = len('"":0,')
_BEGINNING: Final = 64
_FEW: Final = 64


def has_duplicate_key(raw: Raw, members: Mapping[str, Raw]) -> bool:
    """Return whether the object `raw` has a key more than once; `members` are those that the decoder kept.

    The invariant: a key is written between two quotes, so an object without duplicates has the quotes of its values and
    two for each member. A member that the decoder dropped adds at least the two of its key.
    """
    beside_values = len(raw) - sum(map(len, members.values()))
    if beside_values < 4 * len(members) + 1 + len("".join(members)) + _SHORTEST_MEMBER:
        return False  # found without a look at the values: there is no room for another member
    text, values = _without_largest(bytes(raw), list(members.values()))
    return _quotes(text) != _quotes(b"".join(values)) + 2 * len(members)


def _without_largest(text: bytes, values: list[Raw]) -> tuple[bytes, list[Raw]]:
    """Return the text and the values of an object, without the largest value if it is more than half of the text.

    Where the same value comes first in the text, it may be part of another one. It has the same quotes there.
    """
    largest = max(values, key=len) if 0 < len(values) <= _FEW else Raw()
    if 2 * len(largest) < len(text) or b"\\" in text:
        return text, values
    # To look for all of a large value takes longer than to count its quotes.
    start = text.find(bytes(memoryview(largest)[:_BEGINNING]))
    if not text.startswith(bytes(largest), start):
        return text, values
    return text[:start] + text[start + len(largest) :], [value for value in values if value is not largest]


def _quotes(text: bytes) -> int:
    """Return how many quotes open or close a string, which all do but those behind a backslash."""
    if b"\\" in text:
        # Pairs of backslashes first: a quote behind one of them is not escaped.
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    return text.count(b'"')


def may_have_duplicate_record(raw: Raw, number: int, objects: int) -> bool:
    """Return whether an object of records may have a key more than once, if the decoder kept `number` records.

    The invariant: every record begins with a brace, including those that the decoder dropped, and so does each of at
    least `objects` objects, itself one of them, in each record that it kept. There may be more braces without a
    duplicate, in texts and in other objects.
    """
    return bytes(raw).count(b"{") != 1 + objects * number


def may_have_duplicate_member(raw: Raw, keys: Collection[str], commas: int) -> bool:
    """Return whether an object may have a key more than once, if the decoder kept `keys`.

    The invariant: a comma is between two members, including those that the decoder dropped. In the values that it kept
    are at least `commas`. There may be more of them without a duplicate, in texts and in other values.
    """
    more = bytes(raw).count(b",") - commas - (len(keys) - 1)
    if more == 0:
        return False
    # A comma in a key that is written as an escape is not in the text.
    return b"\\" in bytes(raw) or more != "".join(keys).count(",")
