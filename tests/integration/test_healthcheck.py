import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.cli.healthcheck import healthcheck
from exporter.web.endpoints import ListenAddress
from exporter.web.toolkit.file import WebConfigFile
from tests.support.repository import ROOT
from tests.support.tls_files import TLS, USERS, equip, write
from tests.support.web_server import serving

Captured = pytest.CaptureFixture[str]


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[ListenAddress]:
    """Listen, and send `answer` to every request; if it is empty, send nothing."""
    over = asyncio.Event()

    async def answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not answer:
            await over.wait()
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(answer_one, "127.0.0.1", 0) as server:
        yield ListenAddress("127.0.0.1", server.sockets[0].getsockname()[1])
        over.set()


async def test_a_server_that_is_alive(capsys: Captured) -> None:
    async with serving() as served:
        address = ListenAddress("127.0.0.1", served.port)
        assert await asyncio.to_thread(healthcheck, address) == 0
    assert capsys.readouterr() == (f"healthy: http://127.0.0.1:{address.port}/-/healthy\n", "")


async def test_no_host_is_loopback(capsys: Captured) -> None:
    async with serving(ListenAddress("127.0.0.1", 0)) as served:
        assert await asyncio.to_thread(healthcheck, ListenAddress(None, served.port)) == 0
        assert capsys.readouterr() == (f"healthy: http://localhost:{served.port}/-/healthy\n", "")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "returned status 503"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "returned status 404"),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "the response is not valid HTTP; if the exporter serves TLS, add its --web.config.file",
        ),
        (b"", "timed out"),
    ],
)
async def test_a_server_that_is_not_alive(answer: bytes, problem: str, capsys: Captured) -> None:
    async with answering(answer) as address:
        timeout_seconds = 3.0 if answer else 0.05
        assert await asyncio.to_thread(healthcheck, address, timeout_seconds) == 1
    assert capsys.readouterr() == ("", f"unhealthy: http://127.0.0.1:{address.port}/-/healthy: {problem}\n")


def test_a_port_that_is_not_listened_on(capsys: Captured) -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        address = ListenAddress("127.0.0.1", bound.getsockname()[1])
        assert healthcheck(address) == 1
    assert capsys.readouterr() == (
        "",
        f"unhealthy: http://127.0.0.1:{address.port}/-/healthy: Connection refused\n",
    )


def test_a_host_that_is_not_valid(capsys: Captured) -> None:
    assert healthcheck(ListenAddress.parse("a..b:1")) == 1
    out, errors = capsys.readouterr()
    assert (out, errors.count("\n")) == ("", 1)
    assert errors.startswith("unhealthy: http://a..b:1/-/healthy: ")


async def test_a_server_that_speaks_tls(tmp_path: Path, capsys: Captured) -> None:
    equip(tmp_path)
    async with serving(web_file=WebConfigFile(write(tmp_path, TLS))) as served:
        address = ListenAddress("127.0.0.1", served.port)
        assert await asyncio.to_thread(healthcheck, address, https=True) == 0
        assert capsys.readouterr() == (f"healthy: https://127.0.0.1:{served.port}/-/healthy\n", "")
        assert await asyncio.to_thread(healthcheck, address) == 1
    assert capsys.readouterr() == (
        "",
        (
            f"unhealthy: http://127.0.0.1:{address.port}/-/healthy: the connection was closed; "
            "if the exporter serves TLS, add its --web.config.file\n"
        ),
    )


async def test_a_web_configuration_without_tls(tmp_path: Path, capsys: Captured) -> None:
    async with serving(web_file=WebConfigFile(write(tmp_path, USERS))) as served:
        address = ListenAddress("127.0.0.1", served.port)
        assert await asyncio.to_thread(healthcheck, address, https=True) == 0
    assert capsys.readouterr() == (f"healthy: http://127.0.0.1:{address.port}/-/healthy\n", "")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt", "tlsv13 alert certificate required"),
        (
            ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt, max_version: TLS12",
            "sslv3 alert handshake failure",
        ),
        (", min_version: TLS10, max_version: TLS11", "tlsv1 alert protocol version"),
    ],
)
async def test_a_server_that_rejects_by_tls_is_alive(tmp_path: Path, capsys: Captured, more: str, reason: str) -> None:
    equip(tmp_path)
    async with serving(web_file=WebConfigFile(write(tmp_path, TLS.replace("}", f"{more}}}")))) as served:
        address = ListenAddress("127.0.0.1", served.port)
        assert await asyncio.to_thread(healthcheck, address, https=True) == 0
    assert capsys.readouterr() == (
        f"healthy: https://127.0.0.1:{address.port}/-/healthy (it rejects clients such as this one: {reason})\n",
        "",
    )


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "http://{0}/-/healthy: returned status 503"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "http://{0}/-/healthy: the response is not valid HTTP"),
    ],
)
async def test_a_server_that_speaks_neither(answer: bytes, problem: str, capsys: Captured) -> None:
    async def answer_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(answer_at_once, "127.0.0.1", 0) as server:
        address = ListenAddress("127.0.0.1", server.sockets[0].getsockname()[1])
        assert await asyncio.to_thread(healthcheck, address, https=True) == 1
    assert capsys.readouterr() == ("", f"unhealthy: {problem.format(f'127.0.0.1:{address.port}')}\n")


def test_a_port_that_is_not_listened_on_with_https(capsys: Captured) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = ListenAddress("127.0.0.1", bound.getsockname()[1])
        assert healthcheck(address, https=True) == 1
    assert capsys.readouterr() == ("", f"unhealthy: https://127.0.0.1:{address.port}/-/healthy: Connection refused\n")


async def test_the_command_loads_no_server() -> None:
    code = (
        "import sys; from exporter.cli.main import main; code = main(sys.argv[1:]);"
        "print(sorted({'aiohttp', 'msgspec', 'prometheus_client', 'yaml'} & set(sys.modules))); sys.exit(code)"
    )
    async with serving() as served:
        url = f"127.0.0.1:{served.port}"
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", code, "healthcheck", "--web.listen-address", url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"healthy: http://{url}/-/healthy\n[]\n"
