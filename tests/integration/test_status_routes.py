import asyncio
import gc
import gzip
import json
import re
import time
from base64 import b64encode
from hashlib import sha256

import pytest

from exporter.exposition.families import FolderFigures
from exporter.polling.snapshot import Health
from exporter.polling.target_state import LastError
from tests.support.target_statuses import NOW, status_of
from tests.support.web_server import Served, serving

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding",
}
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize(
    ("path", "content_type"), [("/", "text/html; charset=utf-8"), ("/api/v1/targets", "application/json")]
)
@pytest.mark.parametrize("packed", [False, True])
async def test_headers(path: str, content_type: str, *, packed: bool) -> None:
    async with serving() as served:
        served.targets = [status_of("A")]
        asked = ["Accept-Encoding: gzip"] if packed else []
        status, headers, _ = await served.ask(path, *asked)
        policy = headers.pop("Content-Security-Policy", None)
        encoded = {"Content-Encoding": "gzip"} if packed else {}
        assert (status, headers) == (200, {"Content-Type": content_type, **SAFE, **CHUNKED, **encoded})
        if path == "/":
            style = re.findall("<style>(.*?)</style>", await served.text("/"), re.DOTALL)[0]
            digest = b64encode(sha256(style.encode()).digest()).decode()
            assert policy == (
                f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
                "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            )
        head_status, head, body = await served.ask(path, *asked, method="HEAD")
        head.pop("Content-Security-Policy", None)
        assert (head_status, head, body) == (200, {"Content-Type": content_type, **SAFE, **encoded}, b"")


async def test_a_compressed_page_is_one_gzip_member() -> None:
    async with serving() as served:
        served.targets = [status_of(f"F{number}") for number in range(1000)]
        plain = await served.raw("/api/v1/targets")
        packed = await served.raw("/api/v1/targets", "Accept-Encoding: gzip")
        assert packed.count(b"\x1f\x8b\x08") == 1
        assert len(packed) < len(plain) / 5
        assert gzip.decompress(packed) == plain
        assert len(json.loads(plain)["data"]["targets"]) == 1000


async def test_nothing_on_the_page_is_fetched_and_every_link_is_relative() -> None:
    async with serving() as served:
        served.targets = [status_of("A"), status_of()]
        html = await served.text("/")
    assert re.findall(r"<(?:script|img|iframe|object|embed|base)\b", html) == []
    assert re.findall(r"""\s(?:on\w+|style|src|action)=""", html) == []
    assert {link[:1] for link in re.findall(r'href="(.*?)"', html) if not link.startswith("data:")} == {".", "?", "#"}


async def longest_wait(served: Served, path: str) -> tuple[float, int]:
    """Return the longest step of the event loop while a page is made, in CPU seconds, and the size of the page."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begun)

    watching = asyncio.create_task(watch())
    text = await served.text(path)
    watching.cancel()
    return longest, len(text)


@pytest.mark.parametrize(
    "path", ["/", "/?filter=f&sort=calls", "/api/v1/targets", "/api/v1/targets?filter=f&sort=calls"]
)
async def test_the_event_loop_is_not_blocked(path: str) -> None:
    """The limit is far above the usual, for busy machines, and far below the time for the whole page."""
    folders = {f"F{number:05}": FolderFigures(calls=number % 97, agents=1) for number in range(50_000)}
    async with serving() as served:
        gc.disable()  # a collection looks through all that the tests have loaded
        served.targets = [status_of(folders=folders), *(status_of(f"F{number:04}") for number in range(2000))]
        wait, size = await longest_wait(served, path)
        gc.enable()
    assert wait < 0.04
    assert size > 1_000_000


async def test_failures_of_many_targets_do_not_block_it_either() -> None:
    """No two errors are the same, but all have one cause."""
    async with serving() as served:
        served.targets = [
            status_of(f"F{number}", Health.FAILING, error=LastError.of("connect", f"refused; it says: {number}", NOW))
            for number in range(10_000)
        ]
        gc.disable()
        wait, size = await longest_wait(served, "/")
        gc.enable()
        assert "All 10,000 targets fail: refused" in await served.text("/")
    assert wait < 0.04
    assert size > 1_000_000


async def test_a_client_that_goes_away() -> None:
    async with serving() as served:
        served.targets = [status_of(f"F{number:04}") for number in range(2000)]
        for path in ("/", "/api/v1/targets"):
            _, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await writer.drain()
            writer.transport.abort()
        assert (await served.ask("/-/healthy"))[0] == 200


async def test_uptime_is_by_the_clock_that_is_never_set() -> None:
    async with serving() as served:
        served.clock.advance(90)
        served.clock.set(0)
        data = json.loads(await served.text("/api/v1/targets"))["data"]
        assert (data["uptime_seconds"], data["started"]) == (90.0, "2026-11-23T17:00:00.000Z")
