"""Requests that aiohttp's server takes in and then fails on, found by fuzzing: they are answered as bad ones."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web
from yarl import URL

from exporter.web.connection import SERVER_NAME


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
    """Refuse what nobody can expect here, as aiohttp's refusal would quote it, which fails where it is no text."""
    if request.headers.get("Expect", "100-continue").lower() != "100-continue":
        raise web.HTTPExpectationFailed(headers={"Server": SERVER_NAME})
    return await answer(request)
