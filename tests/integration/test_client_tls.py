import asyncio
import ssl
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from exporter.config.client_tls import tls_context
from exporter.config.schema import Tls
from exporter.errors import ConfigError
from tests.support.raw_servers import (
    TARGET,
    Listener,
    Pauses,
    Server,
    answer,
    client_of,
    failure_of,
    proxying,
    serving,
    then_close,
)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(ca: trustme.CA) -> Iterator[Path]:
    with ca.cert_pem.tempfile() as path:
        yield Path(path)


def server_context(certificate: trustme.LeafCert, *, client_ca: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    if client_ca is not None:
        client_ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def serving_tls(
    certificate: trustme.LeafCert, *, client_ca: trustme.CA | None = None
) -> AbstractAsyncContextManager[Server]:
    return serving(answer(), tls=server_context(certificate, client_ca=client_ca))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    issued, other = trustme.CA().issue_cert("a.example"), trustme.CA().issue_cert("b.example")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    other.private_key_pem.write_to_path(str(tmp_path / "other-key.pem"))
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    (tmp_path / "locked-key.pem").write_bytes(locked)
    (tmp_path / "text").write_text("nothing")
    return tmp_path


def test_no_context_without_settings() -> None:
    assert tls_context(Tls()) is None
    assert tls_context(Tls(server_name="a.example")) is None


def test_a_ca_and_a_certificate_are_loaded(files: Path) -> None:
    tls = Tls(ca_file=files / "cert.pem", cert_file=files / "cert.pem", key_file=files / "key.pem")
    context = tls_context(tls)
    assert context is not None
    assert context.cert_store_stats()["x509"] == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_checks_can_be_turned_off() -> None:
    context = tls_context(Tls(insecure_skip_verify=True))
    assert context is not None
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname


@pytest.mark.parametrize(
    ("ca", "cert", "key", "message"),
    [
        ("gone", None, None, "no CA certificates in {0}/gone: No such file or directory"),
        ("text", None, None, "no CA certificates in {0}/text: no certificate or crl found"),
        (
            None,
            "text",
            "key.pem",
            "no client certificate in {0}/text with the key {0}/key.pem: it contains none, or the key is encrypted",
        ),
        (
            None,
            "cert.pem",
            "other-key.pem",
            "no client certificate in {0}/cert.pem with the key {0}/other-key.pem: key values mismatch",
        ),
        (
            None,
            "cert.pem",
            "locked-key.pem",
            (
                "no client certificate in {0}/cert.pem with the key {0}/locked-key.pem: "
                "it contains none, or the key is encrypted"
            ),
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    files: Path, ca: str | None, cert: str | None, key: str | None, message: str
) -> None:
    paths = [None if name is None else files / name for name in (ca, cert, key)]
    tls = Tls(ca_file=paths[0], cert_file=paths[1], key_file=paths[2])
    with pytest.raises(ConfigError) as caught:
        tls_context(tls)
    key = "ca_file" if ca else "cert_file"
    assert str(caught.value) == f"vspark.tls.{key}: {message.format(files)}"


async def test_https_to_a_plain_http_server() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with Listener(plain) as listener:
        failure = await failure_of(client_of(f"https://127.0.0.1:{listener.port}"))
    assert failure == (
        "ConnectError tls",
        (
            f"127.0.0.1:{listener.port} does not speak TLS (wrong version number): "
            "check the port, and whether vspark.url needs http://"
        ),
    )


async def test_a_certificate_of_a_known_ca_is_accepted(ca: trustme.CA, ca_file: Path) -> None:
    async with (
        serving_tls(ca.issue_cert("127.0.0.1")) as server,
        client_of(f"https://127.0.0.1:{server.port}", tls=Tls(ca_file=ca_file)) as client,
    ):
        assert await client.fetch(TARGET, None) == b"[]"


async def test_a_certificate_of_an_unknown_ca(ca: trustme.CA) -> None:
    async with serving_tls(ca.issue_cert("127.0.0.1")) as server:
        pauses = Pauses()
        assert await failure_of(client_of(f"https://127.0.0.1:{server.port}", sleep=pauses)) == (
            "ConnectError tls",
            (
                f"the certificate of 127.0.0.1:{server.port} is from an unknown CA "
                "(unable to get local issuer certificate): set vspark.tls.ca_file to the certificate of that CA"
            ),
        )
        assert pauses == []


async def test_a_certificate_of_an_unknown_ca_can_be_accepted(ca: trustme.CA) -> None:
    async with serving_tls(ca.issue_cert("elsewhere.example")) as server:
        tls = Tls(insecure_skip_verify=True)
        async with client_of(f"https://127.0.0.1:{server.port}", tls=tls) as client:
            assert await client.fetch(TARGET, None) == b"[]"


async def test_a_certificate_of_another_host(ca: trustme.CA, ca_file: Path) -> None:
    async with serving_tls(ca.issue_cert("elsewhere.example")) as server:
        url = f"https://127.0.0.1:{server.port}"
        assert await failure_of(client_of(url, tls=Tls(ca_file=ca_file))) == (
            "ConnectError tls",
            (
                f"the certificate of 127.0.0.1:{server.port} is for another host "
                "(IP address mismatch, certificate is not valid for '127.0.0.1'): "
                "use its name in vspark.url, or set vspark.tls.server_name"
            ),
        )
        async with client_of(url, tls=Tls(ca_file=ca_file, server_name="elsewhere.example")) as client:
            assert await client.fetch(TARGET, None) == b"[]"
        failure, message = await failure_of(client_of(url, tls=Tls(ca_file=ca_file, server_name="nowhere.example")))
        assert failure == "ConnectError tls"
        assert "(Hostname mismatch, certificate is not valid for 'nowhere.example')" in message


async def test_a_certificate_that_has_expired(ca: trustme.CA, ca_file: Path) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    async with serving_tls(ca.issue_cert("127.0.0.1", not_after=yesterday)) as server:
        assert await failure_of(client_of(f"https://127.0.0.1:{server.port}", tls=Tls(ca_file=ca_file))) == (
            "ConnectError tls",
            f"the certificate of 127.0.0.1:{server.port} has expired: renew it there",
        )


async def test_a_certificate_that_is_not_valid_yet(ca: trustme.CA, ca_file: Path) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    certificate = ca.issue_cert("127.0.0.1", not_before=tomorrow, not_after=tomorrow + timedelta(days=1))
    async with serving_tls(certificate) as server:
        assert await failure_of(client_of(f"https://127.0.0.1:{server.port}", tls=Tls(ca_file=ca_file))) == (
            "ConnectError tls",
            f"the certificate of 127.0.0.1:{server.port} is not valid yet: check the clocks of both machines",
        )


async def test_a_client_certificate_is_sent(ca: trustme.CA, ca_file: Path, tmp_path: Path) -> None:
    certificate = ca.issue_cert("exporter.example")
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(cert_file))
    certificate.private_key_pem.write_to_path(str(key_file))
    tls = Tls(ca_file=ca_file, cert_file=cert_file, key_file=key_file)
    async with (
        serving_tls(ca.issue_cert("127.0.0.1"), client_ca=ca) as server,
        client_of(f"https://127.0.0.1:{server.port}", tls=tls) as client,
    ):
        assert await client.fetch(TARGET, None) == b"[]"


async def test_http_to_a_port_with_tls(ca: trustme.CA) -> None:
    async with serving_tls(ca.issue_cert("127.0.0.1")) as server:
        failure = await failure_of(client_of(server.port))
    assert failure == (
        "ConnectError disconnected",
        (
            f"127.0.0.1:{server.port} closed the connection without a complete response: "
            "check its log, and whether vspark.url needs https://"
        ),
    )


async def test_a_server_with_tls_that_closes_the_connection(ca: trustme.CA, ca_file: Path) -> None:
    async with serving(then_close(b""), tls=server_context(ca.issue_cert("127.0.0.1"))) as server:
        failure = await failure_of(client_of(f"https://127.0.0.1:{server.port}", tls=Tls(ca_file=ca_file)))
    assert failure == (
        "ConnectError disconnected",
        f"127.0.0.1:{server.port} closed the connection without a complete response: check its log",
    )


@pytest.mark.parametrize(
    ("version", "alert"),
    [
        (ssl.TLSVersion.TLSv1_2, "sslv3 alert handshake failure"),
        (ssl.TLSVersion.TLSv1_3, "tlsv13 alert certificate required"),
    ],
)
async def test_a_client_certificate_is_required(
    ca: trustme.CA, ca_file: Path, version: ssl.TLSVersion, alert: str
) -> None:
    context = server_context(ca.issue_cert("127.0.0.1"), client_ca=ca)
    context.maximum_version = version

    # Unlike OpenSSL and Node.js, asyncio's own servers close without sending the reason.
    async def reject_with_alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while data := await reader.read(65536):
            incoming.write(data)
            with suppress(ssl.SSLError):
                tls.do_handshake()
            writer.write(outgoing.read())

    async with Listener(reject_with_alert) as listener:
        failure = await failure_of(client_of(f"https://127.0.0.1:{listener.port}", tls=Tls(ca_file=ca_file)))
    assert failure == (
        "ConnectError tls",
        (
            f"127.0.0.1:{listener.port} rejects the TLS connection ({alert}): "
            "if it requires a client certificate, set vspark.tls.cert_file and key_file"
        ),
    )


async def test_https_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch, ca: trustme.CA, ca_file: Path) -> None:
    async with serving_tls(ca.issue_cert("v-spark.example")) as server, proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        tls = Tls(ca_file=ca_file, server_name="v-spark.example")
        async with client_of(f"https://127.0.0.1:{server.port}", tls=tls) as client:
            assert await client.fetch(TARGET, None) == b"[]"
        assert proxy.lines == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]
