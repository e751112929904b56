"""The program with `--web.config.file`."""

import asyncio
import os
import re
import signal
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.support.repository import ROOT
from tests.support.tls_files import HASH, PASSWORD, TLS, USERS, basic, equip, issue, s_client, write
from tools.bench.measure import free_port

CONFIG = """\
vspark: {url: "http://127.0.0.1:1", token: canary-T0ken}
companies: [{name: Co, orgs: [{name: Org, timezone: UTC, folders: [A]}]}]
discovery: {enabled: false}
"""
CHECKED = """\
http://127.0.0.1:1: 1 target
each poll within 10s, responses of at most 64MiB, at most 4 concurrent requests
series for the 1000 busiest agents of each folder that match '.*' and not '', their ids unchanged
no discovery
Co, token from the configuration file
  Org, UTC
    A, every 1m, stale after 5m
web: https, TLS 1.2 to 1.3, certificate {folder}/server.crt
web: the certificate expires at 3000-01-01T00:00:00Z
web: no client certificates
web: users alice; /-/healthy and /-/ready need no password
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    equip(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG)
    write(tmp_path, TLS + USERS)
    return tmp_path


async def begin(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(folder: Path, *arguments: str) -> tuple[int | None, str, str]:
    """Return the exit code, standard output and standard error."""
    process = await begin(folder, *arguments)
    async with asyncio.timeout(30):
        out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


async def test_config_check_describes_the_web_configuration(folder: Path) -> None:
    expected = CHECKED.format(folder=folder)
    assert await run(folder, "--web.config.file", str(folder / "web.yml"), "--config.check") == (0, expected, "")
    # Paths in the file are relative to the file, its own path is relative to the working directory.
    code, said, errors = await run(folder, "--web.config.file=web.yml", "--config.check")
    assert (code, said, errors) == (0, expected, "")


async def test_the_errors_of_both_files_are_reported_at_once(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace("timezone: UTC", "timezone: UTZ"))
    write(
        folder, "tls_server_config: {cert_file: gone}\nhttp_server_config: {http2: true}\nbasic_auth_users: {a: canary}"
    )
    for more in ([], ["--config.check"]):
        code, said, errors = await run(folder, "--web.config.file=web.yml", *more)
        assert (code, said) == (2, "")
        assert errors.splitlines() == [
            "config.yaml:2: companies[0].orgs[0].timezone: unknown time zone 'UTZ'; did you mean 'UTC'?",
            f"web.yml:1: tls_server_config.cert_file: cannot read '{folder}/gone': No such file or directory",
            "web.yml:1: tls_server_config.key_file: is missing; TLS needs key_file or key",
            (
                "web.yml:2: http_server_config.http2: this server supports only HTTP/1.1; "
                "remove the key or set it to false"
            ),
            "web.yml:3: basic_auth_users.a: is not a bcrypt hash; `htpasswd -nBC 10 USER` creates one",
        ]


async def test_an_error_in_one_file_is_enough(folder: Path) -> None:
    missing = "gone.yml: cannot read the file: No such file or directory\n"
    assert await run(folder, "--web.config.file=gone.yml") == (2, "", missing)
    assert await run(folder, "--web.config.file=gone.yml", "demo") == (2, "", missing)
    (folder / "config.yaml").unlink()
    missing = "config.yaml does not exist: name it with --config.file, or start from config.example.yaml\n"
    assert await run(folder, "--web.config.file=web.yml") == (2, "", missing)


async def test_it_serves_and_applies_changes(folder: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    url = f"https://{address}"
    arguments = ("--web.listen-address", address, "--web.config.file", "web.yml")
    process = await begin(folder, *arguments, "--log.level=debug")
    assert process.stderr is not None
    logged: list[str] = []

    async def until_logged(event: str) -> None:
        assert process.stderr is not None
        async with asyncio.timeout(20):
            while True:
                logged.append((await process.stderr.readline()).decode())
                assert logged[-1]
                if f"event={event} " in logged[-1]:
                    return

    def tls() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(folder / "ca.crt"))

    async def status(password: str, user: str = "alice") -> int:
        headers = {"Authorization": basic(user, password)}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{url}/metrics", ssl=tls()) as response,
        ):
            return response.status

    await until_logged("listening")
    assert f"addresses={url} " in logged[-1]
    assert [await status(PASSWORD), await status("canary"), await status(PASSWORD, "bob")] == [200, 401, 401]
    healthy = (0, f"healthy: {url}/-/healthy\n", "")
    assert await run(folder, *arguments, "healthcheck") == healthy
    assert await run(folder, "healthcheck", *arguments) == healthy

    write(folder, f"{TLS}basic_auth_users: {{alice: '{HASH}x'}}")
    await until_logged("web_config_refused")
    assert [await status(PASSWORD), await status(PASSWORD, "bob")] == [200, 401]
    write(folder, TLS + USERS.replace("alice", "bob"))
    await until_logged("web_config_reloaded")
    assert [await status(PASSWORD), await status(PASSWORD, "bob")] == [401, 200]
    issue(equip(folder), folder, "server", "127.0.0.1")
    await until_logged("web_config_reloaded")
    assert await status(PASSWORD, "bob") == 200  # with the certificate of another CA
    assert "alert protocol version" in await s_client(int(address[10:]), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")

    process.send_signal(signal.SIGTERM)
    out, rest = await process.communicate()
    assert (process.returncode, out) == (0, b"")
    logged += rest.decode().splitlines()
    lines = [line.partition(" ")[2].strip() for line in logged if "web_config" in line]
    assert lines == [
        (
            'level=warn event=web_config_refused file=web.yml problems="web.yml:2: basic_auth_users.alice: '
            'is not a bcrypt hash; `htpasswd -nBC 10 USER` creates one" '
            'hint="the previous settings stay in effect; fix the file"'
        ),
        "level=info event=web_config_reloaded file=web.yml users=1",
        "level=info event=web_config_reloaded file=web.yml users=1",
    ]
    said = "".join(logged)
    assert "canary" not in said
    assert HASH not in said
    assert "Traceback" not in said


async def test_the_demo_prints_https(folder: Path) -> None:
    process = await begin(folder, "demo", "--web.listen-address=127.0.0.1:0", "--web.config.file=web.yml")
    assert process.stdout is not None
    async with asyncio.timeout(30):
        said = (await process.stdout.readuntil(b"wrong time zone\n")).decode()
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 0
    assert re.search(r"metrics  https://127\.0\.0\.1:[0-9]+/metrics\n", said)
