"""HTTP requests to V-Spark. No other module knows a URL with a token in it."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import cached_property, lru_cache
from http import HTTPStatus
from time import monotonic
from typing import Final, NamedTuple, Self
from urllib.parse import quote
from weakref import WeakSet

import aiohttp
from yarl import URL

from exporter import __version__
from exporter.config.client_tls import tls_context
from exporter.config.schema import Vspark
from exporter.config.targets import Target
from exporter.config.tokens import Token, TokenSource
from exporter.errors import BodyError, ConnectError, PollError, StatusError
from exporter.runtime.aiohttp_internals import Connector, send_once
from exporter.vspark.body import ACCEPT_ENCODING, read_body
from exporter.vspark.connect_errors import connect_error, host_and_port
from exporter.vspark.environment_proxy import environment_proxy
from exporter.vspark.fair_slots import FairSlots, SlotNeeded
from exporter.vspark.mapped_bodies import MappedBodies
from exporter.vspark.resolver import Resolver
from exporter.vspark.response import Response, is_about_token, is_success, status_error

_LONGEST_PAUSES_SECONDS: Final = (0.25, 0.5, 1.0)
"""One for each retry. A pause is a random part of it, so that targets that failed together do not retry together."""
_CONNECT_SHARE: Final = 1 / 3
"""The part of a poll's time that connecting may take, so that after a lost packet there is time for a retry.

Reading the token may take as long.
"""
_ERROR_PAGE_BYTES: Final = 256 * 1024
_PATHS_KEPT: Final = 2**14
"""More than the targets that one process polls at the usual intervals."""
_KEPT_HEADERS: Final = ("Content-Type", "Location", "Retry-After")

_Fetched = tuple[bytes, Token, float]
"""The body of a response, the token of its request, and the seconds that are left of the poll's time."""


class Client:
    """Sends requests to one V-Spark, at most `concurrency` at a time. An asynchronous context manager.

    `observe(code, seconds)` is called for every attempt, with the status as text, or "none" if no status arrived, and
    the time from the request to the last byte or the failure. `bodies` maps the bodies that `fetch` returns; it is
    closed with the client. `sleep` makes the pauses between attempts.
    Raises ConfigError if a file of `vspark.tls` cannot be used.
    """

    def __init__(
        self,
        vspark: Vspark,
        *,
        concurrency: int,
        observe: Callable[[str, float], None],
        bodies: MappedBodies | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._vspark = vspark
        self._base = URL(vspark.url)
        self._base_text = str(self._base).rstrip("/")
        self._tls = tls_context(vspark.tls)
        self._connect_seconds = vspark.timeout_seconds * _CONNECT_SHARE
        self._concurrency = concurrency
        self._observe = observe
        self._bodies = bodies
        self._sleep = sleep
        self._slots = FairSlots(concurrency)
        self._hanging: WeakSet[Target] = WeakSet()

    async def __aenter__(self) -> Self:
        self._resolver = Resolver()
        self._session = aiohttp.ClientSession(
            connector=Connector(limit=self._concurrency, ssl=self._tls or True, resolver=self._resolver),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"vspark-exporter/{__version__}", "Accept-Encoding": ACCEPT_ENCODING},
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_seconds),
            auto_decompress=False,
            middlewares=(send_once,),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        if self._bodies is not None:
            await self._bodies.close()

    async def get(self, path: Sequence[str], token: TokenSource) -> bytes:
        """Return the body of the response to a request for a path of segments, such as `("list", "Co", "orgs")`.

        Retries and raises as `fetch`.
        """
        company = path[1] if len(path) > 1 else ""
        body, _, _ = await self._retried(_Request(company, tuple(path), "", token))
        return body

    @cached_property
    def _proxy(self) -> URL | None:
        return environment_proxy(self._base)

    async def fetch(
        self, target: Target, day: date | None, last_day: date | None = None, *, spare: bool = False
    ) -> bytes:
        """Return the body of the response to a request for `target`'s statistics of `day`; None: V-Spark's today.

        With `last_day`, the statistics are those of every day from `day` to it.
        Retries after transient errors until `vspark.timeout_seconds` have passed; the time for which an attempt waits
        for a slot does not count. A `spare` request waits until no other one does. If another one needs its slot, it is
        broken off, and sent again later.
        Raises TokenError, ConnectError, StatusError and BodyError; if bodies are mapped, also MappingError and
        DecodeError.
        """
        request = _Request.for_stats(target, day, last_day, slow=self._hangs(target), spare=spare)
        try:
            body, token, seconds_left = await self._retried(request)
        except PollError as error:
            if not spare:
                (self._hanging.add if error.reason == "timeout" else self._hanging.discard)(target)
            raise
        if request.slow and not spare:
            self._hanging.discard(target)
        return body if self._bodies is None else await self._bodies.mapped(target, day, body, token, seconds_left)

    async def request_once(self, target: Target, day: date | None) -> Response:
        """Return the response to one request, as `fetch` sends it, whatever its status; a token in it is masked.

        A page of an unsuccessful response that is too large or damaged is empty. Raises TokenError, ConnectError and
        BodyError.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as deadline:
                request = _Request.for_stats(target, day, None, slow=self._hangs(target))
                response, token = await self._attempt(request, deadline)
                text = response.body.decode("utf-8", "surrogateescape")
                return replace(response, body=token.mask(text).encode("utf-8", "surrogateescape"))
        raise self._timeout()

    def _hangs(self, target: Target) -> bool:
        return len(self._hanging) > 0 and target in self._hanging  # nearly always there is none, and to hash takes long

    async def _retried(self, request: "_Request") -> _Fetched:
        failure: PollError | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as deadline:
                for longest_pause in _LONGEST_PAUSES_SECONDS:
                    try:
                        return await self._send_once(request, deadline)
                    except (ConnectError, StatusError) as error:
                        pause = _pause_seconds(error, longest_pause)
                        if not _is_transient(error, resolving=self._resolver.pending) or _ends_after(deadline, pause):
                            raise
                        failure = error
                    await self._sleep(pause)
                return await self._send_once(request, deadline)
        if isinstance(failure, ConnectError) and (
            failure.reason == "timeout" or (failure.reason == "dns" and self._resolver.unresolved)
        ):
            raise failure  # no attempt got as far as to send a request, which says more
        raise self._timeout()

    async def _send_once(self, request: "_Request", deadline: asyncio.Timeout) -> _Fetched:
        response, token = await self._attempt(request, deadline)
        if not is_success(response.status):
            raise status_error(response, token, request.token.origin)
        return response.body, token, (deadline.when() or math.inf) - asyncio.get_running_loop().time()

    async def _attempt(self, request: "_Request", deadline: asyncio.Timeout) -> tuple[Response, Token]:
        """Send a request in a slot. The wait for one extends `deadline`, because it is not V-Spark's fault.

        Targets that hang hold a slot for long, so they do not get all of them.
        """
        token = await request.token.current(self._connect_seconds)  # before a slot is taken: it may hang
        now, slots = asyncio.get_running_loop().time, self._slots
        end = deadline.when()
        left = self._vspark.timeout_seconds if end is None else end - now()
        while True:
            deadline.reschedule(None)
            with suppress(SlotNeeded):
                async with slots.take_spare() if request.spare else slots.take(request.company, slow=request.slow):
                    deadline.reschedule(now() + left)
                    return await self._request(request, token), token

    async def _request(self, request: "_Request", token: Token) -> Response:
        code = "none"
        path = _quoted(request.path)
        begun = monotonic()
        try:
            async with self._session.get(
                URL(self._url(path, token.reveal_quoted(), request.query), encoded=True),
                allow_redirects=False,
                proxy=self._proxy,
                server_hostname=self._vspark.tls.server_name,
            ) as response:
                code = str(response.status)
                body = await self._body(response)
                return Response(
                    url_masked=self._url(path, "***", request.query),
                    status=response.status,
                    headers={
                        name: token.mask(response.headers[name]) for name in _KEPT_HEADERS if name in response.headers
                    },
                    body=body,
                    seconds=monotonic() - begun,
                    about_token=response.status == HTTPStatus.BAD_REQUEST and is_about_token(body, token),
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a proxy variable is not a URL
            failure = connect_error(error, self._base, self._connect_seconds, self._resolver.unresolved)
        finally:
            self._observe(code, monotonic() - begun)
        # Raised outside of the handler: no chain of exceptions may lead to those of aiohttp, which contain the URL.
        raise failure

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if is_success(response.status):
            return await read_body(response, self._vspark.max_response_bytes)
        with suppress(BodyError, aiohttp.ClientError):  # the status says more than a page that cannot be read
            return await read_body(response, _ERROR_PAGE_BYTES)
        return b""

    def _url(self, path: str, token: str, query: str) -> str:
        return f"{self._base_text}/{path}?token={token}{query}"

    def _timeout(self) -> ConnectError:
        return ConnectError(
            "timeout",
            f"no complete response from {host_and_port(self._base)} within {self._vspark.timeout_seconds:.3g} s: "
            "check the load of V-Spark, or raise vspark.timeout",
        )


class _Request(NamedTuple):
    """A request without its token: `company` is the one whose slots it uses, `path` has the segments, unquoted."""

    company: str
    path: tuple[str, ...]
    query: str
    token: TokenSource
    slow: bool = False
    spare: bool = False

    @classmethod
    def for_stats(
        cls, target: Target, day: date | None, last_day: date | None, *, slow: bool, spare: bool = False
    ) -> Self:
        """Return the request for a target's statistics of the days from `day` (None: V-Spark's today) to `last_day`."""
        names = (target.company, target.org) if target.folder is None else (target.company, target.org, target.folder)
        query = "" if day is None else _daterange(day, last_day or day)
        return cls(target.company, ("stats", *names), query, target.token, slow, spare)


@lru_cache(maxsize=_PATHS_KEPT)
def _quoted(path: tuple[str, ...]) -> str:
    return "/".join(quote(segment, safe="") for segment in path)


@lru_cache(maxsize=64)
def _daterange(first: date, last: date) -> str:
    # Both ends are given: only this form means the same in both editions of V-Spark's reference.
    return f"&daterange={first:%Y%m%d}-{last:%Y%m%d}"


def _is_transient(error: ConnectError | StatusError, *, resolving: bool) -> bool:
    match error:
        case ConnectError(reason="dns"):
            return resolving  # a retry waits for the same lookup
        case StatusError(reason="rate_limited"):
            return error.retry_after_seconds is not None
        case _:
            return error.reason in ("connect", "timeout", "disconnected", "server_error")


def _pause_seconds(error: ConnectError | StatusError, longest: float) -> float:
    pause = random.uniform(0, longest)  # noqa: S311 # not a secret
    if isinstance(error, StatusError) and error.retry_after_seconds is not None:
        return max(error.retry_after_seconds, pause)  # Retry-After may be 0, or a date in the past
    return pause


def _ends_after(deadline: asyncio.Timeout, pause_seconds: float) -> bool:
    return asyncio.get_running_loop().time() + pause_seconds >= (deadline.when() or math.inf)
