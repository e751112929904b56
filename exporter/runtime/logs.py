"""Log lines to standard error, as logfmt or JSON; those of the libraries too."""

import logging
import logging.config
import sys
import threading
from types import TracebackType
from typing import Any, Final

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from exporter.runtime.loglines import json_line, logfmt, plain

FORMATS: Final = ("logfmt", "json")
LEVELS: Final = ("debug", "info", "warn", "error")
"""As Prometheus names them."""


def _name_level(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name a line's level as the flag does."""
    if event["level"] == "warning":
        event["level"] = "warn"
    return event


def _name_message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Give a library's line a stable event name; what it says is its message."""
    event["message"] = event["event"]
    event["event"] = "library_message"
    return event


def configure(level: str, form: str) -> FilteringBoundLogger:
    """Let every line at `level` (one of LEVELS) or above be written as `form` (one of FORMATS); give the logger.

    Warnings, and exceptions that nobody catches, become lines too.
    """
    number = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}[level]
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        _name_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    renderer: Processor = json_line if form == "json" else logfmt
    formatter: dict[str, Any] = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, structlog.stdlib.add_logger_name, _name_message],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            plain,
            renderer,
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
    logging.raiseExceptions = False  # a library's line that cannot be formatted is no reason for a raw traceback
    log: FilteringBoundLogger = structlog.get_logger("exporter")
    _tell_crashes(log)
    return log


def _tell_crashes(log: FilteringBoundLogger) -> None:
    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.error("crashed", exc_info=(kind, error, trace))

    def thread_crashed(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is not None:
            crashed(ended.exc_type, ended.exc_value, ended.exc_traceback)

    def ignored(met: "sys.UnraisableHookArgs") -> None:
        log.error("exception_ignored", where=repr(met.object), exc_info=met.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = crashed, thread_crashed, ignored
