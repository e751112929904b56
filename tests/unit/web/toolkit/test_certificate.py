from datetime import UTC, datetime
from typing import Final

import trustme

from exporter.web.toolkit.certificate import earliest_expiry

VERSION_1: Final = """\
-----BEGIN CERTIFICATE-----
MIIBFDCBuwIUBXFNarRx7WvZvokcGZHH9LO/kQswCgYIKoZIzj0EAwIwDTELMAkG
A1UEAwwCdjEwHhcNMjYxMTI1MjI0MDI5WhcNMjkwODIxMjI0MDI5WjANMQswCQYD
VQQDDAJ2MTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAi9m+thIbhgrPejDHc8
vgg4EsuDcaX9y/Z76k4rq0HbX+qajmwyWnktAj8D6dwqyAVleAIOlBcCMt0bUQaX
wgowCgYIKoZIzj0EAwIDSAAwRQIgaizF1Bk7TDHhI6lW5d2FsHLyRA4eoldk3cwV
s0mu0zUCIQDrkWRuKX8/7oGYMmtUFPodGOXeqT4Y+5EPw0+l6s/woA==
-----END CERTIFICATE-----
"""


def test_a_certificate() -> None:
    end = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    for kind in trustme.KeyType:
        issued = trustme.CA().issue_cert("localhost", not_after=end, key_type=kind)
        assert earliest_expiry(issued.cert_chain_pems[0].bytes().decode()) == end.timestamp()


def test_after_2049_the_date_has_another_form() -> None:
    end = datetime(2050, 1, 1, tzinfo=UTC)
    issued = trustme.CA().issue_cert("localhost", not_after=end)
    assert earliest_expiry(issued.cert_chain_pems[0].bytes().decode()) == end.timestamp()


def test_the_first_of_a_chain_that_expires_with_the_key_in_between() -> None:
    ends = [datetime(2030 - years, 1, 1, tzinfo=UTC) for years in range(3)]
    issued = [trustme.CA().issue_cert("localhost", not_after=end) for end in ends]
    parts = [part for each in issued for part in (each.private_key_pem, each.cert_chain_pems[0])]
    assert earliest_expiry("".join(part.bytes().decode() for part in parts)) == ends[2].timestamp()


def test_a_certificate_of_version_1() -> None:
    assert earliest_expiry(VERSION_1) == datetime(2029, 8, 21, 22, 40, 29, tzinfo=UTC).timestamp()


def test_what_cannot_be_read() -> None:
    assert earliest_expiry("") is None
    assert earliest_expiry(VERSION_1.replace("MIIB", "MIIC")) is None
