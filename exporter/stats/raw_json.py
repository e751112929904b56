"""JSON that is taken apart one level at a time. What is below that level stays raw bytes."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from exporter.errors import DecodeError
from exporter.runtime.steps import Steps
from exporter.stats.duplicate_keys import has_duplicate_key
from exporter.stats.json_path import duplicate_key, quotation, unrecognized

_Level = TypeVar("_Level")

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates, which is one character
    rb"|(?P<lone>\\u[dD][89a-fA-F])"
    rb"|\\.",
    re.DOTALL,
)
_SEPARATORS: Final = (b",", b";", b"\t")
_ESCAPES_AT_A_TIME: Final = 4000
_LARGEST_WHOLE: Final = 2**20
_PIECE_BYTES: Final = 2**18
_PROBE_BYTES: Final = 2**13
"""The first piece is small, so that it costs little to find out that the members are larger than a piece."""
_MOST: Final = 200_000
_COMMAS_TRIED: Final = 6

_NULL: Final = Raw(b"null")

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_skipped = msgspec.json.Decoder(Raw).decode
_elements = msgspec.json.Decoder(list[Raw]).decode


def check_text(body: bytes) -> Steps[Raw]:
    """Return the JSON of a body, without a byte-order mark and the white space around it (rule 10).

    Raises DecodeError, `not_json`, if the body is empty, not UTF-8, or has a lone surrogate, in unread fields too.
    """
    text = body.strip().removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        raise DecodeError("not_json", "$", "the body is empty")
    if text.startswith(b"<"):
        message = "the body is an HTML or XML page, perhaps of a proxy or a login; check vspark.url"
        raise DecodeError("not_json", "$", message)
    try:
        if not text.isascii():
            text.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("not_json", "$", f"the body is not UTF-8 at byte {error.start}") from None
    if text[:1] not in (b"{", b"[") and _tried(_skipped, Raw(text)) is None:
        raise DecodeError("not_json", "$", _not_json(text))
    has_numeric_escapes = b"\\" in text and b"\\u" in text  # to look for one byte takes a thirtieth of the time
    yield
    if has_numeric_escapes and _SURROGATE.search(text):
        for number, escape in enumerate(_ESCAPE.finditer(text)):
            if escape["lone"]:
                raise DecodeError("not_json", "$", "the body has a lone surrogate, which is not a character")
            if number % _ESCAPES_AT_A_TIME == 0:
                yield
    return Raw(text)


def _not_json(text: bytes) -> str:
    """Return what a body is that does not even begin as a JSON list or object."""
    first, *rest = text.split(b"\n", 2)[:2]
    second = rest[0] if rest else first.replace(b" ", b",")  # a single line is CSV only without spaces
    if any(0 < first.count(separator) == second.count(separator) for separator in _SEPARATORS):
        return "the body looks like CSV, not JSON; check vspark.url"
    return f"the body is plain text, not JSON; check vspark.url{quotation(text.decode())}"


def members(raw: Raw, path: str) -> Steps[dict[str, Raw]]:
    """Return the members of the object at `path`, without those that are null (rule 8).

    Raises DecodeError, also if there are too many members or a key is duplicated.
    """
    found: dict[str, Raw] = {}
    count = 0
    for piece, level in _decoded_pieces(raw, _members):
        some = _level(piece, path, level)
        if _NULL in some.values():
            some = {key: value for key, value in some.items() if not is_null(value)}
        count += len(some)
        if found:
            found.update(some)
        else:
            found = some
        if len(found) < count:
            raise duplicate_key(path)
        _check_number(count, path)
        yield
    return found


def elements(raw: Raw, path: str) -> Steps[list[Raw]]:
    """Return the elements of the list at `path`; raises DecodeError as `members` does."""
    found: list[Raw] = []
    for piece, level in _decoded_pieces(raw, _elements):
        found += _checked(_elements, piece, path) if level is None else level
        _check_number(len(found), path)
        yield
    return found


def _check_number(count: int, path: str) -> None:
    if count > _MOST:
        raise unrecognized(path, f"more than {_MOST} elements or fields in one list or object")


def object_level(raw: Raw, path: str) -> dict[str, Raw]:
    """Return the members of the object at `path`, nulls included, in one step; raises DecodeError as `members` does."""
    return _level(raw, path)


def _level(raw: Raw, path: str, decoded: dict[str, Raw] | None = None) -> dict[str, Raw]:
    found: dict[str, Raw] = _checked(_members, raw, path) if decoded is None else decoded
    if has_duplicate_key(raw, found):
        raise duplicate_key(path)
    return found


def pieces(raw: Raw) -> Iterator[Raw]:
    """Return the members of a large object or list in turn, as small objects or lists; pause after each of these.

    A comma is between two members if the text before it is valid JSON. If no such comma is found, because the text is
    not JSON or a member is larger than a piece, the rest comes in one piece.
    """
    return (piece for piece, _ in _decoded_pieces(raw, _skipped))


def _decoded_pieces(raw: Raw, decoder: Callable[[Raw], _Level]) -> Iterator[tuple[Raw, _Level | None]]:
    """Return `pieces`, each with what `decoder` makes of it if that has shown that it is valid JSON, else None."""
    text = memoryview(raw)
    if len(text) <= _LARGEST_WHOLE:
        yield raw, None
        return
    opening, closing, start, end = bytes(text[:1]), bytes(text[-1:]), 1, len(text) - 1
    size = _PROBE_BYTES
    while end - start > _PIECE_BYTES:
        window = bytes(text[start : start + size])
        for comma in _commas(window):
            piece = Raw(opening + window[:comma] + closing)
            level = _tried(decoder, piece)
            if level is not None:
                yield piece, level
                start += comma + 1
                size = _PIECE_BYTES
                break
        else:
            break
    yield Raw(opening + text[start:end] + closing) if start > 1 else raw, None


def _commas(window: bytes) -> Iterator[int]:
    """Return places, from the end, at which a member may end: those after a list or an object first."""
    for ends, length in ((b"},", 1), (b"],", 1), (b",", 0)):
        place = len(window)
        for _ in range(_COMMAS_TRIED):
            place = window.rfind(ends, 0, place)
            if place < 0:
                break
            yield place + length


def _tried(decoder: Callable[[Raw], _Level], raw: Raw) -> _Level | None:
    """Return what `decoder` makes of JSON, None if it is not valid."""
    try:
        return decoder(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def decode(raw: Raw, path: str) -> Any:
    """Return the value at `path`, decoded whole."""
    return _checked(msgspec.json.decode, raw, path)


def first_byte(raw: Raw) -> str:
    """Return the first character of a value, which tells its kind."""
    return chr(memoryview(raw)[0])


def is_composite(raw: Raw) -> bool:
    """Return whether a value is a list or an object."""
    return memoryview(raw)[0] in b"[{"


def is_empty(raw: Raw) -> bool:
    """Return whether a list or object has no elements or members, not even null."""
    return not bytes(memoryview(raw)[1:-1]).strip()


def is_null(raw: Raw) -> bool:
    """Return whether a value is null."""
    return memoryview(raw)[0] == ord("n")


def _checked(decoder: Callable[[Raw], Any], raw: Raw, path: str) -> Any:
    try:
        return decoder(raw)
    except msgspec.ValidationError:
        raise unrecognized(path, "a number is out of range") from None
    except msgspec.DecodeError as error:
        raise DecodeError("not_json", path, str(error)) from None
    except UnicodeDecodeError:
        raise DecodeError("not_json", path, "the text is not UTF-8") from None
    except RecursionError:
        raise unrecognized(path, "nested too deeply") from None
