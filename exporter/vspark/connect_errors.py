"""The ConnectError for each way in which no complete response arrives.

aiohttp's exceptions contain the URL, and so the token: only their classes, error numbers and OpenSSL's texts are used.
"""

import os
import ssl
from typing import Final

import aiohttp
from yarl import URL

from exporter.errors import ConnectError

_PROXY: Final = "the proxy from the environment (HTTP_PROXY, HTTPS_PROXY)"
# OpenSSL's X509_V_ERR_… numbers, of `man openssl-verification-options` and x509_vfy.h.
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_OTHER_HOST: Final = (62, 64)
_UNKNOWN_CA: Final = (2, 18, 19, 20, 21)


def connect_error(error: Exception, base: URL, connect_seconds: float, unresolved: str = "") -> ConnectError:
    """Return what `error`, one of aiohttp's, an OSError or a ValueError, means for the V-Spark at `base`.

    `connect_seconds` is the time that connecting was allowed to take, `unresolved` the name that has no address so far.
    The result has no reference to `error`.
    """
    place = host_and_port(base)
    match error:
        case _ if tls_error := _tls_error(error):
            reason, message = "tls", _tls_message(tls_error, place)
        case aiohttp.ClientConnectorDNSError():
            return _dns_error(error.host, base)
        case TimeoutError() if unresolved:
            return _dns_error(unresolved, base, connect_seconds)
        case TimeoutError():
            problem = f"no connection to {place} within {connect_seconds:.3g} s"
            reason, message = "timeout", f"{problem}: the host is down, or a firewall drops the packets"
        case aiohttp.ClientProxyConnectionError():
            reason, message = "connect", f"cannot connect to {_PROXY}: {_system_message(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            reason, message = "connect", f"{_PROXY} returns status {error.status} instead of a connection to {place}"
        case aiohttp.ClientConnectorError():
            problem = f"cannot connect to {place}: {_system_message(error.os_error)}"
            reason, message = "connect", f"{problem}; check the port, and that V-Spark is running"
        case ValueError():
            reason, message = "connect", f"vspark.url, or {_PROXY}, is not a usable URL"
        case aiohttp.ClientResponseError():
            problem = f"the response of {place} is not valid HTTP"
            reason, message = "disconnected", f"{problem}: check the port, and whether vspark.url needs https://"
        case aiohttp.ClientPayloadError():
            reason, message = "disconnected", f"{place} closed the connection in the middle of the response"
        case _:
            problem = f"{place} closed the connection without a complete response"
            # Some servers close without a word if they are spoken to without TLS.
            hint = "check its log, and whether vspark.url needs https://" if base.scheme == "http" else "check its log"
            reason, message = "disconnected", f"{problem}: {hint}"
    return ConnectError(reason, message)


def _dns_error(name: str, base: URL, seconds: float | None = None) -> ConnectError:
    """Return the error for a name that has no address, or none after so many seconds."""
    host = base.host if name == base.raw_host else _PROXY
    limit = "" if seconds is None else f" within {seconds:.3g} s"
    return ConnectError("dns", f"cannot resolve the name of {host}{limit}: check vspark.url and the resolver")


def host_and_port(base: URL) -> str:
    """Return the host and port of a URL, for messages."""
    return f"{base.host_subcomponent}:{base.port}"


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return OpenSSL's error, which aiohttp wraps. With TLS 1.3, a rejected client gets it only when it reads."""
    match error:
        case None:
            return None
        case aiohttp.ClientConnectorCertificateError() if isinstance(error.certificate_error, ssl.SSLError):
            return error.certificate_error
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ssl.SSLError):
            return error.os_error
        case ssl.SSLError():
            return error
        case _:
            return _tls_error(error.__cause__)


def _tls_message(error: ssl.SSLError, place: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {place} {_certificate_problem(error)}"
    reason = (error.reason or "no reason given").replace("_", " ").lower()
    if "alert" in reason:
        problem = f"{place} rejects the TLS connection ({reason})"
        return f"{problem}: if it requires a client certificate, set vspark.tls.cert_file and key_file"
    if "wrong version" in reason or "record layer" in reason or "http request" in reason:
        return f"{place} does not speak TLS ({reason}): check the port, and whether vspark.url needs http://"
    return f"no TLS connection to {place}: {reason}"


def _certificate_problem(error: ssl.SSLCertVerificationError) -> str:
    reason = error.verify_message.rstrip(".")
    if error.verify_code == _EXPIRED:
        return "has expired: renew it there"
    if error.verify_code == _NOT_YET_VALID:
        return "is not valid yet: check the clocks of both machines"
    if error.verify_code in _OTHER_HOST:
        return f"is for another host ({reason}): use its name in vspark.url, or set vspark.tls.server_name"
    if error.verify_code in _UNKNOWN_CA:
        return f"is from an unknown CA ({reason}): set vspark.tls.ca_file to the certificate of that CA"
    return f"is rejected: {reason}"


def _system_message(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "the connection broke while it was established"
