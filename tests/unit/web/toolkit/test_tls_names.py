import ssl

import pytest

from exporter.web.toolkit.tls_names import CLIENT_AUTH_TYPES, CURVES, TLS13_CIPHER_SUITES, VERSIONS


def test_the_suites_of_tls_13_are_always_on() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    names = {each["name"] for each in context.get_ciphers() if each["protocol"] == "TLSv1.3"}
    assert names == set(TLS13_CIPHER_SUITES)


@pytest.mark.parametrize("curve", CURVES.values())
def test_openssl_knows_each_curve(curve: str) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(curve)


def test_every_version_is_above_the_one_before() -> None:
    assert [*VERSIONS.values()] == sorted(VERSIONS.values())


def test_policies_that_do_not_verify_are_not_supported() -> None:
    assert set(CLIENT_AUTH_TYPES.values()) == set(ssl.VerifyMode)
