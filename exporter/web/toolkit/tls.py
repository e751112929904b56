"""TLS of the web server: contexts made from a web configuration file, and the one that is in effect."""

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self

from exporter.config.client_tls import reason_of
from exporter.web.toolkit.certificate import earliest_expiry
from exporter.web.toolkit.schema import TlsServer
from exporter.web.toolkit.tls_names import CIPHER_SUITES, CLIENT_AUTH_TYPES, CURVES, VERSIONS

_INLINE: Final = "the file itself"


class _ServerSide(ssl.SSLObject):
    """The server's side of a connection: checks the client's names, and tells a rejected client why."""

    outgoing: ssl.MemoryBIO
    _rejection: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Continue the handshake; raises SSLError if the client is rejected."""
        if self._rejection is not None:
            raise self._rejection
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if not self.outgoing.pending:  # the client does not speak TLS, and OpenSSL sends no alert
                raise
            # asyncio drops OpenSSL's alert if a handshake fails, but sends it if a handshake wants to read more. The
            # connection then ends with the next read, or with the timeout of the handshake.
            self._rejection = error
            raise ssl.SSLWantReadError from None
        context = self.context
        if isinstance(context, ServerContext) and context.allowed_sans is not None:
            certificate: Any = self.getpeercert()
            if context.allowed_sans.isdisjoint(_sans(certificate or {})):
                raise ssl.SSLCertVerificationError(1, "the client's certificate has none of client_allowed_sans")


class ServerContext(ssl.SSLContext):
    """The context of a server. A client's certificate must have one of `allowed_sans`; None accepts any name.

    `expires_at` is the Unix time at which its own certificate, or one of its chain, expires; None if unknown.
    """

    sslobject_class = _ServerSide
    allowed_sans: frozenset[str] | None = None
    expires_at: float | None = None

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *more: Any, **named: Any) -> ssl.SSLObject:
        """Start a connection that reads from `incoming` and writes to `outgoing`."""
        wrapped = super().wrap_bio(incoming, outgoing, *more, **named)
        if isinstance(wrapped, _ServerSide):
            wrapped.outgoing = outgoing
        return wrapped


class CurrentContext(ssl.SSLContext):
    """A context that starts every new connection of an asyncio server with the context that is in effect then."""

    current: ServerContext

    @classmethod
    def of(cls, current: ServerContext) -> Self:
        """Return one that starts with `current`."""
        self = cls(ssl.PROTOCOL_TLS_SERVER)
        self.current = current
        return self

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """Start a connection; asyncio calls this for each."""
        return self.current.wrap_bio(*arguments, **named)


def server_context(tls: TlsServer) -> tuple[ServerContext, tuple[tuple[str, str], ...]]:
    """Return the context for `tls`, and the key and a message for each file or value that OpenSSL rejects."""
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    return context, (*_versions_and_ciphers(context, tls), *_certificate(context, tls), *_clients(context, tls))


def _versions_and_ciphers(context: ServerContext, tls: TlsServer) -> Iterator[tuple[str, str]]:
    lowest, highest = tls.versions
    suites = tls.old_suites
    if tls.cipher_suites and not suites:
        lowest = "TLS13"  # no suite for an older version is listed
    if lowest in ("TLS10", "TLS11"):
        # These versions need SHA-1, which Python's own list does not have and OpenSSL's default security level forbids.
        suites = (*(suites or CIPHER_SUITES.values()), "@SECLEVEL=0")
    try:
        context.minimum_version, context.maximum_version = VERSIONS[lowest], VERSIONS[highest]
    except ValueError:
        yield "min_version", f"OpenSSL on this machine does not support {lowest}"
    try:
        if suites:
            context.set_ciphers(":".join(suites))
    except ssl.SSLError:
        yield "cipher_suites", "OpenSSL on this machine supports none of them"
    if tls.prefer_server_cipher_suites is False:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in tls.curve_preferences or ():
        context.set_ecdh_curve(CURVES[curve])


def _certificate(context: ServerContext, tls: TlsServer) -> Iterator[tuple[str, str]]:
    names = f"{tls.cert_file or _INLINE} with the key in {tls.key_file or _INLINE}"
    with ExitStack() as files:
        try:
            cert = tls.cert_file or files.enter_context(_as_file(tls.cert or ""))
            key = tls.key_file or files.enter_context(_as_file(tls.key.reveal() if tls.key else ""))
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(cert, key, password="")
            context.expires_at = earliest_expiry(cert.read_text("ascii", "replace"))
        except OSError as error:
            yield "cert_file" if tls.cert_file else "cert", f"no certificate in {names}: {reason_of(error)}"


def _clients(context: ServerContext, tls: TlsServer) -> Iterator[tuple[str, str]]:
    context.verify_mode = CLIENT_AUTH_TYPES[tls.client_auth]
    if tls.client_allowed_sans is not None:
        context.allowed_sans = frozenset(tls.client_allowed_sans)
    if context.verify_mode is ssl.CERT_NONE:
        return
    if tls.client_ca_file is None and tls.client_ca is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    # As in Go, every listed certificate is trusted, even if it is not a root or not a CA.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with ExitStack() as files:
        try:
            context.load_verify_locations(tls.client_ca_file or files.enter_context(_as_file(tls.client_ca or "")))
        except OSError as error:
            key = "client_ca_file" if tls.client_ca_file else "client_ca"
            yield key, f"no CA certificates in {tls.client_ca_file or _INLINE}: {reason_of(error)}"


def _sans(certificate: dict[str, Any]) -> Iterator[str]:
    """Yield the subject alternative names as Go writes them."""
    for kind, name in certificate.get("subjectAltName", ()):
        yield str(ip_address(name.strip())) if kind == "IP Address" else name


@contextmanager
def _as_file(pem: str) -> Iterator[Path]:
    """Yield a file that contains `pem`, because OpenSSL reads keys from files; in memory, if the system can do that."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("pem"), "wb", buffering=0) as memory:
            memory.write(pem.encode())
            yield Path(f"/proc/self/fd/{memory.fileno()}")
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(pem.encode())
            file.flush()
            yield Path(file.name)
