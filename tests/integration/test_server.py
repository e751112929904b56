import asyncio
import zlib
from collections.abc import Sequence

import aiohttp
import pytest

from exporter.errors import ListenError
from exporter.exposition.text_format import Format
from exporter.web.endpoints import ListenAddress, check_metrics_path
from tests.support.exposition_oracle import assert_valid
from tests.support.web_server import GET, LOOPBACK, OPENMETRICS, Served, has_ipv6, publish, serving

# What is served


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body"),
    [
        ("/-/healthy", 200, "text/plain; charset=utf-8", "Healthy.\n"),
        ("/-/ready", 503, "text/plain; charset=utf-8", "Not ready: not every target has been polled once.\n"),
        ("/favicon.ico", 404, "text/plain; charset=utf-8", "404: Not Found"),
        ("/metrics/", 404, "text/plain; charset=utf-8", "404: Not Found"),
        ("/-/", 404, "text/plain; charset=utf-8", "404: Not Found"),
    ],
)
async def test_paths(path: str, status: int, content_type: str, body: str) -> None:
    headers = {"Content-Type": content_type, "Content-Length": str(len(body.encode()))}
    async with serving() as served:
        assert await served.ask(path) == (status, headers, body.encode())
        assert await served.ask(f"{path}?x=1") == (status, headers, body.encode())
        assert await served.ask(path, method="HEAD") == (status, headers, b"")


@pytest.mark.parametrize("path", ["/", "/api/v1/targets", "/metrics", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods(path: str, method: str) -> None:
    async with serving() as served:
        assert await served.ask(path, "Content-Length: 0", method=method) == (
            405,
            {"Content-Type": "text/plain; charset=utf-8", "Allow": "GET,HEAD", "Content-Length": "23"},
            b"405: Method Not Allowed",
        )


@pytest.mark.parametrize("folders", [0, 3, 60])
@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("packed", [False, True])
async def test_metrics(form: Format, folders: int, *, packed: bool) -> None:
    asked = [f"Accept: {OPENMETRICS if form is Format.OPENMETRICS else 'text/plain'}"]
    asked += ["Accept-Encoding: gzip"] if packed else []
    async with serving() as served:
        publish(served.store, folders, 100, 3)
        status, headers, body = await served.ask("/metrics", *asked)
        expected = b"".join(served.store.pages[form].text()[1]) + served.telemetry.exposition(form)
        assert status == 200
        assert headers == {
            "Content-Type": (
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
                if form is Format.OPENMETRICS
                else "text/plain; version=0.0.4; charset=utf-8"
            ),
            "Vary": "Accept, Accept-Encoding",
            **({"Content-Encoding": "gzip"} if packed else {}),
            "Content-Length": str(len(body)),
        }
        if packed:  # as curl and browsers do, which read one member and no more
            unpacking = zlib.decompressobj(wbits=31)
            body = unpacking.decompress(body)
            assert (unpacking.eof, unpacking.unused_data) == (True, b"")
        assert body == expected
        assert_valid(expected, form)
        assert await served.ask("/metrics", *asked, method="HEAD") == (status, headers, b"")


async def test_a_connection_is_kept_over_a_head_request() -> None:
    async with serving() as served:
        publish(served.store, 3, 100, 3)
        text = (await served.ask("/metrics"))[2]
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for method in ("HEAD", "GET", "HEAD", "GET"):
            writer.write(GET.replace(b"GET", method.encode()))
            assert b"\r\nContent-Length: %d\r\n" % len(text) in await reader.readuntil(b"\r\n\r\n")
            if method == "GET":
                assert await reader.readexactly(len(text)) == text
        writer.close()
        await writer.wait_closed()


async def test_ready() -> None:
    async with serving() as served:
        assert (await served.ask("/-/ready"))[0] == 503
        served.ready = True
        assert (await served.ask("/-/ready"))[::2] == (200, b"Ready.\n")
        served.web.stop_being_ready()
        assert (await served.ask("/-/ready"))[::2] == (503, b"Shutting down.\n")
        assert (await served.ask("/-/healthy"))[0] == 200
        assert (await served.ask("/metrics"))[0] == 200


@pytest.mark.parametrize(
    ("path", "asked", "link"),
    [
        ("/a/b", "/a/b", "./a/b"),
        ("/süd 1", "/s%C3%BCd%201", "./süd 1"),
        ('/"><b>', "/%22%3E%3Cb%3E", "./&#34;&gt;&lt;b&gt;"),
        ("/javascript:x", "/javascript:x", "./javascript:x"),
        ("//x", "//x", ".//x"),
    ],
)
async def test_the_metrics_at_another_path(path: str, asked: str, link: str) -> None:
    async with serving(metrics_path=check_metrics_path(path)) as served:
        assert (await served.ask(asked))[0] == 200
        assert (await served.ask("/metrics"))[0] == 404
        assert f'<a href="{link}">Metrics</a>' in (await served.text("/"))


# Listening


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on loopback")
async def test_several_addresses() -> None:
    async with serving(LOOPBACK, ListenAddress.parse("[::1]:0"), LOOPBACK) as served:
        hosts = [url.rpartition(":")[0] for url in served.web.urls]
        assert hosts == ["http://127.0.0.1", "http://[::1]", "http://127.0.0.1"]
        assert await statuses(served.web.urls) == [200, 200, 200]
        assert len(set(served.web.urls)) == 3


async def test_every_address_of_the_machine() -> None:
    async with serving(ListenAddress.parse(":0")) as served:
        assert {url.rpartition(":")[0] for url in served.web.urls} == {"http://localhost"}
        hosts = ["127.0.0.1", "[::1]"] if has_ipv6() else ["127.0.0.1"]
        assert len(served.web.sockets) == 1
        assert await statuses([f"http://{host}:{served.port}" for host in hosts]) == [200] * len(hosts)


async def statuses(urls: Sequence[str]) -> list[int]:
    async with aiohttp.ClientSession() as session:
        return [(await session.get(f"{url}/-/healthy")).status for url in urls]


async def test_an_address_that_is_taken() -> None:
    async with serving() as served:
        other = Served((LOOPBACK, ListenAddress("127.0.0.1", served.port)), "/metrics")
        with pytest.raises(ListenError, match=f"^127.0.0.1:{served.port}: .*address already in use"):
            await other.web.start()
        await other.web.stop()
        assert (await served.ask("/-/healthy"))[0] == 200


async def test_a_host_that_is_not_valid() -> None:
    served = Served((ListenAddress.parse("a..b:0"),), "/metrics")
    with pytest.raises(ListenError, match=r"^a\.\.b:0: "):
        await served.web.start()
    await served.web.stop()
