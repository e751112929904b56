import asyncio
import html
import logging
import traceback
from collections.abc import Iterator
from datetime import date

import aiohttp
import pytest

from exporter.errors import PollError
from tests.support.raw_servers import (
    CANARY,
    CANARY_IN_URL,
    TARGET,
    Reply,
    answer,
    chunked,
    client_of,
    proxying,
    reset,
    serving,
    then_close,
    then_hang,
)

DAY = date(2026, 11, 23)
ANSWER = answer()


ECHO = f"{CANARY_IN_URL} {CANARY} {html.escape(CANARY)} ?token={CANARY_IN_URL}".encode()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(ANSWER, id="success"),
        pytest.param(answer(ECHO, status="400 Bad token"), id="auth"),
        pytest.param(answer(ECHO, status=f"404 {CANARY_IN_URL}"), id="not found"),
        pytest.param(answer(ECHO, "Retry-After: 0", status="429 Too Many Requests"), id="rate limited"),
        pytest.param(
            answer(ECHO, f"Location: http://{CANARY_IN_URL}/{CANARY_IN_URL}", status="302 Found"), id="redirect"
        ),
        pytest.param(answer(ECHO, f"Location: http://[{CANARY_IN_URL}", status="302 Found"), id="redirect to no URL"),
        pytest.param(
            answer(ECHO, f"Set-Cookie: {CANARY_IN_URL}", f"Retry-After: {CANARY_IN_URL}", status="500 Oh"),
            id="server error",
        ),
        pytest.param(answer(b"x" * 20_000), id="too large"),
        pytest.param(answer(ECHO, "Content-Encoding: gzip"), id="bad gzip"),
        pytest.param(answer(ECHO, f"Content-Encoding: {CANARY_IN_URL}"), id="bad encoding"),
        pytest.param(then_close(b""), id="closed"),
        pytest.param(reset, id="reset"),
        pytest.param(then_close(answer(ECHO)[:-1]), id="short body"),
        pytest.param(then_close(chunked(ECHO)[:-3]), id="short chunks"),
        pytest.param(then_hang(ECHO + b"\r\n\r\n"), id="no HTTP"),
        pytest.param(then_hang(b"HTTP/1.1 200 OK\r\n" + ECHO + b"\r\n\r\n"), id="bad header"),
        pytest.param(then_hang(b"HTTP/1.1 200 OK\r\n"), id="timeout"),
    ],
)
async def test_the_token_shows_up_nowhere(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(reply) as server:
        await assert_secret(f"http://127.0.0.1:{server.port}", caplog)
    assert server.requests[0].line.startswith(f"GET /stats/Co/Co-Org?token={CANARY_IN_URL}")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", f"http://{'a' * 64}:1", "https://127.0.0.1:{port}"])
async def test_the_token_shows_up_nowhere_without_a_connection(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(ANSWER) as server:
        await assert_secret(url.format(port=server.port), caplog)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:canary@127.0.0.1:{port}",
        "http://user:canary@127.0.0.1:1",
        "https://user:canary@127.0.0.1:1",
        "http://user:canary@[bad",
        "canary:3128",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_password_of_a_proxy_shows_up_nowhere(
    proxy: str, scheme: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with proxying(refusal=answer(ECHO, status="407 Who are you")) as server:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.format(port=server.port))
        await assert_secret(f"{scheme}://127.0.0.1:1", caplog)


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    if error is not None:
        assert not isinstance(error, aiohttp.ClientError)
        yield error
        yield from chain_of(error.__cause__)
        yield from chain_of(error.__context__)


async def assert_secret(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Poll and probe with everything logged, and look for the canary in all output."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # every step is logged, with what it was given
    caplog.set_level(logging.DEBUG)
    texts = []
    async with client_of(url, timeout_seconds=0.3, limit_bytes=10_000) as client:
        for send in (client.fetch, client.request_once):
            try:
                texts.append(repr(await send(TARGET, DAY)))
            except PollError as error:
                texts += traceback.format_exception(error)
                texts += [f"{each} {each!r}" for each in chain_of(error)]
        texts.append(repr(client))
    assert caplog.records
    texts += [caplog.text, *(repr(vars(record)) for record in caplog.records)]
    assert [text for text in texts if "canary" in text] == []
