"""The log of aiohttp's server, without what requests hold."""

import logging
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError


class ServerLog(logging.LoggerAdapter[logging.Logger]):
    """Tells nothing but its kind of an error in a request: aiohttp's message quotes the header, a password perhaps."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **named: Any) -> None:
        """Log an exception with its traceback; where the client is to blame, a line for debugging without it."""
        if isinstance(exc_info, HttpProcessingError | RequestPayloadError):
            self.debug("no HTTP request: %s", type(exc_info).__name__)
        elif isinstance(exc_info, ConnectionError):
            self.debug("the client has gone: %s", type(exc_info).__name__)
        else:
            super().exception(msg, *args, exc_info=exc_info, **named)
