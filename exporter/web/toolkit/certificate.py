"""When certificates expire."""

import re
import ssl
from collections.abc import Iterator
from typing import Any, Final

_PEM: Final = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END ", re.DOTALL)


def earliest_expiry(pem: str) -> float | None:
    """Return when the first of the certificates in `pem` expires, as a Unix time; None if it cannot be read.

    `pem` is a text that OpenSSL accepts. Source: RFC 5280, section 4.1.
    """
    # Loaded only for TLS. Python's ssl module shows the dates of CAs and of a peer, but not of its own certificate.
    from pyasn1.error import PyAsn1Error  # noqa: PLC0415

    try:
        return min(_expiries(pem), default=None)
    except (PyAsn1Error, ValueError):  # OpenSSL is less strict
        return None


def _expiries(pem: str) -> Iterator[float]:
    from pyasn1.codec.der.decoder import decode  # noqa: PLC0415
    from pyasn1.type.univ import Integer  # noqa: PLC0415

    for block in _PEM.findall(pem):
        der = ssl.PEM_cert_to_DER_cert(f"{ssl.PEM_HEADER}{block}{ssl.PEM_FOOTER}")
        certificate: Any = decode(der)[0]
        content = certificate[0]
        # Certificates of version 1 do not state their version. Then the serial number is first.
        validity = content[4] if isinstance(content[1], Integer) else content[3]
        yield validity[1].asDateTime.timestamp()
