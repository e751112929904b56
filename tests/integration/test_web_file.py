import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog
import trustme
from structlog.testing import LogCapture

from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.text_format import Format
from exporter.web.toolkit.file import WebConfigFile
from tests.support.exposition_oracle import assert_valid
from tests.support.fake_clock import NOON, FakeClock
from tests.support.raw_servers import until
from tests.support.tls_files import HASH, TLS, USERS, equip, issue, s_client, write
from tests.support.web_server import GET, serving


@pytest.fixture
def ca(tmp_path: Path) -> trustme.CA:
    return equip(tmp_path)


def certificate(folder: Path, name: str = "server.crt") -> bytes:
    return ssl.PEM_cert_to_DER_cert((folder / name).read_text())


async def shown(port: int) -> bytes:
    """Return the certificate that a new connection gets."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return der


def looks(file: WebConfigFile) -> list[bool]:
    """Look as often as a change needs to be applied."""
    return [file.look(), file.look()]


def rejected(file: WebConfigFile) -> list[str]:
    """Look until a change is rejected; return its problems, after the name of the file."""
    assert not file.look()
    with pytest.raises(ExceptionGroup) as caught:
        file.look()
    assert [file.look() for _ in range(3)] == [False] * 3  # it is reported once
    return [str(error).removeprefix(f"{file.path}:").lstrip() for error in caught.value.exceptions]


async def test_new_connections_get_a_new_certificate(tmp_path: Path, ca: trustme.CA) -> None:
    file = WebConfigFile(write(tmp_path, TLS))
    async with serving(web_file=file) as served:
        first = certificate(tmp_path)
        assert await shown(served.port) == first
        assert looks(file) == [False, False]
        issue(ca, tmp_path, "server", "127.0.0.1")
        assert certificate(tmp_path) != first
        assert looks(file) == [False, True]
        assert await shown(served.port) == certificate(tmp_path)
        assert looks(file) == [False, False]


async def test_a_running_request_is_not_dropped(tmp_path: Path, ca: trustme.CA) -> None:
    file = WebConfigFile(write(tmp_path, TLS))
    async with serving(web_file=file) as served:
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=context)
        writer.write(GET[:10])
        await writer.drain()
        issue(ca, tmp_path, "server", "127.0.0.1")
        assert looks(file) == [False, True]
        writer.write(GET[10:] + GET.replace(b"x\r\n", b"x\r\nConnection: close\r\n"))
        assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 2
        writer.close()
        await writer.wait_closed()


async def test_a_bad_rotation_keeps_the_old_certificate(tmp_path: Path, ca: trustme.CA) -> None:
    file = WebConfigFile(write(tmp_path, TLS))
    async with serving(web_file=file) as served:
        first, good = certificate(tmp_path), (tmp_path / "server.crt").read_text()
        issue(ca, tmp_path, "other", "127.0.0.1")
        (tmp_path / "server.crt").write_text((tmp_path / "other.crt").read_text())
        assert rejected(file) == [
            (
                f"1: tls_server_config.cert_file: no certificate in {tmp_path}/server.crt with the key in "
                f"{tmp_path}/server.key: key values mismatch"
            )
        ]
        assert await shown(served.port) == first
        (tmp_path / "server.key").unlink()
        os.mkfifo(tmp_path / "server.key")
        assert rejected(file) == [
            f"1: tls_server_config.key_file: cannot read '{tmp_path}/server.key': it is not a regular file"
        ]
        (tmp_path / "server.key").unlink()
        assert rejected(file) == [
            f"1: tls_server_config.key_file: cannot read '{tmp_path}/server.key': No such file or directory"
        ]
        assert await shown(served.port) == first
        (tmp_path / "server.key").write_text((tmp_path / "other.key").read_text())
        assert looks(file) == [False, True]
        assert await shown(served.port) == certificate(tmp_path, "other.crt") != first
        (tmp_path / "server.crt").write_text(good)
        assert len(rejected(file)) == 1


async def test_every_setting_applies_to_new_connections(tmp_path: Path, ca: trustme.CA) -> None:
    assert ca
    file = WebConfigFile(write(tmp_path, TLS))
    client = ("-cert", str(tmp_path / "client.crt"), "-key", str(tmp_path / "client.key"))
    async with serving(web_file=file) as served:
        assert "Healthy." in await s_client(served.port, "-tls1_2")
        write(tmp_path, TLS.replace("}", ", min_version: TLS13}"))
        assert looks(file) == [False, True]
        assert "alert protocol version" in await s_client(served.port, "-tls1_2")
        assert "Healthy." in await s_client(served.port, "-tls1_3")
        required = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}"
        write(tmp_path, TLS.replace("}", required))
        assert looks(file) == [False, True]
        assert "alert certificate required" in await s_client(served.port)
        assert "Healthy." in await s_client(served.port, *client)
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
        assert looks(file) == [False, True]
        assert "alert unknown ca" in await s_client(served.port, *client)


async def test_an_old_session_is_not_resumed(tmp_path: Path, ca: trustme.CA) -> None:
    """A client that the old CA verified cannot resume its session."""
    assert ca
    required = (
        ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt, client_allowed_sans: [10.1.2.3]}"
    )
    text = TLS.replace("}", required)
    file = WebConfigFile(write(tmp_path, text))
    client = ("-cert", str(tmp_path / "client.crt"), "-key", str(tmp_path / "client.key"))
    session = str(tmp_path / "session")
    async with serving(web_file=file) as served:
        assert "Healthy." in await s_client(served.port, *client, "-tls1_2", "-sess_out", session)
        assert "Healthy." in await s_client(served.port, "-tls1_2", "-sess_in", session)
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
        assert looks(file) == [False, True]
        assert "alert" in await s_client(served.port, "-tls1_2", "-sess_in", session)


async def test_the_swap_of_a_mounted_secret(tmp_path: Path, ca: trustme.CA) -> None:
    """Kubernetes links ..data to a directory with the files of a version, and replaces that link."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    for version in ("v1", "v2"):
        (folder / version).mkdir()
        issue(ca, folder / version, "server", "127.0.0.1")
        (folder / version / "web.yml").write_text(TLS)
    (folder / "..data").symlink_to("v1")
    for name in ("server.crt", "server.key", "web.yml"):
        (folder / name).symlink_to(f"..data/{name}")
    file = WebConfigFile(folder / "web.yml")
    async with serving(web_file=file) as served:
        assert await shown(served.port) == certificate(folder / "v1")
        (folder / "..data_tmp").symlink_to("v2")
        (folder / "..data_tmp").rename(folder / "..data")
        assert looks(file) == [False, True]
        assert await shown(served.port) == certificate(folder / "v2")


@pytest.mark.parametrize(("before", "after", "word"), [(TLS + USERS, USERS, "off"), (USERS, TLS + USERS, "on")])
def test_tls_cannot_be_turned_on_or_off(tmp_path: Path, ca: trustme.CA, before: str, after: str, word: str) -> None:
    assert ca
    file = WebConfigFile(write(tmp_path, before))
    config = file.config
    write(tmp_path, after)
    assert rejected(file) == [
        f"1: tls_server_config: TLS cannot be turned {word} while the exporter runs; restart it to apply this"
    ]
    assert file.config is config


CLIENTS = TLS.replace("}", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}")
PASSWORDS_OFF = "1: basic_auth_users: passwords cannot be turned off while the exporter runs; restart it to apply this"
CLIENTS_OFF = (
    "1: tls_server_config.client_auth_type: client certificates cannot be turned off while the exporter runs; "
    "restart it to apply this"
)

NAMES_OFF = (
    "1: tls_server_config.client_allowed_sans: the check of clients' names cannot be turned off while the exporter "
    "runs; restart it to apply this"
)


@pytest.mark.parametrize(
    ("before", "after", "problems"),
    [
        (USERS, "basic_auth_users:\n", [PASSWORDS_OFF]),
        (TLS + USERS, TLS, [PASSWORDS_OFF]),
        (CLIENTS, TLS, [CLIENTS_OFF]),
        (CLIENTS, CLIENTS.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"), [CLIENTS_OFF]),
        (CLIENTS.replace("}", ", client_allowed_sans: [a.example]}"), CLIENTS, [NAMES_OFF]),
        (CLIENTS + USERS, TLS, [PASSWORDS_OFF, CLIENTS_OFF]),
    ],
)
def test_a_truncated_file_admits_nobody(
    tmp_path: Path, ca: trustme.CA, before: str, after: str, problems: list[str]
) -> None:
    assert ca
    file = WebConfigFile(write(tmp_path, before))
    config = file.config
    current = file.tls and file.tls.current
    write(tmp_path, after)
    assert rejected(file) == problems
    assert file.config is config
    assert (file.tls and file.tls.current) is current
    write(tmp_path, before)
    assert looks(file) == [False, True]


def test_passwords_and_clients_certificates_can_be_turned_on(tmp_path: Path, ca: trustme.CA) -> None:
    assert ca
    file = WebConfigFile(write(tmp_path, TLS))
    write(tmp_path, CLIENTS + USERS)
    assert looks(file) == [False, True]


def test_a_half_written_file_is_not_applied(tmp_path: Path) -> None:
    """A file that ends before its users would admit everyone."""
    file = WebConfigFile(write(tmp_path, f"rate_limit:\n{USERS}"))
    write(tmp_path, "rate_limit:\n")
    assert not file.look()
    write(tmp_path, f"rate_limit:\n{USERS.replace('alice', 'bob')}")
    assert not file.look()
    assert file.look()
    assert [*file.config.users] == ["bob"]


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    file = WebConfigFile(write(tmp_path, USERS))
    write(tmp_path, "")
    assert rejected(file) == ["the file is empty"]
    assert [*file.config.users] == ["alice"]
    (tmp_path / "web.yml").unlink()
    assert rejected(file) == ["cannot read the file: No such file or directory"]
    assert [*file.config.users] == ["alice"]


def test_permissions_of_a_file_count_as_a_change(tmp_path: Path) -> None:
    file = WebConfigFile(write(tmp_path, USERS))
    (tmp_path / "web.yml").chmod(0o600)
    assert looks(file) == [False, True]


@asynccontextmanager
async def followed(
    file: WebConfigFile, self_metrics: SelfMetrics | None = None
) -> AsyncIterator[tuple[FakeClock, LogCapture]]:
    """Follow the file with a clock that the test moves."""
    clock, capture = FakeClock(NOON), LogCapture()
    log = structlog.wrap_logger(None, processors=[capture])
    task = asyncio.create_task(file.follow(clock, log, self_metrics or SelfMetrics(process=False)))
    yield clock, capture
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def web_metrics(self_metrics: SelfMetrics) -> dict[str, float]:
    values = assert_valid(self_metrics.exposition(Format.TEXT), Format.TEXT)
    return {
        name.removeprefix("vspark_exporter_web_"): value
        for (name, _), value in values.items()
        if name.startswith("vspark_exporter_web_")
    }


async def test_each_change_is_logged_once(tmp_path: Path, ca: trustme.CA) -> None:
    assert ca
    file = WebConfigFile(write(tmp_path, TLS + USERS))
    self_metrics = SelfMetrics(process=False)
    async with followed(file, self_metrics) as (clock, capture):

        async def pass_seconds(number: int) -> None:
            for _ in range(number):
                await until(lambda: bool(clock.sleepers))
                clock.advance(1)
            await until(lambda: bool(clock.sleepers))

        await pass_seconds(3)
        assert capture.entries == []
        assert web_metrics(self_metrics) == {
            "config_last_reload_successful": 1.0,
            "config_last_reload_success_timestamp_seconds": NOON.timestamp(),
            "tls_certificate_expiration_timestamp_seconds": file.expires_at,
        }
        write(tmp_path, f"{TLS}{USERS}http_server_config: {{http2: true}}\nbasic_auth_user: {{alice: '{HASH}'}}\n")
        await pass_seconds(5)
        assert capture.entries == [
            {
                "event": "web_config_refused",
                "log_level": "warning",
                "file": str(tmp_path / "web.yml"),
                "problems": (
                    f"{file.path}:3: http_server_config.http2: this server supports only HTTP/1.1; remove the key or "
                    f"set it to false; {file.path}:4: basic_auth_user: unknown key; did you mean 'basic_auth_users'?"
                ),
                "hint": "the previous settings stay in effect; fix the file",
            }
        ]
        write(tmp_path, f"{TLS}{USERS}")
        await pass_seconds(5)
        assert capture.entries[1:] == [
            {
                "event": "web_config_reloaded",
                "log_level": "info",
                "file": str(tmp_path / "web.yml"),
                "users": 1,
            }
        ]
        assert HASH not in str(capture.entries)
        assert web_metrics(self_metrics)["config_last_reload_successful"] == 1.0
        # Accepted at the second look that finds it.
        assert web_metrics(self_metrics)["config_last_reload_success_timestamp_seconds"] == NOON.timestamp() + 10


async def test_a_certificate_that_expires_is_logged_until_it_is_renewed(tmp_path: Path, ca: trustme.CA) -> None:
    day, end = timedelta(days=1), NOON + timedelta(days=14, seconds=2)

    def renew(until_time: datetime) -> None:
        issued = ca.issue_cert("localhost", not_before=NOON - 400 * day, not_after=until_time)
        (tmp_path / "server.crt").write_bytes(issued.cert_chain_pems[0].bytes())
        (tmp_path / "server.key").write_bytes(issued.private_key_pem.bytes())

    renew(end)
    file, self_metrics = WebConfigFile(write(tmp_path, TLS)), SelfMetrics(process=False)
    async with followed(file, self_metrics) as (clock, capture):

        async def move(by: timedelta) -> None:
            await until(lambda: bool(clock.sleepers))
            clock.advance(by.total_seconds())
            await until(lambda: bool(clock.sleepers))

        await move(timedelta(seconds=1))
        await move(timedelta(seconds=1))
        assert capture.entries == []
        await move(timedelta(seconds=1))
        await move(13 * day)
        soon = {
            "event": "certificate_expiring",
            "log_level": "warning",
            "file": str(tmp_path / "web.yml"),
            "expires": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "hint": "renew the certificate; the exporter reads it again by itself",
        }
        assert capture.entries == [soon]
        await move(day)
        await move(day)
        assert capture.entries == [soon, {**soon, "event": "certificate_expired"}]
        assert web_metrics(self_metrics)["tls_certificate_expiration_timestamp_seconds"] == end.timestamp()

        renew(renewed := NOON + 400 * day)
        await move(timedelta(seconds=1))
        await move(timedelta(seconds=1))
        await until(lambda: len(capture.entries) == 3)
        assert [entry["event"] for entry in capture.entries[2:]] == ["web_config_reloaded"]
        assert web_metrics(self_metrics)["tls_certificate_expiration_timestamp_seconds"] == renewed.timestamp()


async def test_a_bug_does_not_end_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WebConfigFile(write(tmp_path, USERS))
    looked = 0

    def look() -> bool:
        nonlocal looked
        looked += 1
        if looked == 1:
            raise RuntimeError("canary")
        return looked == 3

    monkeypatch.setattr(file, "look", look)
    async with followed(file) as (clock, capture):
        for _ in range(3):
            await until(lambda: bool(clock.sleepers))
            clock.advance(1)
        await until(lambda: looked == 3 and bool(clock.sleepers))
    assert [(entry["event"], entry["log_level"]) for entry in capture.entries] == [
        ("web_config_refused", "error"),
        ("web_config_reloaded", "info"),
    ]
    assert capture.entries[0]["problems"] == "a bug of this program"
    assert "in look" in capture.entries[0]["traceback"]
    assert "RuntimeError: canary" not in str(capture.entries)
