import asyncio
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest

from exporter import __version__
from exporter.cli.main import main
from exporter.exposition.text_format import Format
from exporter.simulator import Company, Fault, Folder, Org, Simulator, Site, utc_now, wide_site
from tests.support.checked_config import CHECKED, CONFIG
from tests.support.exporter_process import Running, begin, run, serving
from tests.support.exposition_oracle import assert_valid
from tests.support.raw_servers import until
from tests.support.repository import ROOT
from tests.support.web_server import has_ipv6

BAD_CONFIG = """\
vspark: {url: "https://vspark.example.com", token: canary-T0ken, tokens: x}
poll: {interval: 60}
companies:
  - name: DocTestCo
    orgs:
      - {name: DocTestCo-DocTesting, timezone: US/Estern}
"""
FLAGS = (
    *("--help", "--version", "--config.file", "--config.check", "--shard", "--total-shards"),
    *(
        "--web.listen-address",
        "--web.telemetry-path",
        "--web.config.file",
        "--web.disable-exporter-metrics",
        "--log.level",
        "--log.format",
    ),
    *("--web.enable-lifecycle", "--config.enable-auto-reload", "--config.auto-reload-interval"),
    "--web.max-requests",
    *("probe", "demo", "healthcheck"),
)


# Commands that end at once


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(url="https://vspark.example.com:3000"))
    return path


@pytest.fixture
def config_of_nothing(tmp_path: Path) -> Path:
    """A configuration whose V-Spark does not exist, so every target has soon been polled."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(url="http://127.0.0.1:1").replace("token: ", "timeout: 100ms, token: "))
    return path


async def test_version_and_help() -> None:
    assert await run("--version") == (0, f"vspark-exporter {__version__}\n", "")
    code, out, errors = await run("--help")
    assert (code, errors) == (0, "")
    assert out.startswith("usage: vspark-exporter ")
    assert [flag for flag in FLAGS if flag not in out] == []


def test_config_check_writes_names_that_the_terminal_does_not_know(config: Path) -> None:
    config.write_text(CONFIG.format(url="http://v").replace("DocTestCo-Sales", "Süd"))
    run = [sys.executable, "-m", "exporter", "--config.check", "--config.file", str(config)]
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(run, env=environ, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 # our own
    assert b"  S\\xfcd, WARNING" in done.stdout


async def test_config_check(config: Path) -> None:
    assert await run("--config.file", str(config), "--config.check") == (0, CHECKED, "")


async def test_config_check_discovers_if_that_is_wanted(tmp_path: Path) -> None:
    org = Org("Co-East", "US/Eastern", (Folder("A", 5), Folder("B", 5)))
    async with Simulator(Site((Company("Co", "token", (org,)),), root_token="canary-T0ken")) as simulator:
        path = tmp_path / "config.yaml"
        path.write_text(f"vspark: {{url: '{simulator.url}', token: canary-T0ken}}\n")
        found = await run("--config.file", str(path), "--config.check", "--discover")
        simulator.fail_path("/list/Co/orgs", fault=Fault.status(404))
        failed = await run("--config.file", str(path), "--config.check", "--discover")
    head = (
        "each poll within 10s, responses of at most 64MiB, at most 4 concurrent requests\n"
        "series for the 1000 busiest agents of each folder that match '.*' and not '', their ids unchanged\n"
    )
    lines = (
        "Co, token from the configuration file\n"
        "  Co-East, US/Eastern\n"
        "    (all folders, 2 listed), every 1m, stale after 5m\n"
    )
    assert found == (0, f"{simulator.url}: 1 target\n{head}{lines}", "")
    code, output, errors = failed
    assert (code, errors) == (1, "")
    assert output.startswith(f"{simulator.url}: 0 targets\n{head}WARNING: discovery of Co failed (not_found): ")


async def test_the_default_configuration_is_in_the_working_directory(config: Path) -> None:
    assert await run("--config.check", cwd=config.parent) == (0, CHECKED, "")


async def test_configurations_that_are_rejected(tmp_path: Path) -> None:
    bad, missing, tls = tmp_path / "bad.yaml", tmp_path / "missing.yaml", tmp_path / "tls.yaml"
    bad.write_text(BAD_CONFIG)
    (tmp_path / "ca.pem").write_text("no certificate")
    tls.write_text(CONFIG.format(url="https://x").replace("token: ", "tls: {ca_file: ca.pem}, token: "))
    found = await asyncio.gather(*(run("--config.file", str(path)) for path in (bad, missing, tls)))
    assert found == [
        (
            2,
            "",
            (
                f"{bad}:1: vspark.tokens: unknown key; did you mean 'token'?\n"
                f"{bad}:2: poll.interval: expected a duration such as 30s, got a number without a unit\n"
                f"{bad}:6: companies[0].orgs[0].timezone: unknown time zone 'US/Estern'; did you mean 'US/Eastern'?\n"
            ),
        ),
        (
            2,
            "",
            f"{missing} does not exist: name it with --config.file, or start from config.example.yaml\n",
        ),
        (2, "", f"{tls}:1: vspark.tls.ca_file: no CA certificates in {tmp_path}/ca.pem: no certificate or crl found\n"),
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["--web.listen-address", "1"],
            (
                "argument --web.listen-address: expected an address such as :10219, 127.0.0.1:10219 or [::1]:10219, "
                "got '1'"
            ),
        ),
        (
            ["--web.telemetry-path", "/"],
            "argument --web.telemetry-path: '/' is taken by another page; expected a path such as /metrics",
        ),
        (["--web.max-requests", "-1"], "argument --web.max-requests: expected a whole number, 0 or more, got '-1'"),
        (["--shard", "1"], "--shard and --total-shards must be given together"),
        (["--total-shards", "3"], "--shard and --total-shards must be given together"),
        (["--shard", "-1", "--total-shards", "3"], "argument --shard: expected a whole number, 0 or more, got '-1'"),
        (["--shard", "3", "--total-shards", "3"], "--shard must be at least 0 and less than --total-shards"),
        (["--shard", "0", "--total-shards", "0"], "--shard must be at least 0 and less than --total-shards"),
    ],
)
def test_flags_that_are_wrong(arguments: Sequence[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, errors = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert errors.splitlines()[-1] == f"vspark-exporter: error: {error}"


async def test_an_address_that_is_in_use(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, errors = await run("--config.file", str(config), "--web.listen-address", address)
    assert (code, out) == (1, "")
    warning, error = errors.splitlines()
    assert "event=no_time_zone" in warning
    assert re.sub("ts=[^ ]+ ", "", error).startswith(f'level=error event=cannot_listen error="{address}: ')
    assert error.endswith('hint="choose another address with --web.listen-address"')


async def test_the_same_address_twice(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    twice = ("--web.listen-address", address) * 2
    code, out, errors = await run("--config.file", str(config), *twice)
    assert (code, out) == (1, "")
    assert f'event=cannot_listen error="{address}: address already in use"' in errors.splitlines()[-1]


# Serving until a signal


async def test_healthcheck(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(url="http://127.0.0.1:1"))
    async with serving(path) as exporter:
        url = exporter.session._base_url
        assert url is not None
        address = f"127.0.0.1:{url.port}"
        healthy = (0, f"healthy: http://{address}/-/healthy\n", "")
        assert await run("healthcheck", "--web.listen-address", address) == healthy
        assert await run("--web.listen-address", address, "healthcheck") == healthy
        assert (await exporter.stop(signal.SIGTERM))[0] == 0
    assert await run("healthcheck", "--web.listen-address", address) == (
        *(1, ""),
        f"unhealthy: http://{address}/-/healthy: Connection refused\n",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_at_once_even_if_a_target_hangs(number: signal.Signals, tmp_path: Path) -> None:
    (company,) = wide_site(1, 60, 500).companies
    site = Site((Company("Wide", "token", (*company.orgs, Org("Hangs", "UTC", ()))),))
    path = tmp_path / "config.yaml"
    async with Simulator(site, clock=lambda: utc_now().replace(hour=23, minute=59)) as simulator:
        simulator.fail("Wide", "Hangs", fault=Fault.slow())
        path.write_text(
            f"vspark: {{url: '{simulator.url}', token: token}}\n"
            "discovery: {enabled: false}\n"
            "companies: [{name: Wide, orgs: [{name: WideCo-Org001, timezone: UTC}, {name: Hangs, timezone: UTC}]}]\n"
        )
        async with serving(path, "--web.max-requests", "1") as exporter:
            await until(lambda: len(simulator.requests) == 2)
            async with asyncio.timeout(30):
                while len((await exporter.get("/metrics"))[1]) < 6_000_000:
                    await asyncio.sleep(0.05)
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            url = exporter.session._base_url
            assert url is not None
            slow.connect(("127.0.0.1", url.port))
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert slow.recv(15) == b"HTTP/1.1 200 OK"
            limit = b"Limit of concurrent requests reached (1), try again later.\n"
            assert await exporter.get("/metrics") == (503, limit)
            assert (await exporter.get("/-/healthy"))[0] == 200
            code, logged, seconds = await exporter.stop(number)
            slow.close()
    assert code == 0
    assert seconds < 2
    assert [re.findall("event=([^ ]+)", line) for line in logged] == [["listening"], ["stopped"]]


async def test_lines_are_logfmt_or_json(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "vspark: {url: 'http://127.0.0.1:1', timeout: 100ms, token: canary-T0ken}\n"
        "discovery: {enabled: false}\n"
        "companies: [{name: DocTestCo, orgs: [{name: DocTestCo-Sales}]}]\n"
    )
    async with serving(path, "--log.format", "json") as one, serving(path, "--log.format", "logfmt") as other:
        await one.series()
        await other.series()
        _, lines, _ = await one.stop(signal.SIGTERM)
        _, logfmt, _ = await other.stop(signal.SIGTERM)
    assert "canary" not in "".join([*lines, *logfmt])
    found = [json.loads(line) for line in lines]
    for line in found:
        assert datetime.fromisoformat(line.pop("ts")).tzname() == "UTC"
    assert [(line["level"], line["event"], line.get("target")) for line in found] == [
        ("warn", "no_time_zone", None),
        ("info", "listening", None),
        ("warn", "poll_failed", "DocTestCo/DocTestCo-Sales"),
        ("info", "stopped", None),
    ]
    pair = r'[a-z_]+=(?:[^ "=]+|"(?:[^"\\]|\\.)*")'
    assert [line for line in logfmt if not re.fullmatch(f"{pair}( {pair})*", line)] == []
    assert [re.findall(r"event=(\S+)", line)[0] for line in logfmt] == [line["event"] for line in found]


async def test_shards_split_the_targets_and_the_process_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    folders = [f"Test{number:02}" for number in range(20)]
    text = CONFIG.format(url="http://127.0.0.1:1").replace("token: ", "timeout: 100ms, token: ")
    path.write_text(text.replace("Test01, Test02", ", ".join(folders)))
    whole = ("--shard", "0", "--total-shards", "2")
    without = ("--shard", "1", "--total-shards", "2", "--web.disable-exporter-metrics", "--web.telemetry-path", "/m")
    async with serving(path, *whole) as one, serving(path, *without) as other:
        found = [await one.series(), assert_valid((await ready(other)), Format.TEXT)]
        assert [(await each.stop(signal.SIGTERM))[0] for each in (one, other)] == [0, 0]
    assert {name.partition("_")[0] for name, _ in found[0]} == {"vspark", "process", "python"}
    assert {name.partition("_")[0] for name, _ in found[1]} == {"vspark"}
    shards = [{dict(labels)["folder"] for name, labels in each if name == "vspark_up"} for each in found]
    assert all(shards)
    assert sorted([*shards[0], *shards[1]]) == ["", *folders]


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text;version=1.0.0"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_only_our_own_families_are_left(config_of_nothing: Path, accept: str, encoding: str) -> None:
    asked = {"Accept": accept, "Accept-Encoding": encoding}
    async with serving(config_of_nothing, "--web.disable-exporter-metrics") as one:
        await one.series()
        async with one.session.get("/metrics", headers=asked) as response:
            assert response.headers["Content-Type"].startswith(accept.partition(";")[0])
            assert response.headers.get("Content-Encoding", "identity") == encoding
            page = await response.read()
    form = Format.OPENMETRICS if "openmetrics" in accept else Format.TEXT
    assert {name.partition("_")[0] for name, _ in assert_valid(page, form)} == {"vspark"}
    about = [line.split(" ")[2] for line in page.decode().splitlines() if line.startswith("# ") and line != "# EOF"]
    assert [name for name in about if not name.startswith("vspark_")] == []


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on loopback")
async def test_several_addresses_of_both_families(config: Path) -> None:
    addresses = ("[::1]:0", "localhost:0", ":0")
    flags = [flag for address in addresses for flag in ("--web.listen-address", address)]
    async with serving(config, *flags) as running:
        (line,) = [line for line in running.logged if "event=listening" in line]
        listening = re.findall(r'addresses="([^"]*)"', line)[0].split()
        hosts = [address.rpartition(":")[0] for address in listening]
        assert hosts[:2] == ["127.0.0.1", "[::1]"]
        assert hosts[-1] == "[::]"
        assert {"127.0.0.1"} <= set(hosts[2:-1]) <= {"127.0.0.1", "[::1]"}
        every = listening[-1].rpartition(":")[2]
        asked = [*listening[:-1], f"127.0.0.1:{every}", f"[::1]:{every}"]
        for address in asked:
            async with aiohttp.ClientSession(f"http://{address}") as session, session.get("/metrics") as response:
                assert response.status == 200
        assert (await running.stop(signal.SIGTERM))[0] == 0


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can limit another process")
async def test_more_connections_than_file_descriptors(config: Path) -> None:
    async with serving(config) as running:
        assert (await running.get("/-/healthy"))[0] == 200
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (40, 40))
        url = running.session._base_url
        assert url is not None
        flood = [await asyncio.open_connection("127.0.0.1", url.port) for _ in range(60)]
        assert "event=cannot_accept" in await running.read_log("cannot_accept")
        async with aiohttp.ClientSession(url) as other, other.get("/metrics") as response:
            assert response.status == 200
        for _, writer in flood:
            writer.transport.abort()
        code, logged, _ = await running.stop(signal.SIGTERM)
    assert code == 0
    assert len([line for line in logged if "event=cannot_accept" in line]) == 1


async def test_the_access_log(config: Path) -> None:
    async with serving(config, "--log.level", "debug") as running:
        url = running.session._base_url
        assert url is not None
        assert (await running.get("/metrics?token=x"))[0] == 200
        assert (await running.get("/%0Alevel=error%1B[2J"))[0] == 404
        _, lines, _ = await running.stop(signal.SIGTERM)
    requests = [
        re.sub(r"^ts=\S+ | bytes=[1-9]\d* seconds=0\.\d+$", "", line) for line in lines if "event=request" in line
    ]
    assert requests == [
        "level=debug event=request client=127.0.0.1 method=GET path=/metrics status=200",
        'level=debug event=request client=127.0.0.1 method=GET path="/%0Alevel=error%1B%5B2J" status=404',
    ]


async def ready(exporter: Running) -> bytes:
    async with asyncio.timeout(30):
        while (await exporter.get("/-/ready"))[0] != 200:
            await asyncio.sleep(0.01)
    assert (await exporter.get("/metrics"))[0] == 404
    return (await exporter.get("/m"))[1]


async def test_the_reader_of_a_probe_may_close_the_pipe(config: Path) -> None:
    process = await begin("--config.file", str(config), "probe")
    assert process.stdout is not None
    process.stdout._transport.close()  # type: ignore[attr-defined] # as head does
    assert process.stderr is not None
    async with asyncio.timeout(30):
        errors = await process.stderr.read()
        code = await process.wait()
    assert (code, errors) == (1, b"")
