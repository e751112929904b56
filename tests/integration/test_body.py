import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from tests.support.raw_servers import TARGET, answer, chunked, client_of, failure_of, serving

GZIP = "Content-Encoding: gzip"
DEFLATE = "Content-Encoding: deflate"
TEXT = b'[{"folder": "Test01", "calls": 12}]'


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        pytest.param(answer(TEXT), TEXT, id="plain"),
        pytest.param(answer(TEXT, "Content-Encoding: identity"), TEXT, id="identity"),
        pytest.param(chunked(TEXT[:5], TEXT[5:]), TEXT, id="chunked"),
        pytest.param(answer(gzip.compress(TEXT), GZIP), TEXT, id="gzip"),
        pytest.param(answer(gzip.compress(TEXT), "Content-Encoding: X-GZIP"), TEXT, id="x-gzip"),
        pytest.param(
            answer(gzip.compress(b"[1,") + gzip.compress(b"") + gzip.compress(b"2]"), GZIP), b"[1,2]", id="members"
        ),
        pytest.param(
            chunked(*(bytes([byte]) for byte in gzip.compress(TEXT)), headers=[GZIP]), TEXT, id="byte by byte"
        ),
        pytest.param(answer(zlib.compress(TEXT), DEFLATE), TEXT, id="deflate"),
        pytest.param(answer(raw_deflate(TEXT), DEFLATE), TEXT, id="deflate without header"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", b"", id="no content"),
        pytest.param(answer(b""), b"", id="empty"),
        pytest.param(answer(b"", GZIP), b"", id="empty, marked as gzip"),
    ],
)
async def test_a_body_is_decompressed(reply: bytes, body: bytes) -> None:
    async with serving(reply) as server, client_of(server.port) as client:
        assert await client.fetch(TARGET, None) == body


async def test_the_event_loop_is_not_blocked_while_a_body_is_decompressed() -> None:
    body = bytes(16 * 1024 * 1024)
    turns = turns_when_sent = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal turns_when_sent
        writer.write(answer(gzip.compress(body), GZIP))
        await writer.drain()
        turns_when_sent = turns

    async with serving(send) as server, client_of(server.port, limit_bytes=len(body)) as client:
        counting = asyncio.create_task(count())
        assert await client.fetch(TARGET, None) == body
        counting.cancel()
    assert turns - turns_when_sent >= 64


TOO_LARGE = (
    "the response is larger than 1000 bytes: raise vspark.max_response_size, or list the org's folders, "
    "so that each gets its own request"
)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", id="by its length, before any of it came"),
        pytest.param(chunked(b"x" * 600, b"y" * 401), id="chunked"),
        pytest.param(answer(gzip.compress(b"x" * 1001), GZIP), id="gzip"),
        pytest.param(answer(gzip.compress(b"x" * 600) + gzip.compress(b"x" * 401), GZIP), id="members"),
        pytest.param(answer(zlib.compress(b"x" * 1001), DEFLATE), id="deflate"),
    ],
)
async def test_a_body_above_the_limit_is_rejected(reply: bytes) -> None:
    async with serving(reply) as server:
        assert await failure_of(client_of(server.port, limit_bytes=1000)) == ("BodyError too_large", TOO_LARGE)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(b"x" * 1000), id="plain"),
        pytest.param(chunked(b"x" * 1000), id="chunked"),
        pytest.param(answer(gzip.compress(b"x" * 1000), GZIP), id="gzip"),
        # The length on the wire is not the one that is limited.
        pytest.param(answer(gzip.compress(b"x" * 1000) + gzip.compress(b"") * 60, GZIP), id="longer while packed"),
    ],
)
async def test_a_body_at_the_limit_is_accepted(reply: bytes) -> None:
    async with serving(reply) as server, client_of(server.port, limit_bytes=1000) as client:
        assert await client.fetch(TARGET, None) == b"x" * 1000


async def test_a_bomb_takes_no_memory() -> None:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(64)) + packer.flush()
    async with serving(answer(bomb, GZIP)) as server:
        tracemalloc.start()
        try:
            failure, _ = await failure_of(client_of(server.port, limit_bytes=1024 * 1024))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert failure == "BodyError too_large"
    assert peak_bytes < 4 * 1024 * 1024


NOT_REQUESTED = (
    "the response has another Content-Encoding than gzip, deflate, the only ones requested: "
    "check the proxy in front of V-Spark"
)


def problem_of(encoding: str, what: str) -> str:
    problem = f"the response cannot be decompressed by its Content-Encoding {encoding}, {what}"
    return f"{problem}: check the proxy in front of V-Spark"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        pytest.param(answer(TEXT, GZIP), problem_of("gzip", "it is damaged"), id="not gzip"),
        pytest.param(answer(gzip.compress(TEXT)[:-9], GZIP), problem_of("gzip", "it ends too early"), id="cut"),
        pytest.param(
            answer(gzip.compress(TEXT)[:-1] + b"?", GZIP),
            problem_of("gzip", "it is damaged"),
            id="wrong check sum",
        ),
        pytest.param(
            answer(gzip.compress(TEXT) + b"more", GZIP),
            problem_of("gzip", "it is damaged"),
            id="more after gzip",
        ),
        pytest.param(
            answer(zlib.compress(TEXT)[:-2], DEFLATE),
            problem_of("deflate", "it ends too early"),
            id="cut deflate",
        ),
        pytest.param(
            answer(zlib.compress(TEXT) + b"more", DEFLATE),
            problem_of("deflate", "more data follows its end"),
            id="more after deflate",
        ),
        pytest.param(
            answer(TEXT, "Content-Encoding: br"),
            NOT_REQUESTED,
            id="brotli",
        ),
        pytest.param(
            answer(TEXT, "Content-Encoding: gzip, gzip"),
            NOT_REQUESTED,
            id="twice",
        ),
    ],
)
async def test_a_body_that_cannot_be_decompressed_is_rejected(reply: bytes, message: str) -> None:
    async with serving(reply) as server:
        assert await failure_of(client_of(server.port)) == ("BodyError bad_encoding", message)
    assert len(server.requests) == 1
