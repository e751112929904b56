import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from exporter.errors import ListenError
from exporter.web.endpoints import ListenAddress
from exporter.web.listener import listen
from tests.support.web_server import has_ipv6

needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on loopback")


@pytest.mark.parametrize(
    ("text", "families"),
    [
        ("127.0.0.1:0", [socket.AF_INET]),
        pytest.param("[::1]:0", [socket.AF_INET6], marks=needs_ipv6),
        pytest.param(":0", [socket.AF_INET6], marks=needs_ipv6),
    ],
)
async def test_an_address(text: str, families: Sequence[socket.AddressFamily]) -> None:
    sockets = await listen(ListenAddress.parse(text))
    assert [server.family for server in sockets] == families
    for server in sockets:
        server.close()


@needs_ipv6
async def test_without_a_host_ipv4_is_heard_too() -> None:
    (server,) = await listen(ListenAddress.parse(":0"))
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, server.getsockname()[1])).close()
    server.close()


async def test_without_a_host_on_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    (server,) = await listen(ListenAddress.parse(":0"))
    assert server.family == socket.AF_INET
    server.close()


async def resolving(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    async def resolve(_: str, port: int, **__: Any) -> list[Any]:
        families = [socket.AF_INET6 if ":" in host else socket.AF_INET for host in hosts]
        return [(family, 0, 0, "", (host, port)) for family, host in zip(families, hosts, strict=True)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)


@needs_ipv6
async def test_a_name_of_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    await resolving(monkeypatch, "::1", "127.0.0.1", "127.0.0.2")
    sockets = await listen(ListenAddress("several", 0))
    assert [server.getsockname()[0] for server in sockets] == ["::1", "127.0.0.1", "127.0.0.2"]
    for server in sockets:
        server.close()


@needs_ipv6
async def test_an_address_of_a_name_that_the_machine_does_not_have_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    await resolving(monkeypatch, "2001:db8::1", "127.0.0.1")
    (server,) = await listen(ListenAddress("localhost", 0))
    assert server.getsockname()[0] == "127.0.0.1"
    server.close()
    await resolving(monkeypatch, "2001:db8::1", "192.0.2.1")
    with pytest.raises(ListenError, match=f"^localhost:0: {os.strerror(errno.EADDRNOTAVAIL).lower()}$"):
        await listen(ListenAddress("localhost", 0))


async def test_where_one_address_of_a_name_is_taken_none_is_listened_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        await resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
        with pytest.raises(ListenError, match=f"^localhost:{port}: address already in use$"):
            await listen(ListenAddress("localhost", port))
        socket.create_server(("127.0.0.2", port)).close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.1:0", "192.0.2.1:0: cannot assign requested address"),
        pytest.param("[2001:db8::1]:0", "[2001:db8::1]:0: cannot assign requested address", marks=needs_ipv6),
        ("no-such-host.invalid:0", "no-such-host.invalid:0: "),
        ("a..b:0", "a..b:0: "),
    ],
)
async def test_an_address_that_cannot_be_had(text: str, message: str) -> None:
    with pytest.raises(ListenError) as caught:
        await listen(ListenAddress.parse(text))
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) > len(text) + 2


async def test_the_same_address_twice() -> None:
    (server,) = await listen(ListenAddress.parse("127.0.0.1:0"))
    address = ListenAddress("127.0.0.1", server.getsockname()[1])
    with pytest.raises(ListenError, match=f"^{address}: address already in use$"):
        await listen(address)
    with pytest.raises(ListenError, match=f"^:{address.port}: address already in use$"):
        await listen(ListenAddress(None, address.port))
    server.close()
