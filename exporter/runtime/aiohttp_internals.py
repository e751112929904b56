"""All that the exporter uses of the inside of aiohttp and asyncio, which no release promises to keep.

Besides what has a leading underscore here, it relies on the methods of `web.RequestHandler` that `web.connection`
overrides. pyproject.toml allows only the minor version of aiohttp that the tests cover; the test of this module names
whatever a newer one no longer has. Nothing here has an effect before it is called.
"""

from asyncio.sslproto import SSLProtocol
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from yarl import URL


class Connector(aiohttp.TCPConnector):
    """Closes a kept connection on which unrequested data arrived: it would become the response to the next request."""

    async def _get(self, key: ConnectionKey, traces: list[aiohttp.tracing.Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is None or not connection.protocol.should_close:
                break
            connection.close()
        return connection


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request without aiohttp's own retry after a lost connection, as a client middleware.

    aiohttp retries after the two exceptions below, so they are replaced by their base class.
    """
    try:
        return await handler(request)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise aiohttp.ClientConnectionError from error


class ServerConnection(web.RequestHandler):
    """aiohttp's side of one connection of a client, with names for the state that it keeps private."""

    @property
    def waits_for_head(self) -> bool:
        """Whether no request is being served, and the head of the next one is not complete."""
        if self._waiter is None:  # serving, or so new that it has not begun to wait: data may come with a handshake
            return self._request_count == 0
        return not self._waiter.done()

    @property
    def has_pipelined_requests(self) -> bool:
        """Whether more requests have come while one is being served."""
        return len(self._messages) > 0


class StreamedResponse(web.StreamResponse):
    """A response whose head is sent together with the first part of its body, in one system call."""

    _send_headers_immediately = False


def parser_status(error: HttpProcessingError, line_bytes: int) -> HTTPStatus:
    """Return the status for a request that the parser rejects; `line_bytes` is the limit of its request line."""
    if isinstance(error, LineTooLong):
        too_long_line = line_bytes in error.args
        return HTTPStatus.REQUEST_URI_TOO_LONG if too_long_line else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if error.message.startswith("Too many headers"):
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return HTTPStatus.BAD_REQUEST


def reject_unservable_requests(server: web.Server, headers: Mapping[str, str]) -> None:
    """Make `server` reject, from its next connection on, requests that aiohttp accepts and then fails on.

    Fuzzing found them. `headers` are those of the responses.
    """
    make, handle = server.request_factory, server.request_handler

    def make_request(message: Any, *rest: Any) -> web.BaseRequest:
        # A CONNECT without a host has no URL, and its client would wait for ever.
        return make(message._replace(url=URL("/")) if message.url is None else message, *rest)

    async def handle_request(request: web.BaseRequest) -> web.StreamResponse:
        # aiohttp's own response to an unknown expectation quotes it, and fails if it is not text.
        if request.headers.get("Expect", "100-continue").lower() != "100-continue":
            raise web.HTTPExpectationFailed(headers=headers)
        return await handle(request)

    server.request_factory, server.request_handler = make_request, handle_request


def limit_tls_buffers() -> None:
    """Make asyncio allocate one TLS record (RFC 8446, section 5.1) for each encrypted connection of this process.

    By default it allocates 256 KiB before any data arrives, so strangers could fill the memory with connections.
    """
    SSLProtocol.max_size = 16 * 1024
