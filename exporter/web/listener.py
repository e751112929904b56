"""The sockets that are listened on."""

import asyncio
import errno
import os
import socket
from typing import Final

from exporter.errors import ListenError
from exporter.web.endpoints import ListenAddress

_BACKLOG: Final = 128


async def listen(address: ListenAddress) -> list[socket.socket]:
    """Listen on an address, on all addresses of a name; raises ListenError.

    Without a host one socket is for IPv6 and IPv4, where the machine has both.
    """
    try:
        return [_every_address(address.port)] if address.host is None else await _named(address.host, address.port)
    except (OSError, UnicodeError) as error:  # the latter where a host is none
        raise ListenError(f"{address}: {_reason(error)}") from None


def _every_address(port: int) -> socket.socket:
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    return _nonblocking(socket.create_server(("", port), family=family, backlog=_BACKLOG, dualstack_ipv6=both))


async def _named(host: str, port: int) -> list[socket.socket]:
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, _, _, _, where in dict.fromkeys(infos):
        try:
            sockets.append(_nonblocking(socket.create_server(where, family=family, backlog=_BACKLOG)))
        except OSError as error:
            # `localhost` is ::1 also where that has been turned off
            if error.errno != errno.EADDRNOTAVAIL:
                _close(sockets)
                raise
            missing = error
    if not sockets and missing is not None:
        raise missing
    return sockets


def _nonblocking(server: socket.socket) -> socket.socket:
    server.settimeout(0)
    return server


def _close(sockets: list[socket.socket]) -> None:
    for server in sockets:
        server.close()


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError | socket.gaierror) or error.errno is None:
        return str(getattr(error, "strerror", None) or error)
    return os.strerror(error.errno).lower()
