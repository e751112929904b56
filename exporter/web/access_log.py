"""The access log: one line for each answer, at level debug."""

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from structlog.typing import FilteringBoundLogger

_LONGEST_PATH = 200
_MAPPED = "::ffff:"


def client_name(address: str | None) -> str | None:
    """Give the address of a client, of an IPv4 one as such where the socket is for both (RFC 4291, section 2.5.5.2)."""
    return address.removeprefix(_MAPPED) if address is not None else None


class AccessLog(AbstractAccessLogger):
    """Writes what was asked and answered to a structlog logger; above level debug not even the time is taken."""

    logger: FilteringBoundLogger  # type: ignore[assignment] # aiohttp hands on what it was given

    @property
    def enabled(self) -> bool:
        """Whether lines would be written."""
        return self.logger.is_enabled_for(logging.DEBUG)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line; `bytes` is what was sent, head and body, `time` is in seconds. Queries are left out."""
        self.logger.debug(
            "request",
            client=client_name(request.remote),
            method=request.method,
            path=request.rel_url.raw_path[:_LONGEST_PATH],
            status=response.status,
            bytes=request.writer.output_size,
            seconds=round(time, 4),
        )
