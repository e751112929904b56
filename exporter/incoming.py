"""Requests that aiohttp's server takes in and then fails on, found by fuzzing: they are answered as bad ones."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web
from yarl import URL


def guard(server: web.Server) -> None:
    """Let `server` answer, from its next connection on, what would end in a failure or never."""
    server.request_factory = partial(_make, server.request_factory)
    server.request_handler = partial(_answer, server.request_handler)


def _make(make: Callable[..., web.BaseRequest], message: Any, *rest: Any) -> web.BaseRequest:
    """Make a request of a CONNECT without a host, too, which has no URL and would be waited for without end."""
    return make(message._replace(url=URL("/")) if message.url is None else message, *rest)


async def _answer(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], request: web.BaseRequest
) -> web.StreamResponse:
    """Refuse an Expect that is no text, as the refusal would quote it."""
    if not request.headers.get("Expect", "").isascii():
        raise web.HTTPExpectationFailed
    return await answer(request)
