"""Log lines on standard error, as logfmt or JSON, including those of libraries.

A line never contains a character that could move a terminal's cursor. structlog's own logfmt renderer is not used: it
writes control characters as they are, and its backslashes are ambiguous.
"""

import json
import logging
import logging.config
import math
import re
import sys
import threading
from types import TracebackType
from typing import Final

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

FORMATS: Final = ("logfmt", "json")
LEVELS: Final = ("debug", "info", "warn", "error")
"""The names that Prometheus uses."""

_FIRST: Final = ("ts", "level", "event")
_NEEDS_QUOTES: Final = re.compile(r'[ ="\\]')
_DELETE: Final = "\x7f"  # the one control character that JSON does not escape
_DELETE_ESCAPED: Final = "\\u007f"


def configure(level: str, form: str) -> FilteringBoundLogger:
    """Write every line at `level` (one of LEVELS) or above as `form` (one of FORMATS), and return the logger.

    Warnings and uncaught exceptions become lines, too.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        _name_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, structlog.stdlib.add_logger_name, _name_message],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            plain,
            json_line if form == "json" else logfmt,
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"level": number, "handlers": ["stderr"]},
        }
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # or a library's bad format string would print a raw traceback
    # Bound now: the proxy would make another logger for every line, also for those that the level leaves out.
    log: FilteringBoundLogger = structlog.get_logger("exporter").bind()
    _log_crashes(log)
    return log


def plain(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Return the fields in order, with text for every value that is not text, a finite number, a boolean or None."""
    ordered = {key: fields[key] for key in _FIRST if key in fields} | dict(fields)
    return {key: _plain(value) for key, value in ordered.items()}


def logfmt(_logger: WrappedLogger, _method: str, fields: EventDict) -> str:
    """Return `key=value` pairs. Quoted values are JSON strings, as go-logfmt and Loki read them; None is empty."""
    return " ".join([f"{key}={_logfmt_value(value)}" for key, value in fields.items()])


def json_line(_logger: WrappedLogger, _method: str, fields: EventDict) -> str:
    """Return a JSON object in ASCII."""
    return json.dumps(fields).replace(_DELETE, _DELETE_ESCAPED)


def _name_level(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Use the flag's name for a line's level."""
    if event["level"] == "warning":
        event["level"] = "warn"
    return event


def _name_message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Use a stable event name for a library's line, and its text as the message."""
    event["message"] = event["event"]
    event["event"] = "library_message"
    return event


def _plain(value: object) -> str | float | None:
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _logfmt_value(value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if value and value.isprintable() and not _NEEDS_QUOTES.search(value):
        return value
    return '"' + "".join([char if char.isprintable() and char not in '"\\' else _escaped(char) for char in value]) + '"'


def _escaped(char: str) -> str:
    return _DELETE_ESCAPED if char == _DELETE else json.dumps(char)[1:-1]


def _log_crashes(log: FilteringBoundLogger) -> None:
    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.error("crashed", exc_info=(kind, error, trace))

    def thread_crashed(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is not None:
            crashed(ended.exc_type, ended.exc_value, ended.exc_traceback)

    def ignored(unraisable: "sys.UnraisableHookArgs") -> None:
        log.error("exception_ignored", where=repr(unraisable.object), exc_info=unraisable.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = crashed, thread_crashed, ignored
