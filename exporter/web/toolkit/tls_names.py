"""Go's names for what TLS can be told, as web configuration files use them, and what OpenSSL calls the same.

The names are those that Go's crypto/tls and the Prometheus exporter-toolkit give; each check raises ValueError.
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
"""The suites of TLS 1.2 and below that Go counts as secure (`tls.CipherSuites`), the better ones first."""

TLS13_CIPHER_SUITES: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Those of TLS 1.3: they can be listed, and are on whether they are or not, here as in Go."""

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
    "RequestClientCert": "NoClientCert, which lets in the same clients",
    "RequireAnyClientCert": "RequireAndVerifyClientCert with client_ca_file",
    "RequireClientCert": "RequireAndVerifyClientCert with client_ca_file",  # an older name of the one before
}


def check_client_auth_type(name: str) -> None:
    """Accept those of Go's policies that Python's ssl has, too."""
    if name in _UNVERIFIED:
        raise ValueError(
            f"{name!r} does not verify the certificate that it asks for, which Python's ssl cannot do; "
            f"use {_UNVERIFIED[name]}"
        )
    _check_known(name, "client authentication", [*CLIENT_AUTH_TYPES])


def check_curves(names: Iterable[str]) -> None:
    """Accept one curve, or none."""
    if len(list(names)) > 1:
        raise ValueError("Python's ssl takes one curve; name one, or leave the key out for all that OpenSSL offers")


def _known(what: str, names: Iterable[str]) -> Callable[[str], None]:
    return lambda name: _check_known(name, what, [*names])


def _check_known(name: str, what: str, names: list[str]) -> None:
    if name not in names:
        raise ValueError(f"{name!r} is no {what}{suggestion(name, names) or ', expected ' + ', '.join(names)}")


check_version = _known("TLS version", VERSIONS)
check_cipher_suite = _known("cipher suite that Go counts as secure", [*CIPHER_SUITES, *TLS13_CIPHER_SUITES])
check_curve = _known("curve", CURVES)
