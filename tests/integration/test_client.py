import asyncio
import html
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from exporter import __version__
from exporter.config.tokens import FileToken, LiteralToken, Token
from exporter.errors import PollError, TokenError
from exporter.vspark.mapped_bodies import MappedBodies
from exporter.vspark.response import Response, status_error
from tests.support.raw_servers import (
    CANARY,
    CANARY_IN_URL,
    DEADLINE_SECONDS,
    TARGET,
    Observed,
    Reply,
    answer,
    client_of,
    failure_of,
    reset,
    serving,
    then_close,
    then_hang,
    until,
)

DAY = date(2026, 11, 23)
ANSWER = answer()


# What is sent


async def test_names_arrive_intact() -> None:
    target = replace(TARGET, company="Co/1", org="Co Org?", folder="Kunden & Co/Süd 100%?#;a=b+c%20")
    async with serving(ANSWER) as server, client_of(f"http://127.0.0.1:{server.port}") as client:
        await client.fetch(target, DAY)
        await client.fetch(replace(TARGET, folder="..."), None)
    assert server.lines == [
        (
            "GET /stats/Co%2F1/Co%20Org%3F/Kunden%20%26%20Co%2FS%C3%BCd%20100%25%3F%23%3Ba%3Db%2Bc%2520"
            f"?token={CANARY_IN_URL}&daterange=20261123-20261123 HTTP/1.1"
        ),
        f"GET /stats/Co/Co-Org/...?token={CANARY_IN_URL} HTTP/1.1",
    ]


@pytest.mark.parametrize("prefix", ["/v-spark/a%2Fb", "/v-spark/a%2Fb/"])
async def test_the_url_may_have_a_prefix(prefix: str) -> None:
    async with serving(ANSWER) as server, client_of(f"http://127.0.0.1:{server.port}{prefix}") as client:
        await client.fetch(TARGET, DAY)
    assert server.lines == [
        f"GET /v-spark/a%2Fb/stats/Co/Co-Org?token={CANARY_IN_URL}&daterange=20261123-20261123 HTTP/1.1"
    ]


async def test_several_days() -> None:
    async with serving(ANSWER) as server, client_of(f"http://127.0.0.1:{server.port}") as client:
        await client.fetch(TARGET, DAY, date(2026, 12, 1))
    (request,) = server.lines
    assert request.endswith("&daterange=20261123-20261201 HTTP/1.1")


async def test_the_headers_are_few_and_cookies_are_not_kept() -> None:
    async with (
        serving(answer(b"[]", "Set-Cookie: a=1; Path=/")) as server,
        client_of(f"http://localhost:{server.port}") as client,  # aiohttp keeps no cookie of an IP address anyway
    ):
        await client.fetch(TARGET, DAY)
        await client.fetch(TARGET, DAY)
    assert [request.headers for request in server.requests] == 2 * [
        {
            "Host": f"localhost:{server.port}",
            "User-Agent": f"vspark-exporter/{__version__}",
            "Accept-Encoding": "gzip, deflate",
            "Accept": "*/*",
        }
    ]
    assert server.connections == 1


async def test_a_token_is_read_again_when_its_file_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    target = replace(TARGET, token=FileToken(path))
    async with serving(ANSWER) as server, client_of(server.port) as client:
        await client.fetch(target, None)
        path.with_suffix(".new").write_text("second\n")
        path.with_suffix(".new").replace(path)
        await client.fetch(target, None)
    assert server.lines == [
        "GET /stats/Co/Co-Org?token=first HTTP/1.1",
        "GET /stats/Co/Co-Org?token=second HTTP/1.1",
    ]


async def test_nothing_is_sent_without_a_token(tmp_path: Path) -> None:
    observed = Observed()
    async with serving(ANSWER) as server:
        target = replace(TARGET, token=FileToken(tmp_path / "gone"))
        assert await failure_of(client_of(server.port, observe=observed), target) == (
            "TokenError no_token",
            f"cannot read '{tmp_path}/gone': No such file or directory",
        )
    assert (server.connections, observed) == (0, [])


async def test_a_token_file_that_hangs_fails_its_own_targets_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, end = tmp_path / "token", threading.Event()
    path.touch()
    hanging = replace(TARGET, token=FileToken(path))

    def read(_: Path) -> bytes:
        end.wait()
        return b"s3cret"

    monkeypatch.setattr("exporter.config.tokens.read_secret", read)
    async with serving(ANSWER) as server, client_of(server.port, timeout_seconds=0.3, concurrency=1) as client:
        polls = [asyncio.create_task(client.fetch(hanging, None)) for _ in range(20)]
        await asyncio.sleep(0)
        assert await client.fetch(TARGET, None) == b"[]"  # there is a slot and a thread for it
        assert not any(poll.done() for poll in polls)
        failures = {repr(error) for error in await asyncio.gather(*polls, return_exceptions=True)}
        assert failures == {repr(TokenError(f"cannot read '{path}' within 0.1 s; check its file system"))}
        with pytest.raises(TokenError) as caught:
            await client.fetch(hanging, None)
        assert str(caught.value) == f"cannot read '{path}': an earlier attempt still hangs; check its file system"
        end.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                with suppress(TokenError):
                    assert await client.fetch(hanging, None) == b"[]"
                    break
    assert server.lines == [
        f"GET /stats/Co/Co-Org?token={CANARY_IN_URL} HTTP/1.1",
        "GET /stats/Co/Co-Org?token=s3cret HTTP/1.1",
    ]


# What a response means


@pytest.mark.parametrize(
    ("status", "body", "failure", "tries"),
    [
        ("400 Bad Request", b'Missing "token" field', "StatusError auth", 1),
        ("400 Bad Request", b"Bad range", "StatusError client_error", 1),
        ("401 Unauthorized", b"", "StatusError auth", 1),
        ("403 Forbidden", b"", "StatusError auth", 1),
        ("404 Not Found", b"Company not found", "StatusError not_found", 1),
        ("429 Too Many Requests", b"", "StatusError rate_limited", 1),
        ("302 Found", b"", "StatusError redirect", 1),
        ("304 Not Modified", b"", "StatusError redirect", 1),
        ("418 Teapot", b"", "StatusError client_error", 1),
        ("500 Internal Server Error", b"", "StatusError server_error", 4),
        ("503 Service Unavailable", b"", "StatusError server_error", 4),
    ],
)
async def test_an_unsuccessful_status(status: str, body: bytes, failure: str, tries: int) -> None:
    observed = Observed()
    async with serving(answer(body, status=status)) as server:
        assert (await failure_of(client_of(server.port, observe=observed)))[0] == failure
    assert len(server.requests) == tries
    assert observed.codes == tries * [status[:3]]


async def test_a_status_error_quotes_the_page_without_the_token() -> None:
    link = f"<a href='?token={CANARY_IN_URL}'>GET</a> /stats?token={CANARY_IN_URL}"
    page = f"<h1>No</h1> {link} {html.escape(CANARY)} {CANARY}"
    async with serving(answer(page.encode(), status="403 Forbidden")) as server:
        assert await failure_of(client_of(server.port)) == (
            "StatusError auth",
            (
                "the token from the configuration file is rejected: check that it is valid for this request "
                "(status 403 Forbidden; it says: No GET /stats?token=*** *** ***)"
            ),
        )


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(b"x" * 300_000, status="403 Forbidden"), id="too large"),
        pytest.param(answer(b"x", "Content-Encoding: br", status="403 Forbidden"), id="not to be unpacked"),
        pytest.param(then_close(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n[]"), id="cut"),
    ],
)
async def test_a_status_counts_even_with_a_page_that_cannot_be_read(reply: Reply) -> None:
    async with serving(reply) as server:
        assert await failure_of(client_of(server.port)) == (
            "StatusError auth",
            (
                "the token from the configuration file is rejected: check that it is valid for this request "
                "(status 403 Forbidden)"
            ),
        )


async def test_a_redirect_is_not_followed() -> None:
    location = f"Location: https://login.example.com/?next=/stats?token={CANARY_IN_URL}"
    async with serving(answer(b"", location, status="302 Found")) as server:
        assert await failure_of(client_of(server.port)) == (
            "StatusError redirect",
            (
                "the response redirects to https://login.example.com, which is not followed: "
                "set vspark.url to the address of V-Spark itself (status 302 Found)"
            ),
        )


# One attempt, for `probe`


async def test_unrequested_data_is_not_the_response_to_the_next_request() -> None:
    late = asyncio.Event()

    async def twice(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"[1]"))
        await late.wait()
        writer.write(answer(b"[999]"))
        await writer.drain()

    async with serving(twice, answer(b"[2]")) as server, client_of(server.port) as client:
        assert await client.fetch(TARGET, None) == b"[1]"
        connector = client._session.connector
        assert connector is not None
        ((idle, _),) = next(iter(connector._conns.values()))
        late.set()
        await until(lambda: idle.should_close)
        assert await client.fetch(TARGET, None) == b"[2]"
        assert server.connections == 2


async def test_one_request_returns_any_response_without_the_token() -> None:
    headers = ("Retry-After: 1", f"Location: /login?token={CANARY_IN_URL}", "X-Other: 1")
    page = f"<p>{CANARY} {CANARY_IN_URL} ".encode() + b"\xff"
    observed = Observed()
    async with (
        serving(answer(page, *headers, status="503 Service Unavailable")) as server,
        client_of(server.port, observe=observed) as client,
    ):
        given = await client.request_once(replace(TARGET, folder="Süd 1"), DAY)
    url = f"http://127.0.0.1:{server.port}"
    assert given == Response(
        url_masked=f"{url}/stats/Co/Co-Org/S%C3%BCd%201?token=***&daterange=20261123-20261123",
        status=503,
        headers={"Content-Type": "text/html", "Location": "/login?token=***", "Retry-After": "1"},
        body=b"<p>*** *** \xff",
        seconds=given.seconds,
    )
    assert 0 < given.seconds < 1
    assert observed.codes == ["503"]


@pytest.mark.parametrize("token", ["token", "s3cret"])
async def test_one_request_says_whether_a_response_is_about_the_token(token: str) -> None:
    reply = answer(b"Invalid token was provided", status="400 Bad Request")
    async with serving(reply) as server, client_of(server.port) as client:
        response = await client.request_once(replace(TARGET, token=LiteralToken(token)), None)
    assert response.about_token
    assert status_error(response, Token(token), "a file").reason == "auth"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (reset, "disconnected"),
        (then_hang(), "timeout"),
        (answer(b"x" * 2000), "too_large"),
        (answer(b"x", "Content-Encoding: br"), "bad_encoding"),
    ],
)
async def test_one_request_is_not_retried(reply: Reply, reason: str) -> None:
    async with (
        serving(reply) as server,
        client_of(server.port, timeout_seconds=0.3, limit_bytes=1000) as client,
    ):
        with pytest.raises(PollError) as caught:
            await client.request_once(TARGET, None)
    assert (caught.value.reason, len(server.requests)) == (reason, 1)


async def test_one_request_without_a_token(tmp_path: Path) -> None:
    async with client_of(1) as client:
        with pytest.raises(TokenError):
            await client.request_once(replace(TARGET, token=FileToken(tmp_path / "gone")), None)


# Bodies that are mapped


class FakeMapper:
    """Returns each body twice, and remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes, Mapping[str, str | None]]] = []
        self.seconds: list[float] = []
        self.closed = False

    async def map(self, body: bytes, variables: Mapping[str, str | None], *, timeout_seconds: float) -> bytes:
        self.calls.append((body, variables))
        self.seconds.append(timeout_seconds)
        return body + body

    async def close(self) -> None:
        self.closed = True


async def test_a_body_is_mapped_in_the_rest_of_the_polls_time_and_what_it_mapped_is_closed() -> None:
    async def late(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)
        writer.write(answer(b"[1]"))

    mapper = FakeMapper()
    async with (
        serving(late) as server,
        client_of(server.port, timeout_seconds=20.0, concurrency=1, bodies=MappedBodies(mapper)) as client,
    ):
        other = replace(TARGET, folder="F")
        # The second one waits for the slot, which does not count.
        bodies = await asyncio.gather(client.fetch(TARGET, DAY), client.fetch(other, DAY))
        assert not mapper.closed
    assert [*bodies] == [b"[1][1]", b"[1][1]"]
    names = {"company": "Co", "org": "Co-Org", "day": "2026-11-23"}
    assert mapper.calls == [(b"[1]", names | {"folder": None}), (b"[1]", names | {"folder": "F"})]
    assert all(18 < seconds < 19.1 for seconds in mapper.seconds)
    assert mapper.closed


async def test_probe_gets_a_body_as_it_is() -> None:
    mapper = FakeMapper()
    async with serving(answer(b"[1]")) as server, client_of(server.port, bodies=MappedBodies(mapper)) as client:
        assert (await client.request_once(TARGET, DAY)).body == b"[1]"
    assert mapper.calls == []


# Spare requests


async def test_a_spare_request_is_sent_again_with_all_of_its_time_after_another_one_needed_its_slot() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await release.wait()
        await asyncio.sleep(0.6)
        writer.write(answer(b'[{"calls":1}]'))

    async with serving(then_hang(), slow) as server:
        observed = Observed()
        async with client_of(server.port, concurrency=1, timeout_seconds=1.0, observe=observed) as client:
            spare = asyncio.create_task(client.fetch(TARGET, DAY, spare=True))
            await until(lambda: len(server.requests) == 1)
            await asyncio.sleep(0.6)  # most of its time
            other = asyncio.create_task(client.fetch(replace(TARGET, folder="A"), DAY))
            await begun.wait()
            assert "/A?" in server.lines[1]
            release.set()
            assert await other == await spare == b'[{"calls":1}]'
        assert observed.codes == ["none", "200", "200"]


async def test_a_spare_request_that_times_out_does_not_make_its_target_slow() -> None:
    target = replace(TARGET, folder="A")
    async with serving(then_hang()) as server, client_of(server.port, timeout_seconds=0.2) as client:
        with pytest.raises(PollError) as caught:
            await client.fetch(target, DAY, spare=True)
        assert (caught.value.reason, target in client._hanging) == ("timeout", False)
        with pytest.raises(PollError):
            await client.fetch(target, DAY)
        assert target in client._hanging
