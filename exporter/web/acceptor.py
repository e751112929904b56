"""Accepting connections: their number is limited, and those that wait longest are closed to make room."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Sequence
from typing import Final

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from exporter.web.connection import LINGERING_SECONDS, Connection
from exporter.web.endpoints import ListenAddress
from exporter.web.limits import Limits

_NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS: Final = 0.1
_LOG_INTERVAL_SECONDS: Final = 60.0


class Acceptor:
    """Accepts connections, and holds those that are open, the least recently served first."""

    def __init__(self, limits: Limits, log: FilteringBoundLogger) -> None:
        self._limits = limits
        self._most = limits.connections
        self._log = log
        self._next_log = 0.0
        self._open: dict[Connection, None] = {}
        self._accepting: list[tuple[socket.socket, asyncio.Task[None]]] = []

    def __len__(self) -> int:
        return len(self._open)

    @property
    def addresses(self) -> list[ListenAddress]:
        """The addresses of the listening sockets."""
        return [ListenAddress(*listener.getsockname()[:2]) for listener, _ in self._accepting]

    def start(self, server: web.Server, listeners: Sequence[socket.socket], tls: ssl.SSLContext | None) -> None:
        """Accept connections to `server` from listening sockets; with a context, they are encrypted."""
        for listener in listeners:
            self._accepting.append((listener, asyncio.create_task(self._accept(server, listener, tls))))

    async def stop(self) -> None:
        """Close the listening sockets."""
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

    async def _accept(self, server: web.Server, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
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
                self._begin(server, accepted, tls)
            await asyncio.sleep(0)  # a flood of connections must not keep the event loop

    async def _pause_after(self, error: OSError) -> None:
        """Yield to the event loop after an error of accept; pause if its cause is not one client, so it may last."""
        if isinstance(error, ConnectionError):
            await asyncio.sleep(0)
            return
        now = asyncio.get_running_loop().time()
        if now >= self._next_log:
            self._log.error("cannot_accept", error=(error.strerror or str(error)).lower())
            self._next_log = now + _LOG_INTERVAL_SECONDS
        if error.errno in _NO_ROOM:
            self._make_room()
        await asyncio.sleep(_PAUSE_SECONDS)

    def _make_room(self) -> bool:
        """Close the least recently served connection that is expendable; return whether there was one."""
        for connection in self._open:
            if connection.expendable:
                self._forget(connection)
                connection.abort()
                return True
        return False

    def _begin(self, server: web.Server, accepted: socket.socket, tls: ssl.SSLContext | None) -> None:
        connection = Connection(server, self._limits, self._log, served=self._move_back, closed=self._forget)
        self._open[connection] = None
        connection.handshake = asyncio.create_task(self._shake_hands(connection, accepted, tls))
        # A callback, because a task that is cancelled before its first step runs no `finally`.
        connection.handshake.add_done_callback(lambda _: self._end_handshake(connection, accepted))

    async def _shake_hands(self, connection: Connection, accepted: socket.socket, tls: ssl.SSLContext | None) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=tls,
                ssl_handshake_timeout=self._limits.head_seconds if tls is not None else None,
                ssl_shutdown_timeout=LINGERING_SECONDS if tls is not None else None,
            )
        except OSError as error:
            self._log.debug("handshake_failed", error=str(error))

    def _end_handshake(self, connection: Connection, accepted: socket.socket) -> None:
        if not connection.established:
            self._forget(connection)
            accepted.close()

    def _move_back(self, connection: Connection) -> None:
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection, None)
