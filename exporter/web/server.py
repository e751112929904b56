"""The HTTP server: the metrics page, health, and the status."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.store import Store
from exporter.polling.reload import Loading
from exporter.runtime.aiohttp_internals import StreamedResponse, limit_tls_buffers, reject_unservable_requests
from exporter.runtime.terminal import printable
from exporter.web.acceptor import Acceptor
from exporter.web.auth import AccessControl
from exporter.web.connection import SERVER_NAME
from exporter.web.endpoints import HEALTHY_PATH, READY_PATH, RELOAD_PATH, ListenAddress, http_url
from exporter.web.limits import ConcurrencyLimit, Limits
from exporter.web.listener import listen
from exporter.web.negotiation import accepts_gzip, choose_format, header_value
from exporter.web.status_routes import StatusRoutes
from exporter.web.toolkit.file import WebConfigFile

_LARGEST_BODY = 1024  # of a request; none needs one
_SHUTDOWN_SECONDS = 0.5  # aiohttp waits twice: before it cancels a running handler, and after


class WebServer:
    """Serves `store`, `telemetry` and `status`; `ready` returns whether every target has been polled once.

    `reload` reloads the configuration; None: not over HTTP. `web_file` has users and TLS; None: neither.
    """

    def __init__(
        self,
        store: Store,
        telemetry: SelfMetrics,
        status: StatusRoutes,
        *,
        ready: Callable[[], bool],
        addresses: Sequence[ListenAddress],
        log: FilteringBoundLogger,
        metrics_path: str = "/metrics",
        reload: Callable[[], Awaitable[Loading]] | None = None,
        web_file: WebConfigFile | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._store = store
        self._telemetry = telemetry
        self._ready = ready
        self._reload = reload
        self._addresses = addresses
        self._stopping = False
        self._limits = limits or Limits()
        self._acceptor = Acceptor(self._limits, log)
        limit = ConcurrencyLimit(self._limits, unlimited=(HEALTHY_PATH, READY_PATH), log=log)
        app = web.Application(middlewares=[limit.middleware], client_max_size=_LARGEST_BODY)
        app.on_response_prepare.append(_add_server_name)
        app.add_routes(status.routes)
        app.router.add_get(HEALTHY_PATH, self._serve_healthy)
        app.router.add_get(READY_PATH, self._serve_ready)
        app.router.add_post(RELOAD_PATH, self._serve_reload)
        app.router.add_get(metrics_path, self._serve_metrics)
        self._tls: ssl.SSLContext | None = web_file.tls if web_file else None
        self._scheme = "https" if self._tls else "http"
        if web_file:
            AccessControl(web_file).protect(app)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS)

    @property
    def sockets(self) -> list[str]:
        """The addresses that it listens on, once started, with https:// if they use TLS."""
        return [f"https://{address}" if self._tls else str(address) for address in self._acceptor.addresses]

    @property
    def urls(self) -> list[str]:
        """The URLs to open in a browser, once started."""
        return [_url(address, self._scheme) for address in self._acceptor.addresses]

    async def start(self) -> None:
        """Start to listen and serve; raises ListenError."""
        await self._runner.setup()
        server = self._runner.server
        assert server is not None  # noqa: S101 # setup has made it
        limit_tls_buffers()
        reject_unservable_requests(server, {"Server": SERVER_NAME})
        for address in self._addresses:
            self._acceptor.start(server, await listen(address), self._tls)

    def stop_being_ready(self) -> None:
        """Return 503 from /-/ready from now on."""
        self._stopping = True

    async def stop(self) -> None:
        """Wait half a second for running responses, and close all connections."""
        await self._acceptor.stop()
        await self._runner.cleanup()
        self._acceptor.abort()

    async def _serve_metrics(self, request: web.Request) -> web.StreamResponse:
        form = choose_format(header_value(request, "Accept"))
        page = self._store.pages[form]
        own = self._telemetry.exposition(form)
        response = StreamedResponse(headers={"Content-Type": form.value, "Vary": "Accept, Accept-Encoding"})
        if accepts_gzip(header_value(request, "Accept-Encoding")):
            response.headers["Content-Encoding"] = "gzip"
            response.content_length, chunks = page.gzip(own)
        else:
            response.content_length, chunks = page.text(own)
        with suppress(ConnectionError):  # a scraper that has gone away is not an error
            await response.prepare(request)
            if request.method != "HEAD":
                for chunk in chunks:
                    await response.write(chunk)
        return response

    async def _serve_healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="Healthy.\n")

    async def _serve_ready(self, _: web.Request) -> web.Response:
        if self._stopping:
            return web.Response(status=503, text="Shutting down.\n")
        if not self._ready():
            return web.Response(status=503, text="Not ready: not every target has been polled once.\n")
        return web.Response(text="Ready.\n")

    async def _serve_reload(self, _: web.Request) -> web.Response:
        if self._reload is None:
            return web.Response(
                status=403, text="Reload over HTTP is disabled: start the exporter with --web.enable-lifecycle.\n"
            )
        # A client that goes away must not cancel the reload.
        loading = await asyncio.shield(asyncio.ensure_future(self._reload()))
        if loading.problems:
            lines = "\n".join(
                ("Not reloaded, the previous configuration is still in use:", *map(printable, loading.problems))
            )
            return web.Response(status=500, text=f"{lines}\n")
        targets, added, changed, removed = loading.replaced
        counts = f"Reloaded: {targets} targets, {added} added, {changed} changed, {removed} removed."
        changes = ", ".join(map(printable, loading.differences)) or "none"
        return web.Response(text=f"{counts} Differences: {changes}.\n")


async def _add_server_name(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER_NAME


def _url(address: ListenAddress, scheme: str) -> str:
    host, port = address.host or "::", address.port
    if ip_address(host).is_unspecified:
        host = "localhost"
    return http_url(host, port, scheme)
