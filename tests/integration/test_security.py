"""Hostile clients and a hostile upstream cannot make the exporter do anything but serve its pages."""

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.exporter_process import Running, run
from tests.support.exporter_process import serving as program
from tests.support.raw_servers import Listener, Reply, Server, answer, read_request, serving, then_close
from tests.support.tools import tool

CLEAR_SCREEN, LINK, BELL = "\x1b[2J", "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\", "\x07"
HOSTILE = f"{CLEAR_SCREEN}{LINK}{BELL}\x9b31m\x85\u202egnp\u2066\u2028\x7f\x00"
SPLIT = "A\r\nSet-Cookie: evil=1\r\n\r\n<script>alert(1)</script>"
FORGED = '\nts=2026-11-23T00:00:00Z level=info event=forged\n{"event":"forged"}\n'


def config(folder: Path, url: str, orgs: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(
        f'vspark: {{url: "{url}", token: T0ken, timeout: 2s}}\npoll: {{interval: 1h}}\ndiscovery: {{enabled: false}}\n'
        f"companies: [{{name: C, orgs: [{orgs}]}}]\n"
    )
    return path


@asynccontextmanager
async def exporter(folder: Path, upstream: Server, *arguments: str) -> AsyncIterator[Running]:
    path = config(folder, f"http://127.0.0.1:{upstream.port}", "{name: O, timezone: UTC}")
    async with program(path, *arguments) as running:
        await running.series()
        yield running


# Requests


REQUESTS = {
    "GET /probe?target={evil}": 404,
    "GET /probe?module=http_2xx&target=127.0.0.1": 404,
    "GET /metrics?target={evil}&url={evil}&token=x&company=C": 200,
    "GET /metrics/{evil}": 404,
    "GET /stats/C/O?token=T0ken": 404,
    "GET {evil}/metrics": 200,
    "GET {evil}/stats/C/O": 404,
    "GET //{host}/metrics": 404,
    "GET /..//{host}/metrics": 404,
    "GET /?next={evil}": 200,
    "GET /-/ready?target={evil}": 200,
    "HEAD {evil}/": 200,
    "POST /metrics": 405,
    "POST /-/reload?file={evil}": 403,
    "POST /probe?target={evil}": 404,
    "PUT {evil}/config.yaml": 404,
    "CONNECT {host}": 404,
    "OPTIONS *": 404,
}


async def asked(running: Running, line: str, host: str) -> bytes:
    """Send a raw request with every header that names another host or path; return the response."""
    url = urlsplit(str(running.session._base_url))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    evil = f"http://{host}"
    headers = (
        f"Host: {host}",
        f"X-Forwarded-Host: {host}",
        f"Forwarded: host={host}",
        f"Referer: {evil}/",
        f"Origin: {evil}",
        f"X-Original-URL: {evil}/",
        f"X-Prometheus-Scrape-Target: {evil}",
        "Connection: close",
    )
    writer.write("\r\n".join([f"{line} HTTP/1.1", *headers, "", ""]).encode())
    async with asyncio.timeout(10):
        data = await reader.read()
    writer.close()
    return data


async def test_no_request_makes_the_exporter_ask_anything(tmp_path: Path) -> None:
    async with (
        serving(answer(b'{"A":{"calls":1}}')) as upstream,
        serving(answer(b"evil")) as evil,
        exporter(tmp_path, upstream) as running,
    ):
        assert len(upstream.requests) == 1
        host = f"127.0.0.1:{evil.port}"
        statuses = {}
        for request in REQUESTS:
            data = await asked(running, request.format(evil=f"http://{host}", host=host), host)
            statuses[request] = int(data.split(b" ", 2)[1])
            assert host.encode() not in data.partition(b"\r\n\r\n")[0]
            assert b"evil" not in data
        assert statuses == REQUESTS
        await asyncio.sleep(0.2)
        assert (len(upstream.requests), evil.connections) == (1, 0)


async def test_a_reload_by_http_says_neither_what_is_loaded_nor_what_is_asked(tmp_path: Path) -> None:
    async with (
        serving(answer(b'{"A":{"calls":1}}')) as upstream,
        serving(answer(b"evil")) as evil,
        exporter(tmp_path, upstream, "--web.enable-lifecycle") as running,
    ):
        host = f"127.0.0.1:{evil.port}"
        line = f"POST /-/reload?config.file=http://{host}/&url=http://{host}/"
        said = b"\r\nReloaded: 1 targets, 0 added, 0 changed, 0 removed. Differences: none.\n"
        assert (await asked(running, line, host)).endswith(said)
        (tmp_path / "config.yaml").write_text('"\\e[2J\\u202e": 1\n')
        data = (await asked(running, line, host)).decode()
        assert data.startswith("HTTP/1.1 500 ")
        assert ":1: unknown key, not shown because it may be a token" in data
        assert_plain(data.replace("\r\n", "\n"))
        await asyncio.sleep(0.2)
        assert (len(upstream.requests), evil.connections) == (1, 0)


async def test_a_redirect_is_not_followed_and_no_link_is_opened(tmp_path: Path) -> None:
    async with serving(answer(b"evil")) as evil:
        leads = answer(b"", f"Location: http://127.0.0.1:{evil.port}/", "Refresh: 0", status="302 Found")
        async with serving(leads) as upstream, exporter(tmp_path, upstream) as running:
            assert b'reason="redirect"' in (await running.get("/metrics"))[1]
            assert (len(upstream.requests), evil.connections) == (1, 0)


# Responses


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text"])
async def test_names_of_the_upstream_end_no_line_and_no_header(tmp_path: Path, accept: str) -> None:
    body = json.dumps({SPLIT: {"calls": 1, "agents": {f"{SPLIT}{HOSTILE}": 1}}}).encode()
    async with serving(answer(body)) as upstream, exporter(tmp_path, upstream) as running:
        url = urlsplit(str(running.session._base_url))
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n".encode())
        head, _, page = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    names = [line.split(b":")[0] for line in head.split(b"\r\n")[1:]]
    assert sorted(names) == [b"Connection", b"Content-Length", b"Content-Type", b"Date", b"Server", b"Vary"]
    assert b"evil" not in head
    lines = page.decode().split("\n")
    assert [line for line in lines if line and not re.match(r"# |[a-z_]+(\{.*\})? \S+$", line, re.DOTALL)] == []
    if accept == "text/plain":
        families = {family.name: family for family in text_string_to_metric_families(page.decode())}
        (sample,) = families["vspark_agent_calls_today"].samples
        assert sample.labels == {"company": "C", "org": "O", "folder": SPLIT, "agent": f"{SPLIT}{HOSTILE}"}
        promtool = [tool("promtool", "prometheus"), "check", "metrics"]
        checked = await asyncio.to_thread(subprocess.run, promtool, input=page, capture_output=True, check=False)
        assert (checked.stderr, checked.returncode) == (b"", 0)


# Logs and terminals


BODIES: dict[str, Reply] = {
    "a folder's name": answer(json.dumps({HOSTILE + FORGED: {"calls": 1, "agents": {HOSTILE + FORGED: "x"}}}).encode()),
    "a short key": answer(json.dumps({"\x1b[2J\u202e\n": 1}).encode()),
    "a field": answer(json.dumps({"date": HOSTILE + FORGED, "calls": 1}).encode()),
    "a value": answer(json.dumps({"A": {"calls": HOSTILE + FORGED}}).encode()),
    "a page": answer(f"<html>{HOSTILE}{FORGED}</html>".encode()),
    "an error": answer(f"{HOSTILE}{FORGED}".encode(), status="400 Bad"),
    "a page of entities": answer(b"&#27;[2J&#x202e;&#10;event=forged", status="500 Oh"),
    "a reason": answer(b"", status="418 \x1b[2J\u202e\x07"),
    "a place": answer(b"", "Location: http://\u202e\x1b[2J.example/\x07", status="302 Found"),
    "another place": answer(b"", "Location: http://xn--\u202e%1b%0a.example:x/", status="302 Found"),
    "a type": answer(b"{}", "Content-Type: text/\x1b[2J\u202e\x07"),
    "an encoding": answer(b"{}", "Content-Encoding: \x1b[2J\x07"),
    "no http": then_close(f"{HOSTILE}{FORGED}\r\n\r\n".encode()),
    "a broken header": then_close(f"HTTP/1.1 200 OK\r\n{HOSTILE}: x\r\nContent-Length: {BELL}\r\n\r\n".encode()),
}


REASONS = {
    **dict.fromkeys(("a folder's name", "a short key", "a field", "a value"), "unrecognized"),
    "a page": "not_json",
    "an error": "client_error",
    "a page of entities": "server_error",
    "a reason": "client_error",
    "a place": "redirect",
    "another place": "redirect",
    "an encoding": "bad_encoding",
    "no http": "disconnected",
    "a broken header": "disconnected",
}
"""The failure that each body causes; "a type" is not a failure."""


@asynccontextmanager
async def hostile(folder: Path) -> AsyncIterator[Path]:
    """Run a V-Spark with a folder for each of BODIES, and yield a configuration of all folders."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            line = (await read_request(reader)).line
            reply = next(reply for what, reply in BODIES.items() if f"/{quote(what)}?" in line)
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(reader, writer)

    async with Listener(serve) as listener:
        folders = json.dumps([*BODIES])
        yield config(folder, f"http://127.0.0.1:{listener.port}", f"{{name: O, timezone: UTC, folders: {folders}}}")


def assert_plain(text: str) -> None:
    assert [char for char in text if not char.isprintable() and char != "\n"] == []


async def test_text_of_the_upstream_in_logfmt(tmp_path: Path) -> None:
    async with hostile(tmp_path) as path, program(path, "--log.level=debug") as running:
        await running.series()
        _, lines, _ = await running.stop(signal.SIGTERM)
    assert_plain("\n".join(lines))
    assert [
        line for line in lines if not re.match(r'ts=20\S+ level=(debug|info|warn) event=([a-z_]+|"[\w: ]+")( |$)', line)
    ] == []
    failed = [re.search(r'target="?C/O/([^"]+?)"? reason=(\w+)', line) for line in lines if "event=poll_failed" in line]
    assert {each[1]: each[2] for each in failed if each} == REASONS
    assert [line for line in lines if re.match(r"\S+ \S+ event=forged", line)] == []


async def test_text_of_the_upstream_in_json_lines(tmp_path: Path) -> None:
    async with hostile(tmp_path) as path, program(path, "--log.level=debug", "--log.format=json") as running:
        await running.series()
        _, lines, _ = await running.stop(signal.SIGTERM)
    assert_plain("\n".join(lines))
    events = [json.loads(line) for line in lines]
    failed = {each["target"]: each["reason"] for each in events if each["event"] == "poll_failed"}
    assert failed == {f"C/O/{what}": reason for what, reason in REASONS.items()}
    assert [each for each in events if each["event"] == "forged"] == []


async def test_text_of_the_upstream_in_what_probe_shows(tmp_path: Path) -> None:
    async with hostile(tmp_path) as path:
        code, out, errors = await run(f"--config.file={path}", "probe")
    assert (code, errors) == (1, "")
    assert_plain(out)
    assert re.findall(r"FAILED    (\w+)", out) == [REASONS[what] for what in BODIES if what in REASONS]
    assert out.endswith(f"understood: {len(BODIES) - len(REASONS)} of {len(BODIES)}\n")


async def test_text_of_the_configuration_on_the_terminal(tmp_path: Path) -> None:
    path = config(tmp_path, "http://v", '{name: "O\\u202e", folders: ["F\\u2066\\u2028"]}')
    code, out, errors = await run(f"--config.file={path}", "--config.check")
    assert (code, errors) == (0, "")
    assert "  O\\u202e, WARNING" in out
    assert "    F\\u2066\\u2028, every" in out
    assert_plain(out)
    code, out, errors = await run(f"--config.file={path}", "probe", "\x1b[2J")
    assert "There is no target '\\x1b[2J'" in errors
    assert_plain(errors)


BROKEN = {
    "key": '"\\e[2J\\x7f\\x9b\\u202e": 1',
    "nested": 'vspark: {"\\e]0;x\\a": 1, url: "\\e[2J", token_file: "\\e[2J\\u202e\\n"}',
    "zone": 'companies: [{name: "\\e[2J", orgs: [{name: x, timezone: "\\e[2J\\u202e\\n\\x7f"}]}]',
    "files": 'vspark: {url: http://v, token: x, tls: {ca_file: "\\e[2J\\u202e"}}\nagents: {hash_key_file: "\\u202e"}',
    "durations": 'poll: {interval: "\\e[2J", stale_after: "\\u202e\\x9b"}\nagents: {include: "(\\e[2J"}',
    "twice": '"\\e[2J\\u202e": 1\n"\\e[2J\\u202e": 2',
    "tag": "!\u202e x",
    "names": 'stats_fields: {calls: ["\\u202e", "calls\\e"], agents: ["\\u202e", calls]}',
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_wrong_with_a_configuration_is_told_without_its_control_characters(
    tmp_path: Path, what: str
) -> None:
    path = tmp_path / "\u202e\x1b[2J.yaml"
    path.write_text(f"{BROKEN[what]}\n")
    code, out, errors = await run(f"--config.file={path}")
    assert (code, out) == (2, "")
    named = re.escape(f"{tmp_path}/\\u202e\\x1b[2J.yaml")
    assert all(re.match(rf"{named}(:[0-9]+)?: ", line) for line in errors.splitlines())
    assert errors
    assert_plain(errors)
