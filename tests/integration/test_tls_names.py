import subprocess

import pytest

from exporter.web.toolkit.tls_names import CIPHER_SUITES
from tests.support.tools import tool


@pytest.mark.parametrize("suite", CIPHER_SUITES)
def test_openssl_knows_each_suite_by_its_name(suite: str) -> None:
    """OpenSSL lists the standard names, which Go uses, beside its own."""
    ciphers = [
        tool("openssl", "openssl"),
        "ciphers",
        "-stdname",
        "-s",
        "-tls1_2",
        f"{CIPHER_SUITES[suite]}:@SECLEVEL=0",
    ]
    listed = subprocess.run(ciphers, check=True, capture_output=True, text=True).stdout  # noqa: S603 # openssl
    assert [line.split()[:3:2] for line in listed.splitlines()] == [[suite, CIPHER_SUITES[suite]]]
