"""JSON that is taken apart without being decoded: a level at a time, the rest as raw bytes."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from exporter.errors import DecodeError
from exporter.runtime.steps import Steps
from exporter.stats.json_path import twice, unrecognized

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_BEGINS_ESCAPED_COMMA: Final = rb"\u002"
_FIRST: Final = range(0xD800, 0xDC00)
_SECOND: Final = range(0xDC00, 0xE000)
_ESCAPES_AT_A_TIME: Final = 4000
_PIECE_BYTES: Final = 2**18
_PROBE_BYTES: Final = 2**13
"""The first piece is this small, so that it costs little to see that the members are larger."""
_MOST: Final = 200_000
_COMMAS_TRIED: Final = 6
_SHORTEST_BESIDE_KEY: Final = len('"":0,')

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_skipped = msgspec.json.Decoder(Raw).decode
_elements = msgspec.json.Decoder(list[Raw]).decode


def check_text(body: bytes) -> Steps[Raw]:
    """Give the JSON in a body, without a byte-order mark and the white space around it.

    It yields where a pause may be made. Raises DecodeError, `not_json`, where it is empty, no UTF-8 or has a lone
    surrogate, also in places that nobody reads (rule 10).
    """
    text = body.strip().removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        raise DecodeError("not_json", "$", "the body is empty")
    if text.startswith(b"<"):
        raise DecodeError("not_json", "$", "the body is an HTML or XML page, of a proxy or a login perhaps")
    try:
        if not text.isascii():
            text.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("not_json", "$", f"the body is no UTF-8 at byte {error.start}") from None
    yield
    if b"\\u" in text and _SURROGATE.search(text):
        yield from _check_surrogates(text)
    return Raw(text)


def _check_surrogates(text: bytes) -> Steps[None]:
    """Refuse a surrogate that is not one of a pair, the first half right before the second."""
    first_ends = -1
    for number, escape in enumerate(_ESCAPE.finditer(text)):
        code = int(escape[1] or b"0", 16)
        if (first_ends >= 0 or code in _SECOND) and not (first_ends == escape.start() and code in _SECOND):
            break
        first_ends = escape.end() if code in _FIRST else -1
        if number % _ESCAPES_AT_A_TIME == 0:
            yield
    else:
        if first_ends < 0:
            return
    raise DecodeError("not_json", "$", "the body has a lone surrogate")


def members(raw: Raw, path: str) -> Steps[dict[str, Raw]]:
    """Give the members of the object at `path`; those that are null are the same as missing (rule 8).

    It yields where a pause may be made. Raises DecodeError, also where there are too many of them, or a key twice.
    """
    found: dict[str, Raw] = {}
    count = 0
    for piece in pieces(raw):
        if piece is None:
            yield
            continue
        some = {key: value for key, value in _members_of(piece, path).items() if not is_null(value)}
        found.update(some)
        count += len(some)
        if len(found) < count:
            raise twice(path)
        _check_number(count, path)
    return found


def elements(raw: Raw, path: str) -> Steps[list[Raw]]:
    """Give the elements of the list at `path`, as `members` does."""
    found: list[Raw] = []
    for piece in pieces(raw):
        if piece is None:
            yield
        else:
            found += _checked(_elements, piece, path)
            _check_number(len(found), path)
    return found


def _check_number(count: int, path: str) -> None:
    if count > _MOST:
        raise unrecognized(path, f"more than {_MOST} records or fields here")


def level(raw: Raw, path: str) -> dict[str, Raw] | list[Raw]:
    """Give the members or elements of the object or list at `path` at once, those that are null too."""
    found: dict[str, Raw] | list[Raw] = (
        _members_of(raw, path) if first_byte(raw) == "{" else _checked(_elements, raw, path)
    )
    return found


def pieces(raw: Raw) -> Iterator[Raw | None]:
    """Cut a large object or list into small ones that have its members in turn, with a None where a pause may be made.

    Whether a comma is between two members is tried out: if what is before it is JSON, it is. What is no JSON, and what
    begins with a large member, comes out as one piece.
    """
    text = memoryview(raw)
    opening, closing, start, end = bytes(text[:1]), bytes(text[-1:]), 1, len(text) - 1
    size = _PROBE_BYTES
    while end - start > _PIECE_BYTES:
        yield None
        window = bytes(text[start : start + size])
        for comma in _commas(window):
            piece = Raw(opening + window[:comma] + closing)
            if _is_json(piece):
                yield piece
                start += comma + 1
                size = _PIECE_BYTES
                break
        else:
            break
    yield Raw(opening + text[start:end] + closing) if start > 1 else raw


def _commas(window: bytes) -> Iterator[int]:
    """Give places, from the end, where a member may end: rather after a list or an object than anywhere."""
    for ends, length in ((b"},", 1), (b"],", 1), (b",", 0)):
        place = len(window)
        for _ in range(_COMMAS_TRIED):
            place = window.rfind(ends, 0, place)
            if place < 0:
                break
            yield place + length


def _is_json(raw: Raw) -> bool:
    try:
        _skipped(raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def decode(raw: Raw, path: str) -> Any:
    """Decode the value at `path` whole."""
    return _checked(msgspec.json.decode, raw, path)


def first_byte(raw: Raw) -> str:
    """Give what a value begins with, which tells its kind."""
    return chr(memoryview(raw)[0])


def is_composite(raw: Raw) -> bool:
    """Tell whether a value is a list or an object."""
    return memoryview(raw)[0] in b"[{"


def is_null(raw: Raw) -> bool:
    """Tell whether a value is null."""
    return memoryview(raw)[0] == ord("n")


def _members_of(raw: Raw, path: str) -> dict[str, Raw]:
    found: dict[str, Raw] = _checked(_members, raw, path)
    keys = "".join(found)
    between = 4 * len(found) + 1  # two quotes, a colon and a comma for each but one, and two braces
    rest = len(raw) - len(keys) - sum(map(len, found.values())) - between
    if not found or rest < min(map(len, found)) + _SHORTEST_BESIDE_KEY:
        return found
    # White space, escapes, or a value that another one under the same key has taken the place of.
    commas = _commas_in(b"".join(found.values())) + keys.count(",") + len(found) - 1
    if _commas_in(bytes(raw)) > commas:
        raise twice(path)
    return found


def _commas_in(text: bytes) -> int:
    """Count the commas of JSON, those in its texts too, written as they are or as an escape."""
    if b"\\" in text and _BEGINS_ESCAPED_COMMA in text:  # the first is found to be missing in no time
        # A backslash that is itself escaped begins no escape; those of a row are taken in pairs from the left.
        text = text.replace(rb"\\", b" ").replace(rb"\u002c", b",").replace(rb"\u002C", b",")
    return text.count(b",")


def _checked(decoder: Callable[[Raw], Any], raw: Raw, path: str) -> Any:
    try:
        return decoder(raw)
    except msgspec.ValidationError:
        raise unrecognized(path, "a number out of range") from None
    except msgspec.DecodeError as error:
        raise DecodeError("not_json", path, str(error)) from None
    except UnicodeDecodeError:
        raise DecodeError("not_json", path, "no UTF-8") from None
    except RecursionError:
        raise unrecognized(path, "nested too deeply") from None
