"""The web configuration file of Prometheus' exporter-toolkit, as frozen types; docs/web-configuration.md explains it.

Facts: prometheus/exporter-toolkit, docs/web-configuration.md, web/tls_config.go and web/handler.go.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self, final

from msgspec import Meta, field

from exporter.config.checks import check_some
from exporter.config.convert import Block
from exporter.web.toolkit import tls_names
from exporter.web.toolkit.passwords import PasswordHash

_INTERVAL: Final = re.compile(r"0|(?:(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(?:ns|us|µs|μs|ms|s|m|h))+")
_PART: Final = re.compile(r"([0-9.]+)([a-zµμ]+)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@final
class PrivateKey:
    """A private key in PEM; only `reveal` gives it away."""

    __slots__ = ("_pem",)

    def __init__(self, pem: str) -> None:
        self._pem = pem

    def reveal(self) -> str:
        """Give the key, to load it."""
        return self._pem

    def __repr__(self) -> str:
        return "PrivateKey(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrivateKey) and self._pem == other._pem

    def __hash__(self) -> int:
        return hash(self._pem)


class Interval(float):
    """A time in seconds as Go writes one, 0 or more."""

    hint: ClassVar[str] = "write a unit: '1s'"
    numbers: ClassVar[bool] = True

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1s`, `1m30s`, `1.5h`, `0`; everything else is a ValueError."""
        if _INTERVAL.fullmatch(text) is None:
            raise ValueError(f"{text!r} is no duration such as '500ms', '1s' or '1m30s'")
        return cls(sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))


class HeaderText(str):
    """The value of a header; a whole number is one, too, as in `X-XSS-Protection: 1`."""

    __slots__ = ()
    numbers: ClassVar[bool] = True

    @classmethod
    def parse(cls, text: str) -> Self:
        """Accept what fits into one line; ValueError."""
        if not text.isprintable():
            raise ValueError("a header cannot hold control characters or line breaks")
        return cls(text)


def _check_nosniff(value: str) -> None:
    if value != "nosniff":
        raise ValueError(f"{value!r} is not what this header can say, expected nosniff")


def _check_frame_options(value: str) -> None:
    if value not in ("deny", "sameorigin"):
        raise ValueError(f"{value!r} is not what this header can say, expected deny or sameorigin")


def _check_http1(value: bool) -> None:  # noqa: FBT001 # a check gets the value alone
    if value:
        raise ValueError("this server speaks HTTP/1.1 only; leave the key out, or set it to false")


def _check_user(name: str) -> None:
    if ":" in name:
        raise ValueError("a user's name cannot hold ':', as it ends the name in a request")
    if name.startswith("$2"):
        raise ValueError("a user's name stands before its hash, not after it")


class TlsServer(Block, frozen=True):
    """How `https` is spoken. Without any of its keys it is not: the server speaks plain HTTP."""

    cert: str | None = None
    key: PrivateKey | None = None
    client_ca: str | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_auth_type: Annotated[str, tls_names.check_client_auth_type] | None = None
    client_ca_file: Path | None = None
    client_allowed_sans: Annotated[tuple[str, ...], check_some] | None = None
    min_version: Annotated[str, tls_names.check_version] | None = None
    max_version: Annotated[str, tls_names.check_version] | None = None
    cipher_suites: tuple[Annotated[str, tls_names.check_cipher_suite], ...] | None = None
    prefer_server_cipher_suites: bool | None = None
    curve_preferences: Annotated[tuple[Annotated[str, tls_names.check_curve], ...], tls_names.check_curves] | None = (
        None
    )

    @property
    def versions(self) -> tuple[str, str]:
        """The lowest and the highest version."""
        return self.min_version or "TLS12", self.max_version or "TLS13"

    @property
    def client_auth(self) -> str:
        """What client certificates are asked for, in Go's words."""
        return self.client_auth_type or "NoClientCert"

    @property
    def needs_client(self) -> bool:
        """Whether nobody is served without a certificate."""
        return self.client_auth == "RequireAndVerifyClientCert"

    @property
    def old_suites(self) -> tuple[str, ...]:
        """The cipher suites below TLS 1.3, in OpenSSL's words; all that Go has where none is listed."""
        return tuple(
            tls_names.CIPHER_SUITES[each] for each in self.cipher_suites or () if each in tls_names.CIPHER_SUITES
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing, what excludes each other, and what would let in more than it seems to."""
        if self == TlsServer():
            return
        for inline, file in (("cert", "cert_file"), ("key", "key_file"), ("client_ca", "client_ca_file")):
            given = [each for each in (inline, file) if getattr(self, each) is not None]
            if len(given) > 1:
                yield file, f"stands beside {inline}; only one of them can be given"
            elif not given and file != "client_ca_file":
                yield file, f"is missing; TLS takes {file} or {inline}"
        yield from self._version_problems()
        yield from self._client_problems()

    def _version_problems(self) -> Iterator[tuple[str, str]]:
        names = [*tls_names.VERSIONS]
        if not set(self.versions) <= {*names}:  # one could not be read, and that has been said
            return
        lowest, highest = self.versions
        if names.index(lowest) > names.index(highest):
            yield "min_version", f"{lowest} is above max_version, {highest}"
        if lowest in ("TLS10", "TLS11") and self.client_auth != "NoClientCert":
            yield (
                "min_version",
                f"below TLS12, OpenSSL would let {self.client_auth} accept broken signatures; use TLS12",
            )
        if self.cipher_suites and not self.old_suites and highest != "TLS13":
            yield "cipher_suites", f"names suites of TLS 1.3 only, and max_version is {highest}"

    def _client_problems(self) -> Iterator[tuple[str, str]]:
        has_ca = self.client_ca is not None or self.client_ca_file is not None
        if has_ca and self.client_auth == "NoClientCert":
            key = "client_ca_file" if self.client_ca is None else "client_ca"
            yield key, "has no effect with client_auth_type NoClientCert; use RequireAndVerifyClientCert"
        if not has_ca and self.client_auth == "RequireAndVerifyClientCert":
            yield (
                "client_ca_file",
                "is missing: without it, whoever has a certificate of any CA that this machine trusts would be let in",
            )
        if self.client_allowed_sans is not None and self.client_auth in ("NoClientCert", "VerifyClientCertIfGiven"):
            yield (
                "client_allowed_sans",
                f"{self.client_auth} lets in clients that have no certificate; use RequireAndVerifyClientCert",
            )


class Headers(Block, frozen=True):
    """Headers that every answer gets; these only can be set."""

    strict_transport_security: HeaderText | None = field(name="Strict-Transport-Security", default=None)
    x_content_type_options: Annotated[HeaderText, _check_nosniff] | None = field(
        name="X-Content-Type-Options", default=None
    )
    x_frame_options: Annotated[HeaderText, _check_frame_options] | None = field(name="X-Frame-Options", default=None)
    x_xss_protection: HeaderText | None = field(name="X-XSS-Protection", default=None)
    content_security_policy: HeaderText | None = field(name="Content-Security-Policy", default=None)


class HttpServer(Block, frozen=True):
    """How HTTP is spoken."""

    http2: Annotated[bool, _check_http1] | None = None
    headers: Headers | None = None


class RateLimit(Block, frozen=True):
    """At most `burst` requests at once, and one more each `interval`; an interval of 0 is no limit."""

    interval_seconds: Interval | None = field(name="interval", default=None)
    burst: Annotated[int, Meta(ge=0)] | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield that no request at all would be answered."""
        if self.interval_seconds and self.interval_seconds > 0 and not self.burst:
            yield "burst", "is 0 or missing: every request would be refused"


class WebConfig(Block, frozen=True):
    """The whole file."""

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer | None = None
    basic_auth_users: Mapping[Annotated[str, _check_user], PasswordHash] | None = None
    rate_limit: RateLimit | None = None

    @property
    def tls(self) -> TlsServer | None:
        """How TLS is spoken; None where it is not."""
        return None if self.tls_server_config == TlsServer() else self.tls_server_config

    @property
    def users(self) -> Mapping[str, PasswordHash]:
        """The users and their passwords; empty where none is asked for."""
        return self.basic_auth_users or {}

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of every answer."""
        given = self.http_server_config and self.http_server_config.headers
        return {key: str(value) for key, value in _named(given) if value is not None} if given else {}


def _named(headers: Headers) -> Iterator[tuple[str, str | None]]:
    for attribute, key in zip(headers.__struct_fields__, headers.__struct_encode_fields__, strict=True):
        yield key, getattr(headers, attribute)
