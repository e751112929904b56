"""Go's names for TLS settings, which web configuration files use, and OpenSSL's names for the same.

Source: Go's crypto/tls and the Prometheus exporter-toolkit. Each check raises ValueError.
"""

import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from exporter.config.convert import suggestion

VERSIONS: Final[Mapping[str, ssl.TLSVersion]] = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}

CIPHER_SUITES: Final[Mapping[str, str]] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
"""The suites for TLS 1.2 and below that Go considers secure (`tls.CipherSuites`), the better ones first."""

TLS13_CIPHER_SUITES: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""The suites for TLS 1.3. They can be listed, but they are always on, here as in Go."""

CURVES: Final[Mapping[str, str]] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}

CLIENT_AUTH_TYPES: Final[Mapping[str, ssl.VerifyMode]] = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED: Final[Mapping[str, str]] = {
    "RequestClientCert": "NoClientCert, which accepts the same clients",
    "RequireAnyClientCert": "RequireAndVerifyClientCert with client_ca_file",
    "RequireClientCert": "RequireAndVerifyClientCert with client_ca_file",  # an older name of the same
}


def check_client_auth_type(name: str) -> None:
    """Accept the policies of Go that Python's ssl supports."""
    if name in _UNVERIFIED:
        raise ValueError(
            f"{name!r} requests a certificate but does not verify it, which Python's ssl does not support; "
            f"use {_UNVERIFIED[name]}"
        )
    _check_known(name, "client authentication type", [*CLIENT_AUTH_TYPES])


def check_curves(names: Iterable[str]) -> None:
    """Accept at most one curve."""
    if len(list(names)) > 1:
        raise ValueError("Python's ssl supports one curve; keep one, or remove the key to offer all of OpenSSL's")


def _known(what: str, names: Iterable[str]) -> Callable[[str], None]:
    return lambda name: _check_known(name, what, [*names])


def _check_known(name: str, what: str, names: list[str]) -> None:
    if name not in names:
        raise ValueError(f"{name!r} is not a {what}{suggestion(name, names) or ', expected ' + ', '.join(names)}")


check_version = _known("TLS version", VERSIONS)
check_cipher_suite = _known("cipher suite that Go considers secure", [*CIPHER_SUITES, *TLS13_CIPHER_SUITES])
check_curve = _known("curve", CURVES)
