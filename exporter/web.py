"""The HTTP server: the metrics page, health, and the status."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress

from aiohttp import web

from exporter.endpoints import HEALTHY_PATH, READY_PATH, RELOAD_PATH, ListenAddress, http_url
from exporter.errors import ListenError
from exporter.gate import Gate
from exporter.incoming import guard
from exporter.negotiation import accepts_gzip, choose_format
from exporter.reload import Loading
from exporter.render import compress
from exporter.serverlog import ServerLog
from exporter.statusweb import StatusWeb
from exporter.store import Store
from exporter.telemetry import Telemetry
from exporter.webfile import WebFile

_SHUTDOWN_SECONDS = 0.5  # aiohttp waits so long twice: before it cancels an answer under way, and after


class Web:
    """Serves `store`, `telemetry` and `status`; `ready` tells whether every target has been tried once.

    `reload` loads the configuration again; None: nobody may ask for that by HTTP. `web_file` says who may ask for
    anything, and how; None: everybody, without TLS.
    """

    def __init__(
        self,
        store: Store,
        telemetry: Telemetry,
        status: StatusWeb,
        *,
        ready: Callable[[], bool],
        addresses: Sequence[ListenAddress],
        metrics_path: str = "/metrics",
        reload: Callable[[], Awaitable[Loading]] | None = None,
        web_file: WebFile | None = None,
    ) -> None:
        self._store = store
        self._telemetry = telemetry
        self._ready = ready
        self._reload = reload
        self._addresses = addresses
        self._stopping = False
        app = web.Application()
        app.add_routes(status.routes)
        app.router.add_get(HEALTHY_PATH, self._serve_healthy)
        app.router.add_get(READY_PATH, self._serve_ready)
        app.router.add_post(RELOAD_PATH, self._serve_reload)
        app.router.add_get(metrics_path, self._serve_metrics)
        self._tls = web_file.tls if web_file else None
        self._scheme = "https" if self._tls else "http"
        if web_file:
            Gate(web_file).stand_before(app)
        self._runner = web.AppRunner(
            app,
            logger=ServerLog(logging.getLogger("aiohttp.server")),
            auto_decompress=False,  # of bodies that nobody reads
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )

    @property
    def sockets(self) -> list[str]:
        """The addresses on which it listens, once started; those that speak TLS begin with https://."""
        urls = [http_url(host, port, self._scheme) for host, port, *_ in self._runner.addresses]
        return [url.removeprefix("http://") for url in urls]

    @property
    def urls(self) -> list[str]:
        """What a person opens, once started."""
        return [_url(address, self._scheme) for address in self._runner.addresses]

    async def start(self) -> None:
        """Listen; raises ListenError where an address cannot be had."""
        await self._runner.setup()
        if server := self._runner.server:
            guard(server)
        for host, port in self._addresses:
            try:
                await web.TCPSite(self._runner, host, port, ssl_context=self._tls, reuse_address=True).start()
            except (OSError, UnicodeError) as error:  # the latter where a host is none
                reason = getattr(error, "strerror", None) or error
                raise ListenError(f"{host or ''}:{port}: {reason}") from None

    def stop_being_ready(self) -> None:
        """Answer from now on that no more scrapes are wanted here."""
        self._stopping = True

    async def stop(self) -> None:
        """Let answers under way end, for half a second, and close all connections."""
        await self._runner.cleanup()

    async def _serve_metrics(self, request: web.Request) -> web.StreamResponse:
        form = choose_format(_header(request, "Accept"))
        page = self._store.pages[form]
        own = self._telemetry.exposition(form)
        chunks: Iterator[bytes]
        response = web.StreamResponse(headers={"Content-Type": form.value, "Vary": "Accept, Accept-Encoding"})
        if accepts_gzip(_header(request, "Accept-Encoding")):
            own = compress(own)
            response.headers["Content-Encoding"] = "gzip"
            size, chunks = page.gzip_size, page.gzip_chunks()
        else:
            size, chunks = page.text_size, page.text_chunks()
        response.content_length = size + len(own)
        with suppress(ConnectionError):  # a scraper that has gone away is no error of ours
            await response.prepare(request)
            if request.method != "HEAD":
                for chunk in chunks:
                    await response.write(chunk)
                await response.write(own)
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
            lines = "\n".join(("Not reloaded, what was loaded before still runs:", *loading.problems))
            return web.Response(status=500, text=f"{lines}\n")
        targets, added, changed, removed = loading.replaced
        return web.Response(text=f"Reloaded: {targets} targets, {added} added, {changed} changed, {removed} removed.\n")


def _header(request: web.Request, name: str) -> str | None:
    """Give a header, which may come in several lines (RFC 9110, section 5.3)."""
    return ",".join(request.headers.getall(name)) if name in request.headers else None


def _url(address: tuple[str, int] | tuple[str, int, int, int], scheme: str) -> str:
    host, port = address[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 # what a person opens, not what is listened on
        host = "localhost"
    return http_url(host, port, scheme)
