"""Log lines to standard error, as logfmt or JSON; those of the libraries too."""

import logging
import logging.config
from typing import Any, Final

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

FORMATS: Final = ("logfmt", "json")
LEVELS: Final = ("debug", "info", "warn", "error")
"""As Prometheus names them."""

_KEY_ORDER: Final = ("ts", "level", "event")


def _name_level(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name a line's level as the flag does."""
    if event["level"] == "warning":
        event["level"] = "warn"
    return event


def configure(level: str, form: str) -> FilteringBoundLogger:
    """Let every line at `level` (one of LEVELS) or above be written as `form` (one of FORMATS); give the logger."""
    number = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}[level]
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        _name_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.processors.LogfmtRenderer(key_order=_KEY_ORDER, drop_missing=True)
    )
    formatter: dict[str, Any] = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, structlog.stdlib.add_logger_name],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
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
    log: FilteringBoundLogger = structlog.get_logger("exporter")
    return log
