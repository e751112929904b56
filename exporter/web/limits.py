"""Limits on what clients may use: concurrent requests, time, and the size of a request."""

import asyncio
import resource
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from exporter.web.access_log import client_name

DEFAULT_REQUESTS: Final = 40
"""The default of node_exporter."""
_WAITING: Final = 256
_UNLIMITED_REQUESTS: Final = 1024


class Limits(Struct, frozen=True):
    """The limits of a web server.

    `requests`: the number of requests that are served at a time; 0: no limit. `response_seconds`: the time for a client
    to receive a response, before it is cut off. Prometheus looks back five minutes, so scrape intervals are at most two
    minutes, and a scrape_timeout is at most its interval. The limit also bounds the memory: slow clients keep no older
    version of a page alive.

    `line_bytes`, `field_bytes`, `fields`, `head_bytes`: the size of a request line and of one header, the number of
    headers, and the size of the whole head. `head_seconds`: the time from a connection, or on a kept one from the first
    byte of a request, to the end of the head; also for a TLS handshake. `idle_seconds`: the time between requests.
    Prometheus closes an idle connection after five minutes (IdleConnTimeout of its HTTP client), so with this longer
    time no connection is closed while a scrape is on its way.
    """

    requests: int = DEFAULT_REQUESTS
    response_seconds: float = 120.0
    line_bytes: int = 4 * 1024
    field_bytes: int = 8 * 1024
    fields: int = 64
    head_bytes: int = 32 * 1024
    head_seconds: float = 10.0
    idle_seconds: float = 360.0

    @property
    def connections(self) -> int:
        """The number of open connections: those being served and some that wait, but at most half of the descriptors.

        The other half is for polls.
        """
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = (self.requests or _UNLIMITED_REQUESTS) + _WAITING
        return wanted if descriptors == resource.RLIM_INFINITY else min(wanted, descriptors // 2)


class ConcurrencyLimit:
    """At most `limits.requests` requests at a time; beyond that the response is 503, as promhttp's is.

    Requests for `unlimited` paths do not count, so health checks work however many scrapes there are.
    """

    def __init__(self, limits: Limits, *, unlimited: Collection[str], log: FilteringBoundLogger) -> None:
        self._limits = limits
        self._unlimited = unlimited
        self._log = log
        self._running = 0

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Return the response of `handler` once it has been sent, or 503."""
        if request.rel_url.raw_path in self._unlimited:
            return await handler(request)
        if 0 < self._limits.requests <= self._running:
            text = f"Limit of concurrent requests reached ({self._limits.requests}), try again later.\n"
            return web.Response(status=503, text=text)
        self._running += 1
        timer = asyncio.get_running_loop().call_later(self._limits.response_seconds, self._cut_off, request)
        try:
            response = await handler(request)
            with suppress(ConnectionError):  # a client that has gone away is not an error
                await response.prepare(request)
                await response.write_eof()
        finally:
            timer.cancel()
            self._running -= 1
        return response

    def _cut_off(self, request: web.Request) -> None:
        if request.transport is not None:
            self._log.info(
                "answer_cut_off",
                client=client_name(request.remote),
                path=request.rel_url.raw_path,
                after_seconds=self._limits.response_seconds,
            )
            request.transport.abort()
