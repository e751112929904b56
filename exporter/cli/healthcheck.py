"""The command `healthcheck`, for a container: checks whether the web server in the same container is alive."""

import socket
import ssl
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

from exporter.web.endpoints import HEALTHY_PATH, ListenAddress, http_url

TIMEOUT_SECONDS: Final = 3.0

_REJECTIONS: Final = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",  # of TLS 1.2, for a missing certificate
    "TLSV1_ALERT_PROTOCOL_VERSION",
)
"""A server that sends one of these alerts is alive: the same event loop would have served the request."""


def healthcheck(address: ListenAddress, timeout_seconds: float = TIMEOUT_SECONDS, *, https: bool = False) -> int:
    """Request the health of the server on `address`, print one line, and return 0 if it is healthy, else 1.

    With `https`, HTTPS is tried first, and HTTP if the server does not speak TLS. A server that rejects this client for
    a missing certificate or an unsupported TLS version is healthy, too.
    """
    for scheme in ("https", "http") if https else ("http",):
        url = http_url(address.host or "localhost", address.port, scheme) + HEALTHY_PATH
        problem = note = ""
        try:
            status = _status(address, timeout_seconds, _any_certificate() if scheme == "https" else None)
            problem = "" if status == HTTPStatus.OK else f"returned status {status}"
        except ssl.SSLError as error:
            if error.reason not in _REJECTIONS:
                problem = f"does not speak TLS: {error.reason or error}"
                continue
            note = f" (it rejects clients such as this one: {error.reason.replace('_', ' ').lower()})"
        except (ConnectionResetError, HTTPException) as error:
            problem = "the connection was closed" if isinstance(error, OSError) else "the response is not valid HTTP"
            if not https:
                problem += "; if the exporter serves TLS, add its --web.config.file"
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be encoded
            problem = getattr(error, "strerror", None) or str(error)
        break
    if problem:
        sys.stderr.write(f"unhealthy: {url}: {problem}\n")
        return 1
    sys.stdout.write(f"healthy: {url}{note}\n")
    return 0


def _any_certificate() -> ssl.SSLContext:
    # The server is on loopback, and nothing secret is sent.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _status(address: ListenAddress, timeout_seconds: float, tls: ssl.SSLContext | None) -> int:
    # Without a host this is loopback, by IPv6 or IPv4, without a name lookup.
    with (
        socket.create_connection(address, timeout_seconds) as plain,
        tls.wrap_socket(plain) if tls else plain as connected,
    ):
        connection = HTTPConnection(address.host or "localhost", address.port)
        connection.sock = connected
        connection.request("GET", HEALTHY_PATH)
        return connection.getresponse().status
