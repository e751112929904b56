"""One connection of a client: what it may send, how long it is waited for, and what errors answer."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from structlog.typing import FilteringBoundLogger

from exporter.web.access_log import AccessLog, client_name
from exporter.web.limits import Limits

SERVER_NAME: Final = "vspark-exporter"
"""What answers call themselves: without a version, which says to strangers what to try."""

_UNSENT_BYTES: Final = 64 * 1024  # asyncio's own for what is not encrypted; the other would be eight times as much

LINGERING_SECONDS: Final = 1.0
"""For what a client still sends of a body that nobody wants, and for what it still has to take at the end."""


class Connection(web.RequestHandler):
    """One connection: aiohttp's, with an end to every wait for the client, and errors that are lines of ours."""

    __slots__ = (
        "_forget",
        "_head_bytes",
        "_limits",
        "_log",
        "_move_back",
        "_peer",
        "_sending",
        "_timer",
        "_wire",
        "handshake",
    )

    def __init__(
        self,
        server: web.Server,
        limits: Limits,
        log: FilteringBoundLogger,
        *,
        move_back: Callable[["Connection"], None],
        forget: Callable[["Connection"], None],
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log_class=AccessLog,
            access_log=log,  # type: ignore[arg-type] # it is handed on to AccessLog
            max_line_size=limits.line_bytes,
            max_field_size=limits.field_bytes,
            max_headers=limits.fields,
            lingering_time=LINGERING_SECONDS,
            auto_decompress=False,
        )
        self._limits = limits
        self._log = log
        self._move_back = move_back
        self._forget = forget
        self._head_bytes = 0
        self._sending = False
        self._timer: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None
        self._peer: str | None = None
        self.handshake: asyncio.Task[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn: to send a whole request, or to take the rest of an answer."""
        return self._wire is None or self._wire.is_closing() or self._sending or self._waits_for_head

    @property
    def yields(self) -> bool:
        """Whether it is closed where there is no room: it waits, or its client does not wait for its answers."""
        return self.waits or len(self._messages) > 0

    @property
    def _waits_for_head(self) -> bool:
        if self._waiter is None:  # busy, or so new that aiohttp has not begun to wait: data may come with a handshake
            return self._request_count == 0
        return not self._waiter.done()

    @property
    def made(self) -> bool:
        """Whether it has been established, encryption included."""
        return self._wire is not None

    def abort(self) -> None:
        """Close it now, whatever is still to be sent."""
        if self._wire is not None:
            self._wire.abort()
        elif self.handshake is not None:
            self.handshake.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 # a stream's is one
        self._wire = transport
        peer = transport.get_extra_info("peername")  # an encrypted one that has been closed twice tells nothing more
        self._peer = client_name(peer[0]) if peer else None
        transport.set_write_buffer_limits(_UNSENT_BYTES)
        super().connection_made(transport)
        self._expire_in(self._limits.head_seconds)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        self._forget(self)

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request; its head has to be whole in time and within its size."""
        super().data_received(data)
        if not self._waits_for_head:
            self._head_bytes = 0
        elif data:
            if self._head_bytes == 0:
                self._expire_in(self._limits.head_seconds)
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send what is left of an answer; the next request is not looked at before the client takes this one.

        aiohttp would put the answers to requests that are sent in one go into memory, one after the other.
        """
        self._sending = True
        self._expire_in(self._limits.answer_seconds)
        try:
            finished = await super().finish_response(request, resp, start_time)
            with suppress(ConnectionError):  # who has gone away is no error of ours
                await request.writer.drain()
        finally:
            self._sending = False
        return finished

    def log_access(self, request: web.BaseRequest, response: web.StreamResponse, time: float | None) -> None:
        """Begin to wait for the next request: this one has been answered."""
        super().log_access(request, response, time)
        self._move_back(self)
        unsent = self._wire is not None and not self._wire.is_closing() and self._wire.get_write_buffer_size() > 0
        self._expire_in(self._limits.answer_seconds if unsent else self._limits.idle_seconds)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 # aiohttp's quotes what was sent
    ) -> web.StreamResponse:
        """Answer a request that is none, or that met a bug."""
        if isinstance(exc, HttpProcessingError):
            status = self._status_of(exc)
        self.log_exception("cannot answer", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer has been sent")
        response = web.Response(status=status, text=_text(HTTPStatus(status)), headers={"Server": SERVER_NAME})
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Tell what a client did wrong as a debug line, and what we did as an error."""
        error = kw.get("exc_info")
        if isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError):
            # Its message quotes the header, which may be a password.
            self._log.debug("bad_request", client=self._peer, error=type(error).__name__)
        else:
            self._log.error("request_failed", client=self._peer, error=str(args[0]), exc_info=error)

    def _status_of(self, error: HttpProcessingError) -> int:
        if isinstance(error, LineTooLong):
            too_long_line = self._limits.line_bytes in error.args
            return HTTPStatus.REQUEST_URI_TOO_LONG if too_long_line else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if error.message.startswith("Too many headers"):
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        return HTTPStatus.BAD_REQUEST

    def _expire_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self.waits:
            # An answer to what was not asked would be taken for the next one's.
            self.abort()
        else:  # amid an answer, at whose end the time begins anew, unless that is the connection's end too
            self._expire_in(LINGERING_SECONDS)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer to a part of a head, and close."""
        wire = self._wire
        if wire is None or wire.is_closing() or wire.get_write_buffer_size():
            self.abort()
            return
        self._log.debug("bad_request", client=self._peer, error=status.phrase)
        body = _text(status)
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            f"Server: {SERVER_NAME}",
            "Connection: close",
        ]
        wire.write("\r\n".join([*lines, "", body]).encode())
        self._head_bytes = 0
        self.force_close()
        self._expire_in(LINGERING_SECONDS)


def _text(status: HTTPStatus) -> str:
    return f"{status.value}: {status.phrase}"
