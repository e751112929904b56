import asyncio
import subprocess
from pathlib import Path
from typing import cast

import pytest
import trustme

from exporter.web.toolkit.file import WebConfigFile
from exporter.web.toolkit.tls_names import CIPHER_SUITES, VERSIONS
from tests.support.tls_files import REQUEST, equip, issue, s_client, write
from tests.support.tools import tool
from tests.support.web_server import serving

BASE = "cert_file: server.crt, key_file: server.key"
REQUIRED = f"{BASE}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt"
CLIENT = ("-cert", "client.crt", "-key", "client.key")
ANY_OLD = "ALL:@SECLEVEL=0"


async def talk(folder: Path, tls: str, *arguments: str) -> str:
    """Serve with these TLS settings; return the output of openssl's request."""
    files = [str(folder / each) if each.endswith((".crt", ".key")) else each for each in arguments]
    async with serving(web_file=WebConfigFile(write(folder, f"tls_server_config: {{{tls}}}\n"))) as served:
        assert served.web.urls == [f"https://127.0.0.1:{served.port}"]
        assert served.web.sockets == [f"https://127.0.0.1:{served.port}"]
        return await s_client(served.port, *files)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    equip(tmp_path, rsa=True)
    return tmp_path


async def test_a_client_that_trusts_the_ca_is_served(folder: Path) -> None:
    said = await talk(folder, BASE, "-CAfile", "ca.crt", "-verify_return_error", "-verify_ip", "127.0.0.1")
    assert "Protocol version: TLSv1.3" in said
    assert "Verification: OK" in said
    assert "Healthy." in said


async def test_certificate_key_and_ca_in_the_file_itself(folder: Path) -> None:
    def block(key: str, name: str) -> str:
        return f"  {key}: |\n" + "".join(f"    {line}\n" for line in (folder / name).read_text().splitlines())

    inline = block("cert", "server.crt") + block("key", "server.key") + block("client_ca", "ca.crt")
    path = write(folder, f"tls_server_config:\n{inline}  client_auth_type: RequireAndVerifyClientCert\n")
    for name in ("server.crt", "server.key"):
        (folder / name).unlink()
    async with serving(web_file=WebConfigFile(path)) as served:
        shown = [str(folder / each) if "." in each else each for each in CLIENT]
        assert "Healthy." in await s_client(served.port, *shown)
        assert "alert certificate required" in await s_client(served.port)


@pytest.mark.parametrize(
    ("tls", "arguments", "expected"),
    [
        # Versions: TLS 1.2 and 1.3 by default
        ("", ("-tls1_2",), "Protocol version: TLSv1.2"),
        ("", ("-tls1_1", "-cipher", ANY_OLD), "alert protocol version"),
        (", min_version: TLS13", ("-tls1_2",), "alert protocol version"),
        (", max_version: TLS12", ("-tls1_3",), "alert protocol version"),
        (", max_version: TLS12", (), "Protocol version: TLSv1.2"),
        # Cipher suites, and which side's order counts
        (
            ", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]",
            ("-tls1_2",),
            "Ciphersuite: ECDHE-RSA-AES256-GCM-SHA384",
        ),
        (
            ", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]",
            ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"),
            "alert handshake failure",
        ),
        (
            ", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]",
            ("-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"),
            "Ciphersuite: ECDHE-RSA-AES128-GCM-SHA256",
        ),
        (
            (
                ", prefer_server_cipher_suites: false"
                ", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]"
            ),
            ("-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"),
            "Ciphersuite: ECDHE-RSA-AES256-GCM-SHA384",
        ),
        (", cipher_suites: [TLS_AES_128_GCM_SHA256]", (), "Protocol version: TLSv1.3"),
        (", cipher_suites: [TLS_AES_128_GCM_SHA256]", ("-tls1_2",), "alert protocol version"),
        # One curve
        (", curve_preferences: [CurveP384]", (), "Server Temp Key: ECDH, secp384r1"),
        (", curve_preferences: [CurveP521]", ("-groups", "P-256"), "alert handshake failure"),
        (", curve_preferences: [X25519]", ("-groups", "P-256:X25519"), "Server Temp Key: X25519"),
        (", curve_preferences: [CurveP256]", (), "Server Temp Key: ECDH, prime256v1"),
    ],
)
async def test_versions_suites_and_curves(folder: Path, tls: str, arguments: tuple[str, ...], expected: str) -> None:
    said = await talk(folder, BASE + tls, *arguments)
    assert expected in said
    assert ("Healthy." in said) == ("alert" not in expected)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    ("tls", "option", "expected"),
    [
        ("min_version: TLS10", "-tls1", "Protocol version: TLSv1\n"),
        ("min_version: TLS11", "-tls1_1", "Protocol version: TLSv1.1\n"),
        ("min_version: TLS11", "-tls1", "alert protocol version"),
        ("min_version: TLS10, max_version: TLS11", "-tls1_2", "unsupported protocol"),
        ("min_version: TLS10", "-tls1_3", "Protocol version: TLSv1.3\n"),
        (
            "min_version: TLS10, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA]",
            "-tls1",
            "Ciphersuite: ECDHE-RSA-AES256-SHA\n",
        ),
    ],
)
async def test_old_versions_are_available_if_configured(folder: Path, tls: str, option: str, expected: str) -> None:
    said = await talk(folder, f"{BASE}, {tls}", option, "-cipher", ANY_OLD)
    assert expected in said
    assert ("Healthy." in said) == expected.endswith("\n")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(
    ("tls", "shown", "served"),
    [
        (f"{BASE}, client_auth_type: NoClientCert", (), True),
        (REQUIRED, CLIENT, True),
        (REQUIRED, (), False),
        (REQUIRED, ("-cert", "stranger.crt", "-key", "stranger.key"), False),
        (REQUIRED.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"), CLIENT, True),
        (REQUIRED.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"), (), True),
        (
            REQUIRED.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"),
            ("-cert", "stranger.crt", "-key", "stranger.key"),
            False,
        ),
        (f"{BASE}, client_auth_type: VerifyClientCertIfGiven", (), True),
        (f"{BASE}, client_auth_type: VerifyClientCertIfGiven", CLIENT, False),
        (f"{REQUIRED}, client_allowed_sans: [other, prometheus.example]", CLIENT, True),
        (f"{REQUIRED}, client_allowed_sans: [10.1.2.3]", CLIENT, True),
        (f"{REQUIRED}, client_allowed_sans: ['2001:db8::1']", CLIENT, True),
        (f"{REQUIRED}, client_allowed_sans: [p@example.com]", CLIENT, True),
        (f"{REQUIRED}, client_allowed_sans: [example, PROMETHEUS.example, 10.1.2.30]", CLIENT, False),
        (f"{REQUIRED}, client_allowed_sans: [prometheus.example]", (), False),
        # As in Go: every certificate in the CA's file is trusted, even if it is not a CA
        (REQUIRED.replace("ca.crt", "client.crt"), CLIENT, True),
        (REQUIRED.replace("ca.crt", "server.crt"), CLIENT, False),
    ],
)
async def test_which_clients_are_accepted(
    folder: Path, tls: str, shown: tuple[str, ...], version: str, *, served: bool
) -> None:
    issue(trustme.CA(), folder, "stranger", "prometheus.example")
    said = await talk(folder, tls, version, *shown)
    assert ("Healthy." in said) == served


async def test_a_client_without_tls_does_not_wait(folder: Path) -> None:
    async with serving(web_file=WebConfigFile(write(folder, f"tls_server_config: {{{BASE}}}\n"))) as served:
        for said in (REQUEST, b"SSH-2.0-x\r\n", b"\x16\x03\x01\x00\x05canary", b"\0" * 100):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(said)
            async with asyncio.timeout(5):
                answered = await reader.read(100)
            assert answered[:1] in (b"", b"\x15")  # the end, or an alert
            writer.close()
        assert "Healthy." in await s_client(served.port)


async def test_a_hanging_handshake_does_not_delay_the_stop(folder: Path) -> None:
    async with serving(web_file=WebConfigFile(write(folder, f"tls_server_config: {{{REQUIRED}}}\n"))) as served:
        _, silent = await asyncio.open_connection("127.0.0.1", served.port)
        assert "Healthy." in await s_client(
            served.port, *(str(folder / each) if "." in each else each for each in CLIENT)
        )
        async with asyncio.timeout(5):
            await served.web.stop()
        silent.close()


async def test_a_certificate_that_is_its_own_ca(folder: Path) -> None:
    """The purpose of RequireAnyClientCert: certificates that no CA issued."""
    files = ("-keyout", folder / "own.key", "-out", folder / "own.crt")
    make = (tool("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", *files)
    await asyncio.to_thread(subprocess.run, make, check=True, capture_output=True)
    own = REQUIRED.replace("ca.crt", "own.crt")
    assert "Healthy." in await talk(folder, own, "-cert", "own.crt", "-key", "own.key")
    assert "Healthy." not in await talk(folder, own, *CLIENT)


def test_features_missing_from_openssl(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if OpenSSL was built without them."""
    suite = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
    monkeypatch.setitem(cast("dict[str, int]", VERSIONS), "TLS10", 0x0399)
    monkeypatch.setitem(cast("dict[str, str]", CIPHER_SUITES), suite, "NONE-SUCH")
    messages = []
    for more in ("min_version: TLS10", f"cipher_suites: [{suite}]"):
        with pytest.raises(ExceptionGroup) as caught:
            WebConfigFile(write(folder, f"tls_server_config: {{{BASE}, {more}}}"))
        messages += [str(error).partition("web.yml:")[2] for error in caught.value.exceptions]
    assert messages == [
        "1: tls_server_config.min_version: OpenSSL on this machine does not support TLS10",
        "1: tls_server_config.cipher_suites: OpenSSL on this machine supports none of them",
    ]


@pytest.mark.parametrize(
    ("version", "shown", "alert"),
    [
        ("-tls1_2", (), "alert handshake failure"),
        ("-tls1_3", (), "alert certificate required"),
        ("-tls1_2", ("-cert", "stranger.crt", "-key", "stranger.key"), "alert unknown ca"),
        ("-tls1_3", ("-cert", "stranger.crt", "-key", "stranger.key"), "alert unknown ca"),
    ],
)
async def test_a_rejected_client_gets_the_reason(
    folder: Path, version: str, shown: tuple[str, ...], alert: str
) -> None:
    issue(trustme.CA(), folder, "stranger", "prometheus.example")
    assert alert in await talk(folder, REQUIRED, version, *shown)
