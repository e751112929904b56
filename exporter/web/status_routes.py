"""The routes of the status: the page at `/`, its JSON at `/api/v1/targets`."""

import asyncio
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from aiohttp import web
from isal import isal_zlib

from exporter import __version__
from exporter.polling.snapshot import TargetStatus
from exporter.runtime.clock import Clock
from exporter.runtime.steps import Pauses
from exporter.status.api import error_json, targets_json
from exporter.status.causes import causes_of
from exporter.status.overview import ConfigState, Overview, Totals
from exporter.status.query import StatusQuery
from exporter.web.endpoints import HEALTHY_PATH, READY_PATH, TARGETS_PATH
from exporter.web.negotiation import accepts_gzip, header_value

if TYPE_CHECKING:
    from exporter.status.page import StatusPage

_PIECES_AT_ONCE: Final = 256
_LEVEL: Final = 1
_GZIP_WBITS: Final = 31
_COMMON_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding",
}


class StatusRoutes:
    """Serves the status. `targets` and `config` return the current state of the targets and of the configuration."""

    def __init__(
        self,
        targets: Callable[[], Iterable[TargetStatus]],
        config: Callable[[], ConfigState],
        clock: Clock,
        metrics_path: str = "/metrics",
    ) -> None:
        self._targets = targets
        self._config = config
        self._clock = clock
        self._started = clock.time(), clock.monotonic()
        self._metrics_path = metrics_path
        self._page: StatusPage | None = None

    @property
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The routes for an aiohttp application."""
        return [web.get("/", self._serve_page), web.get(TARGETS_PATH, self._serve_json)]

    async def _serve_page(self, request: web.Request) -> web.StreamResponse:
        if self._page is None:
            self._page = await asyncio.to_thread(_load_page, self._metrics_path)
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": (
                f"default-src 'none'; style-src '{self._page.style_hash}'; img-src data:; "
                "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            ),
            **_COMMON_HEADERS,
        }
        query, problems = StatusQuery.parse(request.query)
        pauses = Pauses()
        overview = await self._overview(pauses)
        selected = await query.select(overview.targets, pauses)
        causes = await causes_of(overview.targets, pauses)
        return await _send(request, headers, self._page.html(overview, causes, selected, query, problems), pauses)

    async def _serve_json(self, request: web.Request) -> web.StreamResponse:
        query, problems = StatusQuery.parse(request.query)
        headers = {"Content-Type": "application/json", **_COMMON_HEADERS}
        if problems:
            return web.Response(status=400, body=error_json(problems).encode(), headers=headers)
        pauses = Pauses()
        overview = await self._overview(pauses)
        selected = await query.select(overview.targets, pauses)
        return await _send(request, headers, targets_json(overview, selected), pauses)

    async def _overview(self, pauses: Pauses) -> Overview:
        targets = []
        for status in self._targets():
            targets.append(status)
            if pauses.due:
                await pauses.take()
        started_at, started_monotonic = self._started
        return Overview(
            now=self._clock.time(),
            version=__version__,
            python_version=platform.python_version(),
            started_at=started_at,
            uptime_seconds=self._clock.monotonic() - started_monotonic,
            config=self._config(),
            targets=tuple(targets),
            totals=Totals.of(targets),
        )


def _load_page(metrics_path: str) -> "StatusPage":
    # Not imported at start: Jinja would take a fifth of its time.
    from exporter.status.page import StatusPage  # noqa: PLC0415

    links = {f".{metrics_path}": "Metrics", f".{HEALTHY_PATH}": "Health", f".{READY_PATH}": "Readiness"}
    return StatusPage(links, f".{TARGETS_PATH}")


async def _send(
    request: web.Request, headers: dict[str, str], pieces: Iterator[str], pauses: Pauses
) -> web.StreamResponse:
    """Send a response while it is rendered, so that it is never whole in memory and does not block the event loop."""
    response = web.StreamResponse(headers=headers)
    compressor = None
    if accepts_gzip(header_value(request, "Accept-Encoding")):
        compressor = isal_zlib.compressobj(level=_LEVEL, wbits=_GZIP_WBITS)
        response.headers["Content-Encoding"] = "gzip"
    with suppress(ConnectionError):  # a client that has gone away is not an error
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        while batch := list(islice(pieces, _PIECES_AT_ONCE)):
            data = "".join(batch).encode()
            if compressor is not None:
                data = compressor.compress(data)
            if data:
                await response.write(data)
            if pauses.due:
                await pauses.take()
        if compressor is not None:
            await response.write(compressor.flush())
    return response
