"""How the web server speaks TLS: contexts made from a web configuration file, and the one that is current."""

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
from exporter.errors import ConfigError
from exporter.web.toolkit.schema import TlsServer
from exporter.web.toolkit.tls_names import CIPHER_SUITES, CLIENT_AUTH_TYPES, CURVES, VERSIONS

_HERE: Final = "the file itself"


class _ServerSide(ssl.SSLObject):
    """The server's side of a connection: looks at the client's names, and lets a refused client know why."""

    outgoing: ssl.MemoryBIO
    _refusal: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Go on with the handshake; SSLError where the client is refused."""
        if self._refusal is not None:
            raise self._refusal
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if not self.outgoing.pending:  # what came is no TLS, and OpenSSL has nothing to say to it
                raise
            # asyncio drops OpenSSL's alert where a handshake fails, but writes it where one wants to read on. The end
            # comes with the next that is read, or with the handshake's timeout.
            self._refusal = error
            raise ssl.SSLWantReadError from None
        context = self.context
        if isinstance(context, ServerContext) and context.allowed_sans is not None:
            certificate: Any = self.getpeercert()
            if context.allowed_sans.isdisjoint(_sans(certificate or {})):
                raise ssl.SSLCertVerificationError(1, "the client's certificate has none of client_allowed_sans")


class ServerContext(ssl.SSLContext):
    """A server's context; `allowed_sans` are the names of which a client's certificate has to have one, None: any."""

    sslobject_class = _ServerSide
    allowed_sans: frozenset[str] | None = None

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *more: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection, which reads from `incoming` and writes to `outgoing`."""
        wrapped = super().wrap_bio(incoming, outgoing, *more, **named)
        if isinstance(wrapped, _ServerSide):
            wrapped.outgoing = outgoing
        return wrapped


class CurrentContext(ssl.SSLContext):
    """A context that gives every new connection of an asyncio server the one that is current then."""

    current: ssl.SSLContext

    @classmethod
    def of(cls, current: ssl.SSLContext) -> Self:
        """Make one."""
        self = cls(ssl.PROTOCOL_TLS_SERVER)
        self.current = current
        return self

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection; asyncio calls this for each."""
        return self.current.wrap_bio(*arguments, **named)


def server_context(tls: TlsServer) -> ServerContext:
    """Build the context that `tls` asks for.

    Raises an ExceptionGroup of ConfigErrors, with the key's path, where OpenSSL does not take files or values.
    """
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    problems = [*_versions_and_ciphers(context, tls), *_certificate(context, tls), *_clients(context, tls)]
    if problems:
        raise ExceptionGroup("no TLS", problems)
    return context


def _versions_and_ciphers(context: ServerContext, tls: TlsServer) -> Iterator[ConfigError]:
    lowest, highest = tls.versions
    suites = tls.old_suites
    if tls.cipher_suites and not suites:
        lowest = "TLS13"  # nothing else is left
    if lowest in ("TLS10", "TLS11"):
        # Those need SHA-1, which Python's own list leaves out and OpenSSL's usual security level forbids.
        suites = (*(suites or CIPHER_SUITES.values()), "@SECLEVEL=0")
    try:
        context.minimum_version, context.maximum_version = VERSIONS[lowest], VERSIONS[highest]
    except ValueError:
        yield ConfigError("tls_server_config.min_version", f"OpenSSL on this machine has no {lowest}")
    try:
        if suites:
            context.set_ciphers(":".join(suites))
    except ssl.SSLError:
        yield ConfigError("tls_server_config.cipher_suites", "OpenSSL on this machine has none of them")
    if tls.prefer_server_cipher_suites is False:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in tls.curve_preferences or ():
        context.set_ecdh_curve(CURVES[curve])


def _certificate(context: ServerContext, tls: TlsServer) -> Iterator[ConfigError]:
    names = f"{tls.cert_file or _HERE} with the key in {tls.key_file or _HERE}"
    with ExitStack() as files:
        try:
            cert = tls.cert_file or files.enter_context(_as_file(tls.cert or ""))
            key = tls.key_file or files.enter_context(_as_file(tls.key.reveal() if tls.key else ""))
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(cert, key, password="")
        except OSError as error:
            place = "tls_server_config.cert_file" if tls.cert_file else "tls_server_config.cert"
            yield ConfigError(place, f"no certificate in {names}: {reason_of(error)}")


def _clients(context: ServerContext, tls: TlsServer) -> Iterator[ConfigError]:
    context.verify_mode = CLIENT_AUTH_TYPES[tls.client_auth]
    if tls.client_allowed_sans is not None:
        context.allowed_sans = frozenset(tls.client_allowed_sans)
    if context.verify_mode is ssl.CERT_NONE:
        return
    if tls.client_ca_file is None and tls.client_ca is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    # As in Go, whatever certificate stands there is trusted, one that is not a root or no CA at all, too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with ExitStack() as files:
        try:
            context.load_verify_locations(tls.client_ca_file or files.enter_context(_as_file(tls.client_ca or "")))
        except OSError as error:
            place = "tls_server_config.client_ca_file" if tls.client_ca_file else "tls_server_config.client_ca"
            yield ConfigError(place, f"no CA certificates in {tls.client_ca_file or _HERE}: {reason_of(error)}")


def _sans(certificate: dict[str, Any]) -> Iterator[str]:
    """Yield the subject's alternative names as Go writes them."""
    for kind, name in certificate.get("subjectAltName", ()):
        yield str(ip_address(name.strip())) if kind == "IP Address" else name


@contextmanager
def _as_file(pem: str) -> Iterator[Path]:
    """Give a file that holds `pem`, since OpenSSL's keys come from files; in memory where the system can do that."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("pem"), "wb", buffering=0) as memory:
            memory.write(pem.encode())
            yield Path(f"/proc/self/fd/{memory.fileno()}")
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(pem.encode())
            file.flush()
            yield Path(file.name)
