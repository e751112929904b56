import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.auth import AccessControl
from exporter.web.toolkit.file import WebConfigFile
from tests.support import tls_files as secured
from tests.support.tls_files import HASH, PASSWORD, USERS, write
from tests.support.web_server import Served, publish, serving

UNAUTHORIZED = (
    401,
    {"WWW-Authenticate": "Basic", "Content-Type": "text/plain; charset=utf-8", "Content-Length": "17"},
    b"401: Unauthorized",
)
HEADERS = """\
http_server_config:
  headers:
    X-Frame-Options: deny
    X-XSS-Protection: 1
    Content-Security-Policy: "default-src 'self'"
"""
SET = {"X-Frame-Options": "deny", "X-XSS-Protection": "1", "Content-Security-Policy": "default-src 'self'"}


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    return f"Authorization: {secured.basic(user, password, scheme)}"


@asynccontextmanager
async def guarded(folder: Path, text: str) -> AsyncIterator[tuple[Served, WebConfigFile]]:
    file = WebConfigFile(write(folder, text))
    async with serving(web_file=file) as served:
        publish(served.store, 1, 1, 1)
        yield served, file


async def test_a_user_with_the_password_is_served(tmp_path: Path) -> None:
    async with guarded(tmp_path, USERS) as (served, _):
        assert served.web.urls == [f"http://127.0.0.1:{served.port}"]
        for path in ("/", "/metrics"):
            assert await served.ask(path) == UNAUTHORIZED
            assert (await served.ask(path, basic("alice", PASSWORD)))[0] == 200
            assert (await served.ask(path, basic("alice", PASSWORD, "basic")))[0] == 200
            assert await served.ask(path, basic("alice", PASSWORD + "x")) == UNAUTHORIZED
            assert await served.ask(path, basic("bob", PASSWORD)) == UNAUTHORIZED
        assert await served.ask("/nowhere") == UNAUTHORIZED
        assert (await served.ask("/nowhere", basic("alice", PASSWORD)))[0] == 404
        for path in ("/metrics", "/-/reload"):
            assert await served.ask(path, method="POST") == UNAUTHORIZED
        assert await served.ask("/metrics", method="HEAD") == (*UNAUTHORIZED[:2], b"")


@pytest.mark.parametrize(
    "path",
    [
        *("/-/healthy/", "/-/healthy/../../metrics", "//-/healthy", "/-/ready%2f", "/-%2Fready", "/-%252Fready"),
        *("/metrics?/-/healthy", "/-/"),
    ],
)
async def test_nothing_but_health_is_open(tmp_path: Path, path: str) -> None:
    async with guarded(tmp_path, USERS) as (served, _):
        assert (await served.ask("/-/healthy"))[::2] == (200, b"Healthy.\n")
        assert (await served.ask("/-/ready"))[0] == 503
        assert await served.ask(path) == UNAUTHORIZED


async def test_a_scrape_costs_no_hash_and_an_unknown_user_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []
    real = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        checked.append(hashed[:7])
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    async with guarded(tmp_path, USERS) as (served, file):
        for _ in range(5):
            assert (await served.ask("/metrics", basic("alice", PASSWORD)))[0] == 200
        assert checked == [b"$2b$04$"]
        assert await served.ask("/metrics", basic("mallory", "x")) == UNAUTHORIZED
        assert await served.ask("/metrics", basic("alice", "x")) == UNAUTHORIZED
        assert checked == [b"$2b$04$"] * 3
        # What is known stays so when something else has changed, and goes with the users.
        write(tmp_path, USERS + HEADERS)
        assert [file.look(), file.look()] == [False, True]
        assert (await served.ask("/metrics", basic("alice", PASSWORD)))[0] == 200
        assert len(checked) == 3
        write(tmp_path, USERS.replace("alice", "bob"))
        assert [file.look(), file.look()] == [False, True]
        assert await served.ask("/metrics", basic("alice", PASSWORD)) == UNAUTHORIZED
        assert len(checked) == 4


async def test_users_change_while_it_runs(tmp_path: Path) -> None:
    async with guarded(tmp_path, USERS) as (served, file):
        assert (await served.ask("/metrics", basic("alice", PASSWORD)))[0] == 200
        other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
        write(tmp_path, f"basic_auth_users: {{alice: '{other}', bob: '{HASH}'}}")
        assert [file.look(), file.look()] == [False, True]
        assert await served.ask("/metrics", basic("alice", PASSWORD)) == UNAUTHORIZED
        assert (await served.ask("/metrics", basic("alice", "other")))[0] == 200
        assert (await served.ask("/metrics", basic("bob", PASSWORD)))[0] == 200
        write(tmp_path, f"basic_auth_users: {{bob: '{HASH}'}}")
        assert [file.look(), file.look()] == [False, True]
        assert await served.ask("/metrics", basic("alice", "other")) == UNAUTHORIZED


async def test_a_flood_of_wrong_passwords_does_not_delay_others(tmp_path: Path) -> None:
    slow = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    async with guarded(tmp_path, f"basic_auth_users: {{alice: '{slow}'}}") as (served, _):
        known = basic("alice", PASSWORD)
        assert (await served.ask("/metrics", known))[0] == 200
        flood = [asyncio.create_task(served.ask("/metrics", basic("alice", f"x{number}"))) for number in range(40)]
        await asyncio.sleep(0)
        assert (await served.ask("/metrics", known))[0] == 200
        assert not all(task.done() for task in flood)  # it was served before them
        answers = [await task for task in flood]
    busy = [answer for answer in answers if answer[0] == 503]
    assert 0 < len(busy) < 40
    assert busy[0] == (
        503,
        {"Retry-After": "1", "Content-Type": "text/plain; charset=utf-8", "Content-Length": "55"},
        b"Too many passwords are being checked, try again later.\n",
    )
    assert [answer for answer in answers if answer[0] != 503] == [UNAUTHORIZED] * (40 - len(busy))


@pytest.mark.parametrize(
    "header",
    [
        *("", "Basic", "Basic ", "Bearer x", "Basic !!!", "Basic YWxpY2U=", "Basic =", "Basic YWxpY2U6", "\x80"),
        *(
            "Basic /////w==",
            "Basic YWxpY2U6eA== x",
            "Digest YWxpY2U6eA==",
            "Basic\tYWxpY2U6eA==",
            "Basic " + "A" * 5000,
        ),
    ],
)
async def test_a_header_without_a_password(tmp_path: Path, header: str) -> None:
    async with guarded(tmp_path, USERS) as (served, _):
        assert await served.ask("/metrics", f"Authorization: {header}") == UNAUTHORIZED


GARBAGE = st.one_of(
    st.binary(max_size=100),
    st.binary(max_size=60).map(lambda raw: b"Basic " + base64.b64encode(raw)),
    st.binary(max_size=60).map(lambda raw: b"basic " + raw),
    st.tuples(st.sampled_from(["alice", "Alice", "alice:", ""]), st.text(max_size=20)).map(
        lambda pair: b"BASIC " + base64.b64encode(":".join(pair).encode("utf-8", "surrogatepass"))
    ),
)


async def test_garbage_never_gets_anything(tmp_path: Path) -> None:
    async with guarded(tmp_path, USERS) as (served, _):

        async def statuses(header: bytes) -> set[bytes]:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + header + b"\r\n\r\n"
            writer.write(request)
            answer = await reader.read()
            writer.close()
            return set(re.findall(rb"^HTTP/1\.[01] ([0-9]{3})", answer, re.MULTILINE))

        loop = asyncio.get_running_loop()

        @given(GARBAGE)
        def ask(header: bytes) -> None:
            answered = asyncio.run_coroutine_threadsafe(statuses(header), loop).result(10)
            assert answered
            assert answered <= {b"400", b"401"}

        await asyncio.to_thread(ask)


async def test_every_response_has_the_configured_headers(tmp_path: Path) -> None:
    async with guarded(tmp_path, USERS + HEADERS) as (served, file):
        for path, status in (("/metrics", 200), ("/", 200), ("/-/healthy", 200), ("/-/ready", 503), ("/nowhere", 404)):
            answered, headers, _ = await served.ask(path, basic("alice", PASSWORD))
            assert (answered, {key: headers[key] for key in SET}) == (status, SET)
        assert SET.items() <= (await served.ask("/metrics"))[1].items()
        write(tmp_path, USERS)
        assert [file.look(), file.look()] == [False, True]
        assert SET.keys().isdisjoint((await served.ask("/metrics", basic("alice", PASSWORD)))[1])


async def test_the_rate_is_limited_but_for_probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(AccessControl.__init__, "__defaults__", (lambda: now[0],))
    async with guarded(tmp_path, "rate_limit: {interval: 2s, burst: 3}") as (served, file):

        async def statuses(number: int, path: str = "/metrics") -> list[int]:
            return [(await served.ask(path))[0] for _ in range(number)]

        assert await statuses(5) == [200, 200, 200, 429, 429]
        assert await statuses(5, "/-/healthy") == [200] * 5
        now[0] += 1.9
        assert await statuses(1) == [429]
        now[0] += 0.2
        assert await statuses(2) == [200, 429]
        now[0] += 1000
        assert await statuses(4) == [200, 200, 200, 429]
        write(tmp_path, "rate_limit: {interval: 2s, burst: 1}")
        assert [file.look(), file.look()] == [False, True]
        assert await statuses(2) == [200, 429]
        write(tmp_path, "rate_limit: {interval: 0}")
        assert [file.look(), file.look()] == [False, True]
        assert await statuses(5) == [200] * 5


async def test_nothing_is_logged_of_a_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with guarded(tmp_path, USERS) as (served, _):
        for header in (basic("alice", PASSWORD), basic("alice", f"{PASSWORD}x"), f"Authorization: Basic {PASSWORD}"):
            status, headers, body = await served.ask("/metrics", header)
            shown = f"{status} {headers} {body.decode()} {caplog.text}"
            assert "canary" not in shown
            assert header.rpartition(" ")[2] not in shown
            assert HASH not in shown
