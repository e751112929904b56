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
from exporter.runtime.terminal import printable
from exporter.web.auth import Gate
from exporter.web.connection import SERVER_NAME
from exporter.web.connections import Connections
from exporter.web.endpoints import HEALTHY_PATH, READY_PATH, RELOAD_PATH, ListenAddress, http_url
from exporter.web.incoming import guard
from exporter.web.limits import Limits, Places
from exporter.web.listener import listen
from exporter.web.negotiation import accepts_gzip, choose_format
from exporter.web.status_routes import StatusRoutes
from exporter.web.toolkit.file import WebConfigFile

_LARGEST_BODY = 1024  # of a request: none needs one
_SHUTDOWN_SECONDS = 0.5  # aiohttp waits so long twice: before it cancels an answer under way, and after


class WebServer:
    """Serves `store`, `telemetry` and `status`; `ready` tells whether every target has been tried once.

    `reload` loads the configuration again; None: nobody may ask for that by HTTP. `web_file` says who may ask for
    anything, and how; None: everybody, without TLS.
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
        self._log = log
        self._connections: Connections | None = None
        places = Places(self._limits, free=(HEALTHY_PATH, READY_PATH), log=self._log)
        app = web.Application(middlewares=[places.middleware], client_max_size=_LARGEST_BODY)
        app.on_response_prepare.append(_name_server)
        app.add_routes(status.routes)
        app.router.add_get(HEALTHY_PATH, self._serve_healthy)
        app.router.add_get(READY_PATH, self._serve_ready)
        app.router.add_post(RELOAD_PATH, self._serve_reload)
        app.router.add_get(metrics_path, self._serve_metrics)
        self._tls: ssl.SSLContext | None = web_file.tls if web_file else None
        self._scheme = "https" if self._tls else "http"
        if web_file:
            Gate(web_file).stand_before(app)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS)

    @property
    def sockets(self) -> list[str]:
        """The addresses on which it listens, once started; those that speak TLS begin with https://."""
        return [f"https://{address}" if self._tls else str(address) for address in self._listening]

    @property
    def urls(self) -> list[str]:
        """What a person opens, once started."""
        return [_url(address, self._scheme) for address in self._listening]

    @property
    def _listening(self) -> list[ListenAddress]:
        return self._connections.addresses if self._connections is not None else []

    async def start(self) -> None:
        """Listen; raises ListenError where an address cannot be had."""
        await self._runner.setup()
        server = self._runner.server
        assert server is not None  # noqa: S101 # setup has made it
        guard(server)
        self._connections = Connections(server, self._limits, self._log)
        for address in self._addresses:
            self._connections.accept_from(await listen(address), self._tls)

    def stop_being_ready(self) -> None:
        """Answer from now on that no more scrapes are wanted here."""
        self._stopping = True

    async def stop(self) -> None:
        """Let answers under way end, for half a second, and close all connections."""
        if self._connections is not None:
            await self._connections.stop_accepting()
        await self._runner.cleanup()
        if self._connections is not None:
            self._connections.abort()

    async def _serve_metrics(self, request: web.Request) -> web.StreamResponse:
        form = choose_format(_header(request, "Accept"))
        page = self._store.pages[form]
        own = self._telemetry.exposition(form)
        response = web.StreamResponse(headers={"Content-Type": form.value, "Vary": "Accept, Accept-Encoding"})
        if accepts_gzip(_header(request, "Accept-Encoding")):
            response.headers["Content-Encoding"] = "gzip"
            response.content_length, chunks = page.gzip(own)
        else:
            response.content_length, chunks = page.text(own)
        with suppress(ConnectionError):  # a scraper that has gone away is no error of ours
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
            return web.Response(status=403, text="Reloading by HTTP is off: start with --web.enable-lifecycle.\n")
        # A client that goes away is no reason to stop in the middle.
        loading = await asyncio.shield(asyncio.ensure_future(self._reload()))
        if loading.problems:
            lines = "\n".join(("Not reloaded, what was loaded before still runs:", *map(printable, loading.problems)))
            return web.Response(status=500, text=f"{lines}\n")
        targets, added, changed, removed = loading.replaced
        counts = f"Reloaded: {targets} targets, {added} added, {changed} changed, {removed} removed."
        differs = ", ".join(map(printable, loading.differences)) or "nothing"
        return web.Response(text=f"{counts} What differs: {differs}.\n")


def _header(request: web.Request, name: str) -> str | None:
    """Give a header, which may come in several lines (RFC 9110, section 5.3)."""
    return ",".join(request.headers.getall(name)) if name in request.headers else None


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER_NAME


def _url(address: ListenAddress, scheme: str) -> str:
    host, port = address.host or "::", address.port
    if ip_address(host).is_unspecified:
        host = "localhost"
    return http_url(host, port, scheme)
