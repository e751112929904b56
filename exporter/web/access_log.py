"""The access log: one line for each response, at level debug."""

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from structlog.typing import FilteringBoundLogger

_LONGEST_PATH = 200
_IPV4_MAPPED = "::ffff:"


def client_name(address: str | None) -> str | None:
    """Return a client's address; an IPv4 one in its own form on a socket for both (RFC 4291, section 2.5.5.2)."""
    return address.removeprefix(_IPV4_MAPPED) if address is not None else None


class AccessLog(AbstractAccessLogger):
    """Writes requests to a structlog logger. Above level debug aiohttp does not even measure the time."""

    logger: FilteringBoundLogger  # type: ignore[assignment] # aiohttp hands on the logger that Connection gives it

    @property
    def enabled(self) -> bool:
        """Whether lines are written."""
        return self.logger.is_enabled_for(logging.DEBUG)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write a line without the query; `bytes` counts head and body as sent, `time` is in seconds."""
        self.logger.debug(
            "request",
            client=client_name(request.remote),
            method=request.method,
            path=request.rel_url.raw_path[:_LONGEST_PATH],
            status=response.status,
            bytes=request.writer.output_size,
            seconds=round(time, 4),
        )
