"""The listening sockets."""

import asyncio
import errno
import os
import socket
from typing import Final

from exporter.errors import ListenError
from exporter.web.endpoints import ListenAddress

_BACKLOG: Final = 128


async def listen(address: ListenAddress) -> list[socket.socket]:
    """Return sockets that listen on an address, one for each address of a name; raises ListenError.

    Without a host, one socket serves IPv6 and IPv4 if the machine has both.
    """
    try:
        return [_every_address(address.port)] if address.host is None else await _named(address.host, address.port)
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be encoded
        raise ListenError(f"{address}: {_reason(error)}") from None


def _every_address(port: int) -> socket.socket:
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    return _nonblocking(socket.create_server(("", port), family=family, backlog=_BACKLOG, dualstack_ipv6=both))


async def _named(host: str, port: int) -> list[socket.socket]:
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, _, _, _, name in dict.fromkeys(infos):
        try:
            sockets.append(_nonblocking(socket.create_server(name, family=family, backlog=_BACKLOG)))
        except OSError as error:
            # `localhost` includes ::1 even on a machine without IPv6.
            if error.errno != errno.EADDRNOTAVAIL:
                for server in sockets:
                    server.close()
                raise
            missing = error
    if not sockets and missing is not None:
        raise missing
    return sockets


def _nonblocking(server: socket.socket) -> socket.socket:
    server.settimeout(0)
    return server


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError | socket.gaierror) or error.errno is None:
        return str(getattr(error, "strerror", None) or error)
    return os.strerror(error.errno).lower()
