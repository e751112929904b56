"""Three processes share the targets of one V-Spark, and a real Prometheus scrapes them."""

import signal
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import yaml

from exporter.simulator import Company, Folder, Org, Simulator, Site, wide_site
from tests.support.exporter_process import Running, serving
from tests.support.prometheus_process import Numbers, numbers, prometheus, query
from tests.support.repository import ROOT
from tools.bench.measure import free_port

SHARDS = 3
FOLDERS = tuple(Folder(f"F{number}", 400, ("a", "b"), weekend_share=1.0, absent_share=0.0) for number in range(9))
SITE = Site((*wide_site(6, 4, 3).companies, Company("ListedCo", "x", (Org("ListedCo-Org", "UTC", FOLDERS),))))
"""Six orgs that are discovered, each one target, and nine folders of a listed org, each a target."""

CONFIG = """\
vspark: {{url: "{url}", token: "{token}"}}
poll: {{interval: 1s, stale_after: 1m}}
companies:
  - name: WideCo
  - {{name: ListedCo, orgs: [{{name: ListedCo-Org, folders: [{folders}]}}]}}
"""
AGENT = ("company", "org", "folder", "agent")
AGENTS = {
    (company.name, org.name, folder.name, agent)
    for company in SITE.companies
    for org in company.orgs
    for folder in org.folders
    for agent in folder.agents
}
TARGETS = 6 + len(FOLDERS)
CALLS = "vspark_folder_calls_today"
MISSING = 'ALERTS{alertname="VSparkShardMissing",alertstate="firing"}'


def evening() -> datetime:
    """Return nine o'clock of today: every agent has calls, and no number changes."""
    return datetime.now(UTC).replace(hour=21, minute=0, second=0, microsecond=0)


def impatient_rule(folder: Path) -> Path:
    """Return a file with the alert about missing shards, which fires after two seconds instead of five minutes."""
    groups = yaml.safe_load((ROOT / "helm/vspark-exporter/rules/alerts.yaml").read_text("utf-8"))["groups"]
    (rule,) = (each for group in groups for each in group["rules"] if each.get("alert") == "VSparkShardMissing")
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "shards", "rules": [rule | {"for": "2s"}]}]}))
    return path


async def test_every_series_exists_once_also_while_a_shard_restarts(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(SHARDS)]
    config = tmp_path / "config.yaml"

    def shard(number: int) -> AbstractAsyncContextManager[Running]:
        address = ("--web.listen-address", f"127.0.0.1:{ports[number]}")
        return serving(config, *address, "--shard", str(number), "--total-shards", str(SHARDS))

    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(SITE, clock=evening))
        names = ", ".join(folder.name for folder in FOLDERS)
        config.write_text(CONFIG.format(url=simulator.url, token=SITE.root_token, folders=names))
        running = [await stack.enter_async_context(shard(number)) for number in range(SHARDS)]
        session = await stack.enter_async_context(aiohttp.ClientSession())
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        server = await stack.enter_async_context(prometheus(urls, tmp_path, rules=[impatient_rule(tmp_path)]))

        async def found(expression: str, *labels: str) -> Numbers:
            return numbers(await query(session, server, expression), *labels)

        async def assert_complete() -> None:
            """Wait until there are enough series; each of them must exist, and exist once."""
            await found(f"count(vspark_agent_calls_today) >= {len(AGENTS)} and count(vspark_up == 1) >= {TARGETS}")
            agents = await found("count by (company, org, folder, agent) (vspark_agent_calls_today)", *AGENT)
            assert agents == dict.fromkeys(AGENTS, 1)
            folders = await found(f"count by (company, org, folder) ({CALLS})", *AGENT[:3])
            assert folders == dict.fromkeys({agent[:3] for agent in AGENTS}, 1)
            targets = await found("count by (company, org, folder) (vspark_up)", "company", "org")
            assert targets == dict.fromkeys({agent[:2] for agent in AGENTS}, 1)
            assert await found("count(vspark_up)") == {(): TARGETS}

        await assert_complete()
        begun = time.time()
        shares = await found('count by (instance) (vspark_up{company="ListedCo"})', "instance")
        assert len(shares) == SHARDS  # the org's folders come from all of them
        counters = await found("vspark_folder_calls_total", *AGENT[:3])
        assert await found("count by (shard, total_shards) (vspark_exporter_build_info)", "shard", "total_shards") == {
            (str(number), str(SHARDS)): 1 for number in range(SHARDS)
        }
        assert await found("count(vspark_discovery_up == 1)") == {(): 2 * SHARDS}  # both companies, by every shard

        others = f'{CALLS}{{instance!="127.0.0.1:{ports[1]}"}}'
        remaining = await found(f"count({others})")
        assert 0 < remaining[()] < len(counters)
        assert (await running[1].stop(signal.SIGTERM))[0] == 0
        await found(f"{MISSING} == 1")
        assert await found(f"count({CALLS})") == remaining

        await stack.enter_async_context(shard(1))
        await assert_complete()
        await found(f"absent({MISSING})")
        assert await found("vspark_folder_calls_total", *AGENT[:3]) == counters
        window = f"[{time.time() - begun:.0f}s:1s]"
        assert await found(f"max_over_time(max(count by (company, org, folder) ({CALLS})){window})") == {(): 1}
        assert await found(f"min_over_time(count({others}){window})") == remaining
