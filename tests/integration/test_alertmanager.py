"""An outage of 200 targets in a real Prometheus, and the notification that a real Alertmanager sends of it."""

import asyncio
import re
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from exporter.errors import REASONS
from tests.support.repository import ROOT
from tests.support.tools import tool
from tools.bench.measure import free_port

DEADLINE_SECONDS = 120.0
ORGS, FOLDERS = 4, 50
TARGETS = ORGS * FOLDERS
EXPORTER = 'job="vspark",instance="exporter:10219"'
DOWN_MINUTES, ALL_MINUTES = 18, 25

INHIBIT_RULES = next(
    block
    for text in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "operations.md").read_text("utf-8"), re.DOTALL)
    if "inhibit_rules" in (block := yaml.safe_load(text))
)


def outage(now: int) -> Iterator[str]:
    """Yield OpenMetrics text: a sample a minute of 200 targets that all fail since DOWN_MINUTES ago."""
    minutes = [(age, now - 60 * age) for age in range(ALL_MINUTES, -1, -1)]
    families: dict[str, list[str]] = {}

    def add(name: str, labels: str, values: Iterable[tuple[float, int]]) -> None:
        families.setdefault(name, []).extend(f"{name}{{{EXPORTER}{labels}}} {value} {at}" for value, at in values)

    add("vspark_exporter_build_info", ',shard="0",total_shards="1"', [(1, at) for _, at in minutes])
    add("vspark_exporter_config_last_reload_success_timestamp_seconds", "", [(now - 9000, at) for _, at in minutes])
    for number in range(TARGETS):
        labels = f',company="Co",org="Org{number % ORGS}",folder="Folder{number // ORGS:02}"'
        success = now - 60 * DOWN_MINUTES
        add("vspark_up", labels, [(int(age >= DOWN_MINUTES), at) for age, at in minutes])
        add("vspark_last_success_timestamp_seconds", labels, [(min(success, at), at) for _, at in minutes])
        for reason in REASONS:
            failures = [(max(0, DOWN_MINUTES - age) if reason == "connect" else 0, at) for age, at in minutes]
            add("vspark_poll_failures_total", f'{labels},reason="{reason}"', failures)
    for name, lines in families.items():
        yield f"# TYPE {name.removesuffix('_total')} {'counter' if name.endswith('_total') else 'gauge'}\n"
        yield "".join(f"{line}\n" for line in lines)
    yield "# EOF\n"


def write_prometheus(folder: Path, alertmanager: str, now: int) -> None:
    """Write the configuration, the history of the outage, and the rules without their waiting times."""
    (folder / "outage.om").write_text("".join(outage(now)))
    command = [tool("promtool", "prometheus"), "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*command, "outage.om", "tsdb"], cwd=folder, check=True, capture_output=True)  # noqa: S603 # our own
    for path in (ROOT / "helm" / "vspark-exporter" / "rules").glob("*.yaml"):
        (folder / path.name).write_text(re.sub(r"\bfor: \w+", "for: 0s", path.read_text("utf-8")))
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": ["alerts.yaml", "recording.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


def alertmanager_config(webhook: str, rules: dict[str, Any]) -> dict[str, Any]:
    # Prometheus may find Alertmanager in the middle of an evaluation. The headline is then sent by the next one.
    return {
        "route": {"receiver": "test", "group_by": ["alertname", "namespace", "job"], "group_wait": "15s"},
        "receivers": [{"name": "test", "webhook_configs": [{"url": webhook}]}],
        **rules,
    }


@asynccontextmanager
async def program(folder: Path, *command: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def webhook() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Run a receiver of notifications; yield its URL, and the notifications."""
    received: list[dict[str, Any]] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(await request.json())
        return web.Response()

    app = web.Application(client_max_size=16 * 1024**2)
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://{runner.addresses[0][0]}:{runner.addresses[0][1]}/", received
    finally:
        await runner.cleanup()


async def is_ready(url: str, session: aiohttp.ClientSession) -> bool:
    with suppress(aiohttp.ClientError):
        async with session.get(f"{url}/-/ready") as response:
            return response.ok
    return False


async def states(url: str, session: aiohttp.ClientSession) -> dict[tuple[str, str], int]:
    """Return how many alerts of each name Alertmanager has in each state."""
    found: dict[tuple[str, str], int] = {}
    with suppress(aiohttp.ClientError):
        async with session.get(f"{url}/api/v2/alerts") as response:
            for alert in await response.json():
                key = (alert["labels"]["alertname"], alert["status"]["state"])
                found[key] = found.get(key, 0) + 1
    return found


def test_amtool_accepts_the_inhibit_rules(tmp_path: Path) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump(alertmanager_config("http://127.0.0.1/", INHIBIT_RULES)))
    command = [tool("amtool", "prometheus-alertmanager"), "check-config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # our own arguments
    assert (done.returncode, "4 inhibit rules" in done.stdout) == (0, True), done.stdout + done.stderr


async def test_an_outage_of_200_targets_sends_one_notification(tmp_path: Path) -> None:
    now = int(time.time())
    since = datetime.fromtimestamp(now - 60 * DOWN_MINUTES, UTC)
    address, port = f"127.0.0.1:{free_port()}", free_port()
    url = f"http://{address}"
    async with webhook() as (receiver, received), aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager_config(receiver, INHIBIT_RULES)))
        write_prometheus(tmp_path, address, now)
        alertmanager = program(
            tmp_path,
            tool("prometheus-alertmanager", "prometheus-alertmanager"),
            *("--config.file=alertmanager.yml", "--storage.path=alertmanager", f"--web.listen-address={address}"),
            "--cluster.listen-address=",
        )
        prometheus = program(
            tmp_path,
            tool("prometheus", "prometheus"),
            *(
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=tsdb",
                f"--web.listen-address=127.0.0.1:{port}",
                "--rules.alert.resend-delay=1s",
            ),
        )
        async with asyncio.timeout(DEADLINE_SECONDS), alertmanager:
            # Before Prometheus, so that the headline arrives before the alerts that it inhibits.
            while not await is_ready(url, session):
                await asyncio.sleep(0.1)
            await stack.enter_async_context(prometheus)
            expected = {
                ("VSparkUnreachable", "active"): 1,
                ("VSparkTargetDown", "suppressed"): TARGETS,
                ("VSparkDataStale", "suppressed"): TARGETS,
            }
            while not received or await states(url, session) != expected:
                await asyncio.sleep(0.1)
            assert [(each["groupLabels"], len(each["alerts"])) for each in received] == [
                ({"alertname": "VSparkUnreachable", "job": "vspark"}, 1)
            ]
            assert received[0]["commonAnnotations"] == {
                "summary": "All polls of V-Spark fail (job vspark).",
                "description": (
                    f"Failing targets: 200 (all). No poll has succeeded since {since:%Y-%m-%d %H:%M:%S} +0000 UTC. "
                    "Reason: connect. The exporter's log and status page have the error."
                ),
                "runbook": "docs/runbook.md#vsparkunreachable",
            }

            # Once the exporter is gone too, its other alerts are old.
            ends = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
            gone = {"labels": {"alertname": "VSparkExporterAbsent", "job": "vspark"}, "endsAt": ends}
            async with session.post(f"{url}/api/v2/alerts", json=[gone]) as response:
                assert response.status == 200
            expected = {
                ("VSparkExporterAbsent", "active"): 1,
                ("VSparkUnreachable", "suppressed"): 1,
                ("VSparkTargetDown", "suppressed"): TARGETS,
                ("VSparkDataStale", "suppressed"): TARGETS,
            }
            while await states(url, session) != expected:
                await asyncio.sleep(0.1)
