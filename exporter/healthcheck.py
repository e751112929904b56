"""The health check of a container: asks the web server of the same container whether it is alive."""

import socket
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

from exporter.endpoints import HEALTHY_PATH, ListenAddress, http_url

TIMEOUT_SECONDS: Final = 3.0


def healthcheck(address: ListenAddress, timeout_seconds: float = TIMEOUT_SECONDS) -> int:
    """Ask the server that listens on `address`; give 0 where it is healthy, else 1, and one line that says it."""
    url = http_url(address.host or "localhost", address.port) + HEALTHY_PATH
    try:
        status = _status(address, timeout_seconds)
        problem = "" if status == HTTPStatus.OK else f"answered {status}"
    except (OSError, UnicodeError) as error:  # the latter where a host is none
        problem = getattr(error, "strerror", None) or str(error)
    except HTTPException:
        problem = "answered, but not by HTTP"
    if problem:
        sys.stderr.write(f"unhealthy: {url}: {problem}\n")
        return 1
    sys.stdout.write(f"healthy: {url}\n")
    return 0


def _status(address: ListenAddress, timeout_seconds: float) -> int:
    # No host is loopback, by IPv6 or IPv4, whichever answers; nothing has to resolve a name for that.
    with socket.create_connection(address, timeout_seconds) as connected:
        connection = HTTPConnection(address.host or "localhost", address.port)
        connection.sock = connected
        connection.request("GET", HEALTHY_PATH)
        return connection.getresponse().status
