import asyncio
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from exporter.errors import ConnectError
from exporter.vspark.client import Client
from tests.support.raw_servers import (
    TARGET,
    Pauses,
    Reply,
    answer,
    client_of,
    failure_of,
    proxying,
    reset,
    serving,
    then_close,
    then_hang,
)

ANSWER = answer()
PROXY = "the proxy from the environment (HTTP_PROXY, HTTPS_PROXY)"
CLOSED = "{} closed the connection without a complete response: check its log, and whether vspark.url needs https://"
NO_HOST = ".".join(["a" * 60] * 5)  # too long for a name: rejected without a name server


async def _free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_a_name_that_is_not_known() -> None:
    pauses = Pauses()
    assert await failure_of(client_of(f"http://{NO_HOST}:3000", sleep=pauses)) == (
        "ConnectError dns",
        f"cannot resolve the name of {NO_HOST}: check vspark.url and the resolver",
    )
    assert pauses == []


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6, 2.0])
async def test_a_name_server_that_is_slow_fails_every_target_alike(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 12 targets begin one after the other, and share the lookups."""
    end = threading.Event()

    def resolve(*_: object, **__: object) -> None:
        end.wait(seconds)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async def poll(client: Client, index: int) -> str:
        await asyncio.sleep(index * 0.05)
        with pytest.raises(ConnectError) as caught:
            await client.fetch(replace(TARGET, company=str(index)), None)
        return f"{caught.value.reason}: {caught.value}"

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    failed = "dns: cannot resolve the name of v-spark.example{}: check vspark.url and the resolver"
    url = "http://v-spark.example:3000"
    async with client_of(url, timeout_seconds=0.6, concurrency=6, sleep=asyncio.sleep) as client:
        failures = set(await asyncio.gather(*(poll(client, index) for index in range(12))))
    end.set()
    assert failures <= {failed.format(limit) for limit in ("", " within 0.2 s")}
    assert (failures == {failed.format("")}) == (seconds < 0.2)


async def test_a_slow_name_server_that_succeeds_fails_no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups: list[object] = []

    def resolve(host: object, port: int, *_: object, **__: object) -> list[object]:
        lookups.append(host)
        time.sleep(0.5)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with serving(ANSWER) as server:
        url = f"http://v-spark.example:{server.port}"
        async with client_of(url, timeout_seconds=0.9, sleep=asyncio.sleep) as client:
            assert await client.fetch(TARGET, None) == b"[]"
    assert lookups == ["v-spark.example"]


async def test_a_response_that_hangs_is_not_blamed_on_the_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request has a connection from before, another one needs an address."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async with (
        serving(ANSWER, then_hang()) as server,
        client_of(f"http://localhost:{server.port}", timeout_seconds=0.3) as client,
    ):
        await client.fetch(TARGET, None)
        connector = client._session.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        connector.clear_dns_cache()
        monkeypatch.setattr(socket, "getaddrinfo", fail)
        polls = [asyncio.create_task(client.fetch(TARGET, None)) for _ in range(2)]
        failures = await asyncio.gather(*polls, return_exceptions=True)
    assert sorted(map(str, failures)) == [
        "cannot resolve the name of localhost: check vspark.url and the resolver",
        (
            f"no complete response from localhost:{server.port} within 0.3 s: check the load of V-Spark, or raise "
            "vspark.timeout"
        ),
    ]


async def test_the_name_of_a_proxy_that_is_not_resolved_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()

    def resolve(*_: object, **__: object) -> None:
        end.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    async with client_of("http://v-spark.example:3000", timeout_seconds=0.3) as client:
        with pytest.raises(ConnectError) as caught:
            await client.request_once(TARGET, None)
    end.set()
    assert f"{caught.value.reason}: {caught.value}" == (
        f"dns: cannot resolve the name of {PROXY} within 0.1 s: check vspark.url and the resolver"
    )


async def test_a_port_that_is_not_listened_on() -> None:
    port, pauses = await _free_port(), Pauses()
    assert await failure_of(client_of(port, sleep=pauses)) == (
        "ConnectError connect",
        f"cannot connect to 127.0.0.1:{port}: Connection refused; check the port, and that V-Spark is running",
    )
    assert len(pauses) == 3


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        pytest.param(then_close(b""), CLOSED, id="closed"),
        pytest.param(reset, CLOSED, id="reset"),
        pytest.param(
            then_close(b"HTTP/1.1 200 OK\r\nContent-Len"),
            CLOSED,
            id="closed within the headers",
        ),
        pytest.param(
            then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]"),
            "{} closed the connection in the middle of the response",
            id="short body",
        ),
        pytest.param(
            then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n"),
            "{} closed the connection in the middle of the response",
            id="without the last chunk",
        ),
        pytest.param(
            then_hang(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n"),
            "the response of {} is not valid HTTP: check the port, and whether vspark.url needs https://",
            id="bad chunk",
        ),
        pytest.param(
            then_hang(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
            "the response of {} is not valid HTTP: check the port, and whether vspark.url needs https://",
            id="ssh",
        ),
        pytest.param(
            then_hang(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000 + b"\r\n\r\n"),
            "the response of {} is not valid HTTP: check the port, and whether vspark.url needs https://",
            id="endless header",
        ),
    ],
)
async def test_the_connection_breaks(reply: Reply, what: str) -> None:
    async with serving(reply) as server:
        assert await failure_of(client_of(server.port)) == (
            "ConnectError disconnected",
            what.format(f"127.0.0.1:{server.port}"),
        )
    assert len(server.requests) == 4


async def test_a_connection_that_is_reset_within_the_body() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]")
        await writer.drain()
        await reset(reader, writer)

    async with serving(half) as server:
        failure, _ = await failure_of(client_of(server.port))
    assert failure == "ConnectError disconnected"


async def test_a_request_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(ANSWER) as server, proxying() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:pass@127.0.0.1:{proxy.port}")
        async with client_of(server.port) as client:
            assert await client.fetch(TARGET, None) == b"[]"
        assert proxy.requests[0].line.startswith(f"GET http://127.0.0.1:{server.port}/stats/Co/Co-Org?token=")
        assert proxy.requests[0].headers["Proxy-Authorization"] == "Basic dXNlcjpwYXNz"
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with client_of(server.port) as client:
            assert await client.fetch(TARGET, None) == b"[]"
        assert (len(proxy.requests), len(server.requests)) == (1, 2)
        assert "Proxy-Authorization" not in server.requests[1].headers


@pytest.mark.parametrize("through_proxy", [False, True])
async def test_the_passwords_of_netrc_are_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, through_proxy: bool
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login admin password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    async with serving(ANSWER) as server, proxying() as proxy:
        if through_proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with client_of(server.port) as client:
            await client.fetch(TARGET, None)
    assert len(proxy.requests) == through_proxy
    for request in (*server.requests, *proxy.requests):
        assert request.headers.keys() & {"Authorization", "Proxy-Authorization"} == set()


async def test_a_proxy_that_rejects_the_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with proxying(refusal=refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert await failure_of(client_of("https://v-spark.example:3000")) == (
            "ConnectError connect",
            f"{PROXY} returns status 407 instead of a connection to v-spark.example:3000",
        )


@pytest.mark.parametrize(
    ("proxy", "failure", "message"),
    [
        (
            "http://user:pass@127.0.0.1:{port}",
            "ConnectError connect",
            f"cannot connect to {PROXY}: Connection refused",
        ),
        (
            "http://user:pass@" + NO_HOST,
            "ConnectError dns",
            f"cannot resolve the name of {PROXY}: check vspark.url and the resolver",
        ),
        ("https://user:pass@127.0.0.1:{port}", "ConnectError connect", f"vspark.url, or {PROXY}, is not a usable URL"),
        ("proxy.example:3128", "ConnectError connect", f"vspark.url, or {PROXY}, is not a usable URL"),
        ("http://user:pass@[bad", "ConnectError connect", f"vspark.url, or {PROXY}, is not a usable URL"),
    ],
)
async def test_a_proxy_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, proxy: str, failure: str, message: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.format(port=await _free_port()))
    assert await failure_of(client_of("http://v-spark.example:3000")) == (failure, message)
