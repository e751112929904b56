"""JSON that is taken apart without being decoded: a level at a time, the rest as raw bytes."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

from exporter.errors import DecodeError
from exporter.places import unrecognized

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_elements = msgspec.json.Decoder(list[Raw]).decode


def check_text(body: bytes) -> Raw:
    """Give the JSON in a body, without a byte-order mark and the white space around it.

    Raises DecodeError, `not_json`, where it is empty, no UTF-8 or has a lone surrogate, also in places that nobody
    reads (rule 10).
    """
    text = body.strip().removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        raise DecodeError("not_json", "$", "the body is empty")
    if text.startswith(b"<"):
        raise DecodeError("not_json", "$", "the body is an HTML or XML page, of a proxy or a login perhaps")
    try:
        if not text.isascii():
            text.decode()
        if b"\\u" in text and _SURROGATE.search(text):
            msgspec.json.decode(text)
    except UnicodeDecodeError as error:
        raise DecodeError("not_json", "$", f"the body is no UTF-8 at byte {error.start}") from None
    except (msgspec.ValidationError, RecursionError):
        pass  # refused where it is read
    except msgspec.DecodeError:
        raise DecodeError("not_json", "$", "the body is no JSON, or has a lone surrogate") from None
    return Raw(text)


def members(raw: Raw, path: str) -> dict[str, Raw]:
    """Give the members of the object at `path`; those that are null are the same as missing (rule 8)."""
    return {key: value for key, value in _checked(_members, raw, path).items() if not is_null(value)}


def elements(raw: Raw, path: str) -> list[Raw]:
    """Give the elements of the list at `path`."""
    found: list[Raw] = _checked(_elements, raw, path)
    return found


def level(raw: Raw, path: str) -> dict[str, Raw] | list[Raw]:
    """Give the members or elements of the object or list at `path`, those that are null too."""
    found: dict[str, Raw] | list[Raw] = _checked(_members if first_byte(raw) == "{" else _elements, raw, path)
    return found


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
