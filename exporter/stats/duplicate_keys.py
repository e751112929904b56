"""Duplicated keys in JSON objects. JSON decoders keep only the last value of a key and do not report the others.

Python's `json` could report them through `object_pairs_hook`, but takes longer than the whole parse of a large body.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Raw

_SHORTEST_MEMBER: Final = len('"":0,')


def has_duplicate_key(raw: Raw, members: Mapping[str, Raw]) -> bool:
    """Return whether the object `raw` has a key more than once; `members` are those that the decoder kept.

    The invariant: a key is written between two quotes, so an object without duplicates has the quotes of its values and
    two for each member. A member that the decoder dropped adds at least the two of its key.
    """
    beside_values = len(raw) - sum(map(len, members.values()))
    if beside_values < 4 * len(members) + 1 + len("".join(members)) + _SHORTEST_MEMBER:
        return False  # found without a look at the values: there is no room for another member
    return _quotes(bytes(raw)) != _quotes(b"".join(members.values())) + 2 * len(members)


def _quotes(text: bytes) -> int:
    """Return how many quotes open or close a string, which all do but those behind a backslash."""
    if b"\\" in text:
        # Pairs of backslashes first: a quote behind one of them is not escaped.
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    return text.count(b'"')


def may_have_duplicate_record(raw: Raw, field: str, number: int) -> bool:
    """Return whether an object of records may have a key more than once, if the decoder kept `number` records.

    The invariant: every record has a `field`, so its name is written at least once for each record, including those
    that the decoder dropped. It may be written more often without a duplicate, as another key or a text. The JSON must
    be free of escapes, in which the name could be spelled otherwise.
    """
    return bytes(raw).count(b'"%b"' % field.encode()) != number
