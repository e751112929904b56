"""The web configuration file of Prometheus' exporter-toolkit, as frozen types; docs/web-configuration.md explains it.

Source: prometheus/exporter-toolkit, docs/web-configuration.md, web/tls_config.go and web/handler.go.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self, final

from msgspec import Meta, field, to_builtins

from exporter.config.convert import UNREAD, Block, check
from exporter.config.tokens import Secret
from exporter.web.toolkit import tls_names
from exporter.web.toolkit.passwords import PasswordHash

_INTERVAL: Final = re.compile(r"0|(?:(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(?:ns|us|µs|μs|ms|s|m|h))+")
_PART: Final = re.compile(r"([0-9.]+)([a-zµμ]+)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@final
class PrivateKey(Secret):
    """A private key in PEM."""

    __slots__ = ()


class Interval(float):
    """A time in seconds, 0 or more, as Go writes durations."""

    expected: ClassVar[str] = "a duration such as 1s"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the time of a text such as `1s`, `1m30s`, `1.5h` or `0`; ValueError for other texts."""
        if _INTERVAL.fullmatch(text) is None:
            raise ValueError(f"expected {cls.expected}, got {text!r}")
        return cls(sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))


def _check_header(value: str) -> None:
    if not value.isprintable():
        raise ValueError("a header must not contain control characters or line breaks")


def _check_nosniff(value: str) -> None:
    if value != "nosniff":
        raise ValueError(f"{value!r} is not a value of this header, expected nosniff")


def _check_frame_options(value: str) -> None:
    if value not in ("deny", "sameorigin"):
        raise ValueError(f"{value!r} is not a value of this header, expected deny or sameorigin")


def _check_http1(value: bool) -> None:  # noqa: FBT001 # a check gets the value alone
    if value:
        raise ValueError("this server supports only HTTP/1.1; remove the key or set it to false")


def _check_user(name: str) -> None:
    if ":" in name:
        raise ValueError("the name of a user must not contain ':', which ends the name in a request")
    if name.startswith("$2"):
        raise ValueError("the name of a user goes before the hash, not after it")


_Version = Annotated[str, check(tls_names.check_version)]
_CipherSuite = Annotated[str, check(tls_names.check_cipher_suite)]
_Curve = Annotated[str, check(tls_names.check_curve)]


class TlsServer(Block, frozen=True):
    """How to serve HTTPS. If no key is set, the server uses plain HTTP."""

    cert: str | None = None
    key: PrivateKey | None = None
    client_ca: str | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_auth_type: Annotated[str, check(tls_names.check_client_auth_type)] | None = None
    client_ca_file: Path | None = None
    client_allowed_sans: Annotated[tuple[str, ...], Meta(min_length=1)] | None = None
    min_version: _Version | None = None
    max_version: _Version | None = None
    cipher_suites: tuple[_CipherSuite, ...] | None = None
    prefer_server_cipher_suites: bool | None = None
    curve_preferences: Annotated[tuple[_Curve, ...], check(tls_names.check_curves)] | None = None

    @property
    def versions(self) -> tuple[str, str]:
        """The lowest and the highest version."""
        return self.min_version or "TLS12", self.max_version or "TLS13"

    @property
    def client_auth(self) -> str:
        """The policy for client certificates, by its name in Go."""
        return self.client_auth_type or "NoClientCert"

    @property
    def needs_client(self) -> bool:
        """Whether every client needs a certificate."""
        return self.client_auth == "RequireAndVerifyClientCert"

    @property
    def old_suites(self) -> tuple[str, ...]:
        """The listed cipher suites for TLS 1.2 and below, by their names in OpenSSL."""
        suites = tls_names.CIPHER_SUITES
        return tuple(suites[each] for each in self.cipher_suites or () if each in suites)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield keys that are missing, that exclude each other, or that would let in more clients than intended."""
        if self == TlsServer():
            return
        for inline, file in (("cert", "cert_file"), ("key", "key_file"), ("client_ca", "client_ca_file")):
            given = [each for each in (inline, file) if getattr(self, each) is not None]
            if len(given) > 1:
                yield file, f"{inline} is set too: give only one of {inline}, {file}"
            elif not given and file != "client_ca_file":
                yield file, f"is missing; TLS needs {file} or {inline}"
        yield from self._version_problems()
        yield from self._client_problems()

    def _version_problems(self) -> Iterator[tuple[str, str]]:
        if UNREAD in self.versions:
            return
        names = [*tls_names.VERSIONS]
        lowest, highest = self.versions
        if names.index(lowest) > names.index(highest):
            yield "min_version", f"{lowest} is above max_version, {highest}"
        if lowest in ("TLS10", "TLS11") and self.client_auth != "NoClientCert":
            yield "min_version", f"below TLS12, {self.client_auth} would accept broken signatures; use TLS12"
        if self.cipher_suites and not self.old_suites and highest != "TLS13":
            yield "cipher_suites", f"contains only suites for TLS 1.3, but max_version is {highest}"

    def _client_problems(self) -> Iterator[tuple[str, str]]:
        has_ca = self.client_ca is not None or self.client_ca_file is not None
        if has_ca and self.client_auth == "NoClientCert":
            key = "client_ca_file" if self.client_ca is None else "client_ca"
            yield key, "has no effect with client_auth_type NoClientCert; use RequireAndVerifyClientCert"
        if not has_ca and self.needs_client:
            yield (
                "client_ca_file",
                "is missing; without it, the certificates of any CA that this machine trusts are valid",
            )
        if self.client_allowed_sans is not None and self.client_auth in ("NoClientCert", "VerifyClientCertIfGiven"):
            problem = f"{self.client_auth} accepts clients without a certificate; use RequireAndVerifyClientCert"
            yield "client_allowed_sans", problem


_Header = Annotated[str, check(_check_header, numbers=True)] | None
_NoSniff = Annotated[str, check(_check_nosniff, numbers=True)] | None
_FrameOptions = Annotated[str, check(_check_frame_options, numbers=True)] | None


class Headers(Block, frozen=True):
    """The headers that can be added to every response."""

    strict_transport_security: _Header = field(name="Strict-Transport-Security", default=None)
    x_content_type_options: _NoSniff = field(name="X-Content-Type-Options", default=None)
    x_frame_options: _FrameOptions = field(name="X-Frame-Options", default=None)
    x_xss_protection: _Header = field(name="X-XSS-Protection", default=None)
    content_security_policy: _Header = field(name="Content-Security-Policy", default=None)


class HttpServer(Block, frozen=True):
    """How to serve HTTP."""

    http2: Annotated[bool, check(_check_http1)] | None = None
    headers: Headers | None = None


class RateLimit(Block, frozen=True):
    """At most `burst` requests at once, and one more in each `interval`; an interval of 0 means no limit."""

    interval_seconds: Annotated[Interval, Meta(extra={"numbers": True})] | None = field(name="interval", default=None)
    burst: Annotated[int, Meta(ge=0)] | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield a limit that would reject every request."""
        if self.interval_seconds not in (UNREAD, None, 0) and self.burst in (None, 0):
            yield "burst", "is 0 or missing, so every request would be rejected"


class WebConfig(Block, frozen=True):
    """The whole file."""

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer | None = None
    basic_auth_users: Mapping[Annotated[str, check(_check_user)], PasswordHash] | None = None
    rate_limit: RateLimit | None = None

    @property
    def tls(self) -> TlsServer | None:
        """How to serve HTTPS; None for plain HTTP."""
        return None if self.tls_server_config == TlsServer() else self.tls_server_config

    @property
    def users(self) -> Mapping[str, PasswordHash]:
        """The users and their passwords; empty if no password is needed."""
        return self.basic_auth_users or {}

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers to add to every response."""
        given = self.http_server_config and self.http_server_config.headers
        return {name: value for name, value in to_builtins(given or {}).items() if value is not None}
