"""What compose.yaml mounts: that it is there, and accepted by the programs that read it."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import yaml
from msgspec import structs

from exporter.cli.demo import demo_config
from exporter.cli.main import main
from exporter.config.loaded import load_config
from exporter.config.units import DurationOrZero
from exporter.simulator import Simulator, demo_site
from exporter.simulator.calls import folder_calls
from tests.support.built_dashboards import filled
from tests.support.prometheus_process import demo
from tests.support.repository import ROOT
from tests.support.tools import tool
from tools.bench.measure import free_port
from tools.dashboards.days import day_calls

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXPORTER_CONFIG = DEPLOY / "compose" / "exporter.yaml"
DEADLINE_SECONDS = 30.0
SERVICE_NAMES = ["exporter", "grafana", "history", "history-blocks", "prometheus", "simulator"]
CHECKED = """\
http://simulator:3000: 0 targets in the configuration, and those that V-Spark lists
each poll within 5s, responses of at most 64MiB, at most 4 concurrent requests
the previous day every 10 intervals until 6h after midnight, and once at start
series for the 1000 busiest agents of each folder that match '.*' and not '', their ids unchanged
V-Spark is asked every 10m for companies, their orgs, folders and time zones (--discover does it now)
"""


def mounts(service: str) -> dict[str, Path]:
    """Return the files and folders that a service mounts from this repository, by their path in the container."""
    parts = [volume.split(":") for volume in SERVICES[service].get("volumes", []) if volume.startswith(".")]
    assert all(part[2:] == ["ro"] for part in parts)
    return {target: DEPLOY / source for source, target, _ in parts}


def put_together(service: str, folder: Path) -> Path:
    """Copy what a service mounts to where it would see it, below `folder`."""
    for target, source in mounts(service).items():
        place = folder / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place)
        else:
            shutil.copy(source, place)
    return folder


def test_docker_compose_accepts_the_file() -> None:
    program = tool("docker-compose", "docker-compose")
    done = subprocess.run(  # noqa: S603 # the arguments are ours
        [program, "-f", DEPLOY / "compose.yaml", "config", "--services"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, sorted(done.stdout.split())) == ("", SERVICE_NAMES)


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_mounted_is_there(service: str) -> None:
    assert [source for source in mounts(service).values() if not source.exists()] == []


def test_the_image_is_built_from_the_repository() -> None:
    assert {name: (DEPLOY / each["build"]).resolve() for name, each in SERVICES.items() if "build" in each} == {
        "simulator": ROOT,
        "exporter": ROOT,
        "history": ROOT,
    }


def test_images_have_a_tag_and_no_registry() -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert images == {
        "simulator": "vspark-exporter:compose",
        "exporter": "vspark-exporter:compose",
        "history": "vspark-exporter:compose",
        "history-blocks": "prom/prometheus:v3.5.0",
        "prometheus": "prom/prometheus:v3.5.0",
        "grafana": "grafana/grafana:13.2.1",
    }


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:10219:10219", "127.0.0.1:9090:9090", "127.0.0.1:3000:3000"]


def test_the_exporter_accepts_its_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config.file", str(EXPORTER_CONFIG), "--config.check"]) == 0
    assert capsys.readouterr() == (CHECKED, "")


def test_the_exporter_runs_as_in_the_demo() -> None:
    demo_like = demo_config(demo_site(), "http://simulator:3000")
    poll = structs.replace(demo_like.poll, previous_day_seconds=DurationOrZero(6 * 3600))
    assert load_config(EXPORTER_CONFIG, {}) == structs.replace(demo_like, poll=poll)
    assert SERVICES["simulator"]["entrypoint"] == ["python3", "-m", "exporter.simulator", "--listen", "0.0.0.0:3000"]


def test_promtool_accepts_what_prometheus_gets(tmp_path: Path) -> None:
    promtool = tool("promtool", "prometheus")
    config = put_together("prometheus", tmp_path) / "etc/prometheus/prometheus.yml"
    done = subprocess.run(  # noqa: S603 # the arguments are ours
        [promtool, "check", "config", config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert (done.returncode, re.findall(r"SUCCESS: (.*)", done.stdout.replace(str(tmp_path), ""))) == (
        0,
        [
            "2 rule files found",
            "/etc/prometheus/prometheus.yml is valid prometheus config file syntax",
            "15 rules found",
            "9 rules found",
        ],
    )


def test_grafana_gets_prometheus_and_the_dashboards(tmp_path: Path) -> None:
    folder = put_together("grafana", tmp_path)
    (source,) = yaml.safe_load((folder / "etc/grafana/provisioning/datasources/prometheus.yaml").read_text("utf-8"))[
        "datasources"
    ]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    (provider,) = yaml.safe_load((folder / "etc/grafana/provisioning/dashboards/vspark.yaml").read_text("utf-8"))[
        "providers"
    ]
    assert provider["options"]["path"] in mounts("grafana")


async def test_a_prometheus_evaluates_every_rule(tmp_path: Path) -> None:
    """The files of compose.yaml, but for the addresses and the pace: no rule has an error, and no alert is firing."""
    program = tool("prometheus", "prometheus")
    config = put_together("prometheus", tmp_path) / "etc/prometheus/prometheus.yml"
    text = config.read_text("utf-8").replace("_interval: 15s", "_interval: 1s")
    address = f"127.0.0.1:{free_port()}"
    async with Simulator(demo_site()) as simulator, demo(simulator) as url, aiohttp.ClientSession() as session:
        config.write_text(text.replace("exporter:10219", url.removeprefix("http://")))
        process = await asyncio.create_subprocess_exec(
            *(program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}"),
            f"--web.listen-address={address}",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                prometheus = f"http://{address}"
                by_org = await recorded(session, prometheus, "job_company_org:vspark_day_start:weekday")
                # The slowest: it takes two scrapes, and so every rule has met the exporter's metrics.
                await recorded(session, prometheus, "job_company:vspark_folder_calls_per_minute:rate15m")
                rules = await evaluated(session, prometheus)
        finally:
            process.terminate()
            await process.wait()
        assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
        assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []
        orgs = {(company.name, org.name) for company in simulator.site.companies for org in company.orgs}
        assert {(each["company"], each["org"]) for each in by_org} == orgs


async def test_three_weeks_of_history(tmp_path: Path) -> None:
    """The commands of the services, one after the other, in another place; and what Prometheus finds then."""
    tool("promtool", "prometheus")
    config = put_together("history", tmp_path) / "etc/vspark-exporter/config.yaml"
    first = datetime.now(UTC).date() - timedelta(days=22)
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "first-day").write_text(f"{first}\n")  # of a backfill that was interrupted yesterday
    put_together("prometheus", tmp_path)
    async with Simulator(demo_site()) as simulator:
        config.write_text(config.read_text("utf-8").replace("http://simulator:3000", simulator.url))
        requests = []
        for service in ("history", "history-blocks") * 2:  # the second time, everything is there already
            (command,) = SERVICES[service]["command"]
            for place in ("/history", "/prometheus", "/etc/"):
                command = re.sub(rf"(?<=[ =]){place}", f"{tmp_path}{place}", command)
            command = command.replace("$$", "$").replace(
                "vspark-exporter backfill", f"{sys.executable} -m exporter backfill"
            )
            process = await asyncio.create_subprocess_exec(
                *SERVICES[service]["entrypoint"], command, cwd=ROOT, stderr=subprocess.PIPE
            )
            _, errors = await process.communicate()
            assert (process.returncode, errors.decode()) == (0, "")
            requests.append(len(simulator.requests))
        (tmp_path / "prometheus.yml").write_text("scrape_configs: []\n")
        address = f"127.0.0.1:{free_port()}"
        flags = [flag.replace("/etc/prometheus", str(tmp_path)) for flag in SERVICES["prometheus"]["command"]]
        process = await asyncio.create_subprocess_exec(
            tool("prometheus", "prometheus"),
            *(flag.replace("=/prometheus", f"={tmp_path}/prometheus") for flag in flags),
            f"--web.listen-address={address}",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), aiohttp.ClientSession() as session:
                url = f"http://{address}"
                selector = '{job="vspark",instance="exporter:10219"}'
                found = {}
                for days in (1, 7, 14, 20):
                    calls = f"query?query=count(vspark_folder_calls_previous_day{selector} offset {days}d)"
                    agents = f"query?query=count(vspark_agent_calls_previous_day{selector} offset {days}d)"
                    found[days] = [(await ask(session, url, each))["result"] for each in (calls, agents)]
                bars = filled(day_calls())  # of the calls dashboard, which Grafana queries at midnight
                for age in (3, 10, 20):
                    day = datetime.now(UTC).date() - timedelta(days=age)
                    midnight = datetime.combine(day, time(), tzinfo=UTC).timestamp()
                    shown = await ask(session, url, f"query?query={quote(bars)}&time={midnight}")
                    assert {
                        (each["metric"]["org"], each["metric"]["folder"]): int(each["value"][1])
                        for each in shown["result"]
                    } == {
                        (org.name, folder.name): folder_calls(demo_site(), org, folder, day).calls
                        for company in demo_site().companies
                        for org in company.orgs
                        for folder in org.folders
                    }
        finally:
            process.terminate()
            await process.wait()
    folders = [folder for company in demo_site().companies for org in company.orgs for folder in org.folders]
    assert {days: calls[0]["value"][1] for days, (calls, _) in found.items()} == dict.fromkeys(
        (1, 7, 14, 20), str(len(folders))
    )
    assert all(int(agents[0]["value"][1]) > 100 for _, agents in found.values())
    assert len(set(requests)) == 1
    assert (
        min(each.query["daterange"][:8] for each in simulator.requests if "daterange" in each.query)
        == f"{first:%Y%m%d}"
    )
    assert requests[0] > len(folders)


async def ask(session: aiohttp.ClientSession, url: str, what: str) -> dict[str, Any]:
    """Ask Prometheus until it answers."""
    while True:
        with suppress(aiohttp.ClientError):
            async with session.get(f"{url}/api/v1/{what}") as response:
                body = await response.read()
                if response.ok:
                    data: dict[str, Any] = json.loads(body)["data"]
                    return data
        await asyncio.sleep(0.1)


async def recorded(session: aiohttp.ClientSession, url: str, name: str) -> list[dict[str, str]]:
    """Return the labels of what a rule has recorded, once there is something."""
    while not (result := (await ask(session, url, f"query?query={name}"))["result"]):
        await asyncio.sleep(0.1)
    return [each["metric"] for each in result]


async def evaluated(session: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    """Return the rules once each has been evaluated."""
    while True:
        rules = [rule for group in (await ask(session, url, "rules"))["groups"] for rule in group["rules"]]
        if rules and all(rule["health"] != "unknown" for rule in rules):
            return rules
        await asyncio.sleep(0.1)
