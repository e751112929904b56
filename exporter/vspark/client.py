"""HTTP to V-Spark: the only module that knows a URL with a token in it."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import date
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import quote
from weakref import WeakSet

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_random_exponential,
)
from yarl import URL

from exporter import __version__
from exporter.config.client_tls import tls_context
from exporter.config.schema import Vspark
from exporter.config.targets import Target
from exporter.config.tokens import Token
from exporter.errors import BodyError, ConnectError, PollError, StatusError
from exporter.vspark.body import ACCEPT_ENCODING, read_body
from exporter.vspark.connect_errors import connect_error, place_of
from exporter.vspark.fair_slots import FairSlots
from exporter.vspark.response import Answer, is_success, status_error

_TRIES = 4
_CONNECT_SHARE = 1 / 3  # of the poll's time, so that one lost packet leaves time to try again
_BACKOFF = wait_random_exponential(multiplier=0.25, max=2.0)
_ERROR_PAGE_BYTES = 256 * 1024
_KEPT_HEADERS = ("Content-Type", "Location", "Retry-After")


class Client:
    """Asks one V-Spark, at most `concurrency` requests at a time; to be used as an asynchronous context manager.

    `observe(code, seconds)` is called for every try, with the status as text or "none" where none came, and the time
    from asking to the last byte or the failure. `sleep` makes the pauses between tries.
    Raises ConfigError where a file of `vspark.tls` cannot be used.
    """

    def __init__(
        self,
        vspark: Vspark,
        *,
        concurrency: int,
        observe: Callable[[str, float], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._vspark = vspark
        self._base = URL(vspark.url)
        self._tls = tls_context(vspark.tls)
        self._connect_seconds = vspark.timeout_seconds * _CONNECT_SHARE
        self._concurrency = concurrency
        self._observe = observe
        self._sleep = sleep
        self._turns = FairSlots(concurrency)
        self._hanging: WeakSet[Target] = WeakSet()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=self._concurrency, ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"vspark-exporter/{__version__}", "Accept-Encoding": ACCEPT_ENCODING},
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_seconds),
            auto_decompress=False,
            trust_env=True,
            middlewares=(_once,),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fetch(self, target: Target, day: date | None) -> bytes:
        """Ask for `target`'s statistics of `day`, today by V-Spark's clock where None, and give the body of the answer.

        Tries again after transient errors while `vspark.timeout_seconds` last, without the time for which a try waits
        for its place among the requests at a time. Raises TokenError, ConnectError, StatusError and BodyError.
        """
        try:
            body = await self._fetch(target, day)
        except PollError as error:
            (self._hanging.add if error.reason == "timeout" else self._hanging.discard)(target)
            raise
        self._hanging.discard(target)
        return body

    async def _fetch(self, target: Target, day: date | None) -> bytes:
        failures: list[BaseException | None] = [None]
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as clock:
                retrying = AsyncRetrying(
                    retry=retry_if_exception(_is_transient),
                    wait=_pause_seconds,
                    stop=partial(_is_the_last, clock),
                    sleep=self._sleep,
                    before_sleep=lambda state: failures.append(_failure(state)),
                    reraise=True,
                )
                return await retrying(self._fetch_once, target, day, clock)
        match failures[-1]:
            case ConnectError(reason="timeout") as error:  # no try got as far as to ask, which says more
                raise error
        raise self._timeout()

    async def ask(self, target: Target, day: date | None) -> Answer:
        """Ask once, as `fetch` does, and give the answer whatever its status is, without the token where it quotes it.

        A page with another status than 2xx that is too large or damaged is given as empty. Raises TokenError,
        ConnectError and BodyError.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as clock, self._place(target, clock):
                token = target.token.read()
                answer = await self._try(target, day, token)
                text = answer.body.decode("utf-8", "surrogateescape")
                return replace(answer, body=token.mask(text).encode("utf-8", "surrogateescape"))
        raise self._timeout()

    async def _fetch_once(self, target: Target, day: date | None, clock: asyncio.Timeout) -> bytes:
        async with self._place(target, clock):
            token = target.token.read()
            answer = await self._try(target, day, token)
        if not answer.is_success:
            raise status_error(answer, token, target.token.origin)
        return answer.body

    @asynccontextmanager
    async def _place(self, target: Target, clock: asyncio.Timeout) -> AsyncIterator[None]:
        """Take one of the places; `clock` stands still while that is waited for, as it is not V-Spark's fault.

        Targets that hang hold a place for long, so they do not get all of them.
        """
        now = asyncio.get_running_loop().time
        end = clock.when()
        left = self._vspark.timeout_seconds if end is None else end - now()
        clock.reschedule(None)
        async with self._turns.take(target.company, slow=target in self._hanging):
            clock.reschedule(now() + left)
            yield

    async def _try(self, target: Target, day: date | None, token: Token) -> Answer:
        code = "none"
        begun = monotonic()
        try:
            async with self._session.get(
                self._url(target, day, token), allow_redirects=False, server_hostname=self._vspark.tls.server_name
            ) as response:
                code = str(response.status)
                return Answer(
                    url_masked=self._url_masked(target, day),
                    status=response.status,
                    headers={
                        name: token.mask(response.headers[name]) for name in _KEPT_HEADERS if name in response.headers
                    },
                    body=await self._body(response),
                    seconds=monotonic() - begun,
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a proxy variable that is no URL
            failure = connect_error(error, self._base, self._connect_seconds)
        finally:
            self._observe(code, monotonic() - begun)
        # Not in the handler: no chain of exceptions may lead to aiohttp's, which know the URL.
        raise failure

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if is_success(response.status):
            return await read_body(response, self._vspark.max_response_bytes)
        with suppress(BodyError, aiohttp.ClientError):  # the status says more than a page that cannot be read
            return await read_body(response, _ERROR_PAGE_BYTES)
        return b""

    def _url(self, target: Target, day: date | None, token: Token) -> URL:
        return URL(self._address(target, day, quote(token.reveal(), safe="")), encoded=True)

    def _url_masked(self, target: Target, day: date | None) -> str:
        return self._address(target, day, "***")

    def _address(self, target: Target, day: date | None, token: str) -> str:
        names = (target.company, target.org) if target.folder is None else (target.company, target.org, target.folder)
        path = "/".join(quote(name, safe="") for name in names)
        # Both ends are given: it is the one form that means the same in both editions of V-Spark's reference.
        daterange = "" if day is None else f"&daterange={day:%Y%m%d}-{day:%Y%m%d}"
        return f"{str(self._base).rstrip('/')}/stats/{path}?token={token}{daterange}"

    def _timeout(self) -> ConnectError:
        return ConnectError(
            "timeout",
            f"no whole answer from {place_of(self._base)} within {self._vspark.timeout_seconds:.3g} s: "
            "look at V-Spark's load, or raise vspark.timeout",
        )


class _Connector(aiohttp.TCPConnector):
    """Uses no connection again on which something came that nobody had asked for: it would be the next one's answer."""

    async def _get(self, key: ConnectionKey, traces: list[aiohttp.tracing.Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is None or not connection.protocol.should_close:
                break
            connection.close()
        return connection


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from asking again by itself where a connection is lost: the tries are made and counted here."""
    try:
        return await handler(request)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise aiohttp.ClientConnectionError from error


def _is_transient(error: BaseException) -> bool:
    match error:
        case ConnectError():
            return error.reason in ("connect", "timeout", "disconnected")
        case StatusError():
            return error.reason == "server_error" or (
                error.reason == "rate_limited" and error.retry_after_seconds is not None
            )
        case _:
            return False


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _pause_seconds(state: RetryCallState) -> float:
    error = _failure(state)
    if isinstance(error, StatusError) and error.retry_after_seconds is not None:
        return max(error.retry_after_seconds, _BACKOFF(state))  # it may be 0, or a date that has passed
    return _BACKOFF(state)


def _is_the_last(clock: asyncio.Timeout, state: RetryCallState) -> bool:
    next_try = asyncio.get_running_loop().time() + state.upcoming_sleep
    return state.attempt_number >= _TRIES or next_try >= (clock.when() or math.inf)
