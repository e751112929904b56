"""The health check of a container: asks the web server of the same container whether it is alive."""

import socket
import ssl
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

from exporter.web.endpoints import HEALTHY_PATH, ListenAddress, http_url

TIMEOUT_SECONDS: Final = 3.0

_REFUSALS: Final = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",  # what TLS 1.2 says of a missing certificate
    "TLSV1_ALERT_PROTOCOL_VERSION",
)
"""A server that answers with one of these is alive: the same loop speaks TLS that would have answered the request."""


def healthcheck(address: ListenAddress, timeout_seconds: float = TIMEOUT_SECONDS, *, https: bool = False) -> int:
    """Ask the server that listens on `address`; give 0 where it is healthy, else 1, and one line that says it.

    With `https` it is asked by https first, and by http where it speaks no TLS. A refusal because this client has no
    certificate, or none of the server's TLS versions, is healthy, too.
    """
    for scheme in ("https", "http") if https else ("http",):
        url = http_url(address.host or "localhost", address.port, scheme) + HEALTHY_PATH
        problem = note = ""
        try:
            status = _status(address, timeout_seconds, _any_certificate() if scheme == "https" else None)
            problem = "" if status == HTTPStatus.OK else f"answered {status}"
        except ssl.SSLError as error:
            if error.reason not in _REFUSALS:
                problem = f"speaks no TLS: {error.reason or error}"
                continue
            note = f" (it refuses clients such as this one: {error.reason.replace('_', ' ').lower()})"
        except (OSError, UnicodeError) as error:  # the latter where a host is none
            problem = getattr(error, "strerror", None) or str(error)
        except HTTPException:
            problem = "answered, but not by HTTP"
        break
    if problem:
        sys.stderr.write(f"unhealthy: {url}: {problem}\n")
        return 1
    sys.stdout.write(f"healthy: {url}{note}\n")
    return 0


def _any_certificate() -> ssl.SSLContext:
    # It is loopback that is asked, and nothing is sent that anybody may not see.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _status(address: ListenAddress, timeout_seconds: float, tls: ssl.SSLContext | None) -> int:
    # No host is loopback, by IPv6 or IPv4, whichever answers; nothing has to resolve a name for that.
    with (
        socket.create_connection(address, timeout_seconds) as plain,
        tls.wrap_socket(plain) if tls else plain as connected,
    ):
        connection = HTTPConnection(address.host or "localhost", address.port)
        connection.sock = connected
        connection.request("GET", HEALTHY_PATH)
        return connection.getresponse().status
