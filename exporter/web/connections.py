"""The connections of clients: accepted, counted, and closed where they are too many."""

import asyncio
import errno
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Sequence
from typing import Final

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from exporter.web.connection import LINGERING_SECONDS, Connection
from exporter.web.endpoints import ListenAddress
from exporter.web.limits import Limits

_NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS: Final = 0.1
_SILENT_SECONDS: Final = 60.0

# asyncio takes a quarter of a MiB for each encrypted connection, before anything has come: so much that connections of
# strangers would fill the memory. This is a record's size (RFC 8446, section 5.1).
SSLProtocol.max_size = 16 * 1024


class Connections:
    """The open connections of `server`; what has waited longest makes room where there are too many."""

    def __init__(self, server: web.Server, limits: Limits, log: FilteringBoundLogger) -> None:
        self._server = server
        self._limits = limits
        self._most = limits.connections
        self._log = log
        self._silent_until = 0.0
        self._open: dict[Connection, None] = {}
        self._accepting: list[tuple[socket.socket, asyncio.Task[None]]] = []

    def __len__(self) -> int:
        return len(self._open)

    @property
    def addresses(self) -> list[ListenAddress]:
        """Where the sockets that are accepted from listen."""
        return [ListenAddress(*listener.getsockname()[:2]) for listener, _ in self._accepting]

    def accept_from(self, listeners: Sequence[socket.socket], tls: ssl.SSLContext | None) -> None:
        """Accept connections of sockets, encrypted where there is a context."""
        for listener in listeners:
            self._accepting.append((listener, asyncio.create_task(self._accept(listener, tls))))

    async def stop_accepting(self) -> None:
        """Close the sockets."""
        for _, task in self._accepting:
            task.cancel()
        await asyncio.gather(*(task for _, task in self._accepting), return_exceptions=True)
        for listener, _ in self._accepting:
            listener.close()
        self._accepting = []

    def abort(self) -> None:
        """Close all connections now."""
        for connection in list(self._open):
            connection.abort()

    async def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:
                await self._pause_after(error)
                continue
            if len(self._open) >= self._most and not self._make_room():
                accepted.close()
            else:
                self._begin(accepted, tls)
            await asyncio.sleep(0)  # who connects without end does not keep the loop

    async def _pause_after(self, error: OSError) -> None:
        """Let others go on after an error of accept; longer where it is none of one client's, and so may last."""
        if isinstance(error, ConnectionError):
            await asyncio.sleep(0)
            return
        self._tell(error)
        if error.errno in _NO_ROOM:
            self._make_room()
        await asyncio.sleep(_PAUSE_SECONDS)

    def _tell(self, error: OSError) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            self._log.error("cannot_accept", error=(error.strerror or str(error)).lower())
            self._silent_until = now + _SILENT_SECONDS

    def _make_room(self) -> bool:
        """Close the connection whose client has been waited for longest; tell whether there was one.

        One that sends requests in one go without end has never to be waited for: it goes in its turn.
        """
        for connection in self._open:
            if connection.yields:
                self._forget(connection)
                connection.abort()
                return True
        return False

    def _begin(self, accepted: socket.socket, tls: ssl.SSLContext | None) -> None:
        connection = Connection(self._server, self._limits, self._log, move_back=self._move_back, forget=self._forget)
        self._open[connection] = None
        connection.handshake = asyncio.create_task(self._shake_hands(connection, accepted, tls))
        connection.handshake.add_done_callback(lambda _: self._end_handshake(connection, accepted))

    async def _shake_hands(self, connection: Connection, accepted: socket.socket, tls: ssl.SSLContext | None) -> None:
        seconds = self._limits.head_seconds if tls is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=tls,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=LINGERING_SECONDS if tls is not None else None,
            )
        except OSError as error:
            self._log.debug("handshake_failed", error=str(error))

    def _end_handshake(self, connection: Connection, accepted: socket.socket) -> None:
        if not connection.made:
            self._forget(connection)
            accepted.close()

    def _move_back(self, connection: Connection) -> None:
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection, None)
