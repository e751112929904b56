"""How a log line looks: logfmt or JSON, one line each, without a character that could move a terminal's cursor.

structlog's own logfmt leaves control characters as they are, and a backslash without a space beside it ambiguous.
"""

import json
import math
import re
from typing import Final

from structlog.typing import EventDict, WrappedLogger

_FIRST: Final = ("ts", "level", "event")
_QUOTED: Final = re.compile(r'[ ="\\]')
_DELETE: Final = "\x7f"  # the one control character that JSON leaves as it is
_DELETE_ESCAPED: Final = "\\u007f"


def plain(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Order the fields, and make a text of every value that is no text, finite number, boolean or None."""
    ordered = {key: fields[key] for key in _FIRST if key in fields} | dict(fields)
    return {key: _plain(value) for key, value in ordered.items()}


def logfmt(_logger: WrappedLogger, _method: str, fields: EventDict) -> str:
    """Write `key=value` pairs; quoted values are JSON strings, as go-logfmt and Loki read them, and None is nothing."""
    return " ".join([f"{key}={_value(value)}" for key, value in fields.items()])


def json_line(_logger: WrappedLogger, _method: str, fields: EventDict) -> str:
    """Write a JSON object, in ASCII."""
    return json.dumps(fields).replace(_DELETE, _DELETE_ESCAPED)


def _plain(value: object) -> str | float | None:
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _value(value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if value and value.isprintable() and not _QUOTED.search(value):
        return value
    return '"' + "".join([char if _may_stand(char) else _escaped(char) for char in value]) + '"'


def _may_stand(char: str) -> bool:
    return char.isprintable() and char not in '"\\'


def _escaped(char: str) -> str:
    return _DELETE_ESCAPED if char == _DELETE else json.dumps(char)[1:-1]
