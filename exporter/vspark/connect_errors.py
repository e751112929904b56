"""What aiohttp raises where no whole answer comes, told as a ConnectError.

aiohttp's exceptions hold the URL, and so the token: only their classes, error numbers and OpenSSL's words are used.
"""

import os
import ssl

import aiohttp
from yarl import URL

from exporter.errors import ConnectError

_PROXY = "the proxy that the environment names (HTTP_PROXY, HTTPS_PROXY)"
# OpenSSL's X509_V_ERR_… numbers, of `man openssl-verification-options` and x509_vfy.h.
_EXPIRED = 10
_NOT_YET_VALID = 9
_OTHER_HOST = (62, 64)
_UNKNOWN_CA = (2, 18, 19, 20, 21)


def connect_error(error: Exception, base: URL, connect_seconds: float) -> ConnectError:
    """Say what `error`, one of aiohttp's, an OSError or a ValueError, means for the V-Spark at `base`.

    `connect_seconds` is how long connecting was allowed to take. The result knows nothing of `error`.
    """
    place = place_of(base)
    match error:
        case _ if tls_error := _tls_error(error):
            reason, message = "tls", _tls_message(tls_error, place)
        case aiohttp.ClientConnectorDNSError():
            who = base.host if error.host == base.raw_host else _PROXY
            reason, message = "dns", f"the name of {who} cannot be looked up: check vspark.url and the resolver"
        case TimeoutError():
            what = f"no connection to {place} within {connect_seconds:.3g} s"
            reason, message = "timeout", f"{what}: the host is down, or a firewall drops the packets"
        case aiohttp.ClientProxyConnectionError():
            reason, message = "connect", f"cannot connect to {_PROXY}: {_system_message(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            reason, message = "connect", f"{_PROXY} answers {error.status} instead of connecting to {place}"
        case aiohttp.ClientConnectorError():
            what = f"cannot connect to {place}: {_system_message(error.os_error)}"
            reason, message = "connect", f"{what}; is V-Spark running, and is the port right?"
        case ValueError():
            reason, message = "connect", f"vspark.url, or {_PROXY}, is no URL that can be asked"
        case aiohttp.ClientResponseError():
            what = f"what {place} answers is no valid HTTP"
            reason, message = "disconnected", f"{what}: is the port right, and should vspark.url begin with https://?"
        case aiohttp.ClientPayloadError():
            reason, message = "disconnected", f"{place} broke off in the middle of its answer"
        case _:
            reason, message = "disconnected", f"{place} closed the connection without a whole answer"
    return ConnectError(reason, message)


def place_of(base: URL) -> str:
    """Give host and port, for people."""
    return f"{base.host_subcomponent}:{base.port}"


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Find what OpenSSL said: aiohttp wraps it, and with TLS 1.3 a refused client shows only when it reads."""
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
        return f"the certificate of {place} {_certificate_fault(error)}"
    reason = (error.reason or "no reason given").replace("_", " ").lower()
    if "alert" in reason:
        what = f"{place} refuses the TLS connection ({reason})"
        return f"{what}: if it wants a client certificate, set vspark.tls.cert_file and key_file to one it accepts"
    if "wrong version" in reason or "record layer" in reason or "http request" in reason:
        return f"{place} does not speak TLS ({reason}): is the port right, and should vspark.url begin with http://?"
    return f"no TLS connection to {place}: {reason}"


def _certificate_fault(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.rstrip(".")
    if error.verify_code == _EXPIRED:
        return "has expired: it has to be renewed there"
    if error.verify_code == _NOT_YET_VALID:
        return "is not valid yet: are the clocks of both sides right?"
    if error.verify_code in _OTHER_HOST:
        return f"is for another host ({said}): use its name in vspark.url, or set vspark.tls.server_name"
    if error.verify_code in _UNKNOWN_CA:
        return f"is from a CA that is unknown here ({said}): set vspark.tls.ca_file to that CA's certificate"
    return f"is refused: {said}"


def _system_message(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "the connection broke while it was made"
