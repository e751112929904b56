"""The status over HTTP: the page at `/`, its JSON at `/api/v1/targets`."""

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
from exporter.status.overview import ConfigState, Overview, Totals
from exporter.status.query import StatusQuery
from exporter.web.endpoints import HEALTHY_PATH, READY_PATH, TARGETS_PATH
from exporter.web.negotiation import accepts_gzip

if TYPE_CHECKING:
    from exporter.status.page import StatusPage

_PIECES_AT_ONCE: Final = 256
_LEVEL: Final = 1
_GZIP: Final = 31
"""zlib's number for a gzip stream (`wbits`)."""
_EVERYWHERE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding",
}


class StatusRoutes:
    """Answers what is asked about the status.

    `targets` gives where the targets stand, `config` the state of the configuration, both as of now.
    """

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
        """What it answers to."""
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
            **_EVERYWHERE,
        }
        query, problems = StatusQuery.parse(request.query)
        pauses = Pauses()
        overview = await self._overview(pauses)
        selected = await query.select(overview.targets, pauses)
        return await _send(request, headers, self._page.html(overview, selected, query, problems), pauses)

    async def _serve_json(self, request: web.Request) -> web.StreamResponse:
        query, problems = StatusQuery.parse(request.query)
        headers = {"Content-Type": "application/json", **_EVERYWHERE}
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
    # Jinja would take a fifth of the exporter's start: it is loaded when somebody looks.
    from exporter.status.page import StatusPage  # noqa: PLC0415

    links = {f".{metrics_path}": "Metrics", f".{HEALTHY_PATH}": "Health", f".{READY_PATH}": "Readiness"}
    return StatusPage(links, f".{TARGETS_PATH}")


async def _send(
    request: web.Request, headers: dict[str, str], pieces: Iterator[str], pauses: Pauses
) -> web.StreamResponse:
    """Write an answer while it is made, so that it never stands in memory whole nor holds the event loop."""
    response = web.StreamResponse(headers=headers)
    packing = None
    if accepts_gzip(",".join(request.headers.getall("Accept-Encoding", ()))):
        packing = isal_zlib.compressobj(level=_LEVEL, wbits=_GZIP)
        response.headers["Content-Encoding"] = "gzip"
    with suppress(ConnectionError):  # somebody who has gone away is no error of ours
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        while several := list(islice(pieces, _PIECES_AT_ONCE)):
            data = "".join(several).encode()
            if packing is not None:
                data = packing.compress(data)
            if data:
                await response.write(data)
            if pauses.due:
                await pauses.take()
        if packing is not None:
            await response.write(packing.flush())
    return response
