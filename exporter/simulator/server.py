"""The HTTP server of the simulated V-Spark: routes, tokens, gzip, and faults that are set while it runs."""

import re
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web
from isal import igzip
from yarl import URL

from exporter.simulator import daterange, faults, shapes
from exporter.simulator.faults import Fault
from exporter.simulator.responses import Access, Rejection, access, config_of, stats
from exporter.simulator.shapes import Shape
from exporter.simulator.site import Site

_REMEMBERED_REQUESTS = 10_000
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)

_Respond = Callable[[Access, web.Request], Any]
_FaultyTarget = tuple[str, str, str | None, date | None]
"""Company, org, folder and day of the requests that get a fault; None: those for a whole org, or for any day."""


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """A request: the path as sent (percent-encoded), the query decoded and with its token, the headers."""

    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Simulator:
    """A simulated V-Spark that listens from `start()` to `stop()`, or as an async context manager.

    `site` is its data, `clock` returns the current time (aware) and `shape` is the shape of the `/stats` responses; all
    three may be set while it runs. `port` 0 means any free port; `start()` sets `port` to the one it found, and later
    starts keep it. `requests` holds the latest requests, oldest first, with their tokens. With `ssl_context` it speaks
    TLS only.
    """

    def __init__(
        self,
        site: Site,
        *,
        clock: Callable[[], datetime] = utc_now,
        shape: Shape = Shape.LIST,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.site = site
        self.clock = clock
        self.shape = shape
        self.host = host
        self.port = port
        self.requests: deque[Request] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._ssl_context = ssl_context
        self._faults: dict[_FaultyTarget, tuple[Fault, int | None]] = {}
        self._path_faults: dict[str, Fault] = {}
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base URL, such as `http://127.0.0.1:3000`; raise RuntimeError if `port` is still 0, before `start()`."""
        if not self.port:
            raise RuntimeError("the simulator has no port before it is started")
        return str(URL.build(scheme="https" if self._ssl_context else "http", host=self.host, port=self.port).origin())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; raise OSError if the address is not available."""
        self._runner = web.AppRunner(self._app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port, ssl_context=self._ssl_context).start()
        except OSError:
            await self.stop()
            raise
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and all connections, including those of hanging requests."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def fail(
        self,
        company: str,
        org: str,
        folder: str | None = None,
        *,
        fault: Fault,
        times: int | None = None,
        day: date | None = None,
    ) -> None:
        """Respond to `/stats` of exactly this target with the fault, `times` times or until it is healed.

        Without `folder`, the target is the whole org. With `day`, requests for other days are not affected. The fault
        replaces an earlier one.
        """
        self._faults[company, org, folder, day] = (fault, times)

    def override(
        self, company: str, org: str, folder: str | None = None, *, body: bytes, content_type: str = "text/html"
    ) -> None:
        """Respond to `/stats` of exactly this target with this body and status 200 until it is healed."""
        self.fail(company, org, folder, fault=Fault.answer(body, content_type=content_type))

    def heal(self, company: str, org: str, folder: str | None = None) -> None:
        """Respond to this target as usual again."""
        for failing in [each for each in self._faults if each[:3] == (company, org, folder)]:
            del self._faults[failing]

    def fail_path(self, path: str, *, fault: Fault) -> None:
        """Respond to a path of `/list` or `/config`, such as `/list/Co/orgs`, with the fault until all is healed."""
        self._path_faults[path] = fault

    def heal_all(self) -> None:
        """Respond to all targets and paths as usual again."""
        self._faults.clear()
        self._path_faults.clear()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._record])
        app.add_routes(
            [
                web.get("/stats/{company}/{org}", self._stats),
                web.get("/stats/{company}/{org}/{folder}", self._stats),
                web.get("/list", self._with_token(_companies)),
                web.get("/list/folders", self._with_token(_all_folders)),
                web.get("/list/{company}", self._with_token(_orgs)),
                web.get("/list/{company}/orgs", self._with_token(_orgs)),
                web.get("/list/{company}/{org}", self._with_token(_folders)),
                web.get("/list/{company}/{org}/folders", self._with_token(_folders)),
                web.get("/config/orgs", self._with_token(_all_configs)),
                web.get("/config/{company}/orgs", self._with_token(_config)),
                web.get("/login", faults.login),
            ]
        )
        return app

    @web.middleware
    async def _record(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append(Request(request.raw_path.partition("?")[0], dict(request.query), request.headers))
        try:
            return await handler(request)
        except Rejection as rejection:
            return web.Response(status=rejection.status, text=rejection.text, content_type="text/html")

    async def _stats(self, request: web.Request) -> web.StreamResponse:
        company, org, folder = (
            request.match_info["company"],
            request.match_info["org"],
            request.match_info.get("folder"),
        )
        dates = daterange.parse(request.query.get("daterange", ""), date.min)
        fault = self._next_fault((company, org, folder, dates.start.date() if dates else None))
        response = await faults.respond(fault, request) if fault else None
        if response is not None:
            return response
        allowed = access(self.site, request.query.get("token"))
        found = allowed.org(company, org)
        folders = found.folders if folder is None else (allowed.folder(company, org, folder),)
        days = stats(self.site, found, folders, self.clock(), request.query.get("daterange"))
        return _json(request, shapes.body(self.shape, days, folder))

    def _next_fault(self, target: _FaultyTarget) -> Fault | None:
        if target not in self._faults:
            target = (*target[:3], None)
        if target not in self._faults:
            return None
        fault, times = self._faults[target]
        if times == 1:
            del self._faults[target]
        elif times is not None:
            self._faults[target] = (fault, times - 1)
        return fault

    def _with_token(self, respond: _Respond) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            fault = self._path_faults.get(request.path)
            response = await faults.respond(fault, request) if fault else None
            return response or _json(request, respond(access(self.site, request.query.get("token")), request))

        return handle


def _companies(allowed: Access, _request: web.Request) -> Any:
    return [company.name for company in allowed.companies]


def _orgs(allowed: Access, request: web.Request) -> Any:
    return [org.name for org in allowed.company(request.match_info["company"]).orgs]


def _folders(allowed: Access, request: web.Request) -> Any:
    return [folder.name for folder in allowed.org(request.match_info["company"], request.match_info["org"]).folders]


def _all_folders(allowed: Access, _request: web.Request) -> Any:
    return {
        company.name: {org.name: [folder.name for folder in org.folders] for org in company.orgs}
        for company in allowed.companies
    }


def _config(allowed: Access, request: web.Request) -> Any:
    return config_of(allowed.company(request.match_info["company"]))


def _all_configs(allowed: Access, _request: web.Request) -> Any:
    return {company.name: config_of(company) for company in allowed.companies}


def _json(request: web.Request, value: Any) -> web.Response:
    """Respond with JSON, as text/html like V-Spark, compressed if the client accepts gzip."""
    body = msgspec.json.encode(value)
    response = web.Response(body=body, content_type="text/html")
    response.headers["Vary"] = "Accept-Encoding"
    if _GZIP.search(request.headers.get("Accept-Encoding", "")):
        response.body = igzip.compress(body, 1, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
    return response
