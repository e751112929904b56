"""One connection of a client: the limits of its requests, the end of every wait for it, and the error responses."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import FilteringBoundLogger

from exporter.runtime.aiohttp_internals import ServerConnection, parser_status
from exporter.web.access_log import AccessLog, client_name
from exporter.web.limits import Limits

SERVER_NAME: Final = "vspark-exporter"
"""The Server header. It has no version, because that would tell strangers what to try."""

_UNSENT_BYTES: Final = 64 * 1024  # asyncio's own default without TLS; with TLS it is eight times as much

LINGERING_SECONDS: Final = 1.0
"""For the rest of an unwanted body that a client still sends, and for what it still has to receive at the end."""


class Connection(ServerConnection):
    """One connection: aiohttp's, with an end to every wait for the client, and its own error responses."""

    def __init__(
        self,
        server: web.Server,
        limits: Limits,
        log: FilteringBoundLogger,
        *,
        served: Callable[["Connection"], None],
        closed: Callable[["Connection"], None],
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log_class=AccessLog,
            access_log=log,  # type: ignore[arg-type] # AccessLog receives it
            max_line_size=limits.line_bytes,
            max_field_size=limits.field_bytes,
            max_headers=limits.fields,
            lingering_time=LINGERING_SECONDS,
            auto_decompress=False,
        )
        self._limits = limits
        self._log = log
        self._served = served
        self._closed = closed
        self._head_bytes = 0
        self._sending = False
        self._timer: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None  # aiohttp's `transport` is None as soon as it closes
        self._peer: str | None = None
        self.handshake: asyncio.Task[None] | None = None

    @property
    def established(self) -> bool:
        """Whether it has been established, encryption included."""
        return self._wire is not None

    @property
    def waits_for_client(self) -> bool:
        """Whether the client has to act: to send the rest of a request, or to receive the rest of a response."""
        return self._wire is None or self._wire.is_closing() or self._sending or self.waits_for_head

    @property
    def expendable(self) -> bool:
        """Whether it may be closed to make room: it waits for its client, or the client does not wait for responses."""
        return self.waits_for_client or self.has_pipelined_requests

    def abort(self) -> None:
        """Close it now, whatever is still to be sent."""
        if self._wire is not None:
            self._wire.abort()
        elif self.handshake is not None:
            self.handshake.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to wait for a request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 # a stream's is one
        self._wire = transport
        peer = transport.get_extra_info("peername")  # kept, because an aborted TLS transport no longer knows it
        self._peer = client_name(peer[0]) if peer else None
        transport.set_write_buffer_limits(_UNSENT_BYTES)
        super().connection_made(transport)
        self._expire_in(self._limits.head_seconds)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Report that it is closed."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        self._closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse a piece of a request; its head must arrive in time and within its size."""
        super().data_received(data)
        if not self.waits_for_head:
            self._head_bytes = 0
        elif data:
            if self._head_bytes == 0:
                self._expire_in(self._limits.head_seconds)
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the rest of a response, and wait until the client has received it before the next request is served.

        aiohttp does not wait: it would hold the responses to pipelined requests in memory, all at once.
        """
        self._sending = True
        self._expire_in(self._limits.response_seconds)
        try:
            finished = await super().finish_response(request, resp, start_time)
            with suppress(ConnectionError):  # a client that has gone away is not an error
                await request.writer.drain()
        finally:
            self._sending = False
        return finished

    def log_access(self, request: web.BaseRequest, response: web.StreamResponse, time: float | None) -> None:
        """Log the response, and start to wait for the next request."""
        super().log_access(request, response, time)
        self._served(self)
        unsent = self._wire is not None and not self._wire.is_closing() and self._wire.get_write_buffer_size() > 0
        self._expire_in(self._limits.response_seconds if unsent else self._limits.idle_seconds)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 # aiohttp's quotes the request
    ) -> web.StreamResponse:
        """Return the response to a request that is not valid HTTP, or whose handler failed."""
        if isinstance(exc, HttpProcessingError):
            status = parser_status(exc, self._limits.line_bytes)
        self.log_exception("the request cannot be served", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another response has been sent")
        response = web.Response(status=status, text=_text(HTTPStatus(status)), headers={"Server": SERVER_NAME})
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a client's mistake at level debug, and a bug of this program as an error."""
        error = kw.get("exc_info")
        if isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError):
            # Without its message, which quotes the header: that may be a password.
            self._log.debug("bad_request", client=self._peer, error=type(error).__name__)
        else:
            self._log.error("request_failed", client=self._peer, error=str(args[0]), exc_info=error)

    def _expire_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self._head_bytes:
            self._reject(HTTPStatus.REQUEST_TIMEOUT)
        elif self.waits_for_client:
            # Without a response: the client would take it for the one to its next request.
            self.abort()
        else:  # a response is being made; unless it closes the connection, the timer starts anew at its end
            self._expire_in(LINGERING_SECONDS)

    def _reject(self, status: HTTPStatus) -> None:
        """Respond to a part of a head, and close."""
        wire = self._wire
        if wire is None or wire.is_closing() or wire.get_write_buffer_size():
            self.abort()
            return
        self._log.debug("bad_request", client=self._peer, error=status.phrase)
        body = _text(status)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
            f"Server: {SERVER_NAME}\r\nConnection: close\r\n\r\n"
        )
        wire.write(f"{head}{body}".encode())
        self._head_bytes = 0
        self.force_close()
        self._expire_in(LINGERING_SECONDS)


def _text(status: HTTPStatus) -> str:
    return f"{status.value}: {status.phrase}"
