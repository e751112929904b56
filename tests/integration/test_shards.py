"""Three processes share the targets of one V-Spark, and a real Prometheus scrapes them."""

import signal
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
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
POLLED = 'label_replace(vspark_up, "folder", "(whole org)", "folder", "")'
MISSING = 'ALERTS{alertname="VSparkShardMissing",alertstate="firing"}'


RULES = ROOT / "helm" / "vspark-exporter" / "rules"
RECORDING = RULES / "recording.yaml"


def evening() -> datetime:
    """Return nine o'clock of today: every agent has calls, and no number changes."""
    return datetime.now(UTC).replace(hour=21, minute=0, second=0, microsecond=0)


def impatient_rule(folder: Path) -> Path:
    """Return a file with the alert about missing shards, which fires after two seconds instead of five minutes."""
    groups = yaml.safe_load((RULES / "alerts.yaml").read_text("utf-8"))["groups"]
    (rule,) = (each for group in groups for each in group["rules"] if each.get("alert") == "VSparkShardMissing")
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "shards", "rules": [rule | {"for": "2s"}]}]}))
    return path


class Scene:
    """Shards by their number, each at an address that it keeps, and the Prometheus that scrapes them."""

    prometheus_url: str

    def __init__(self, config: Path, session: aiohttp.ClientSession) -> None:
        self.ports = [free_port() for _ in range(SHARDS)]
        self._config = config
        self._session = session

    def shard(self, number: int, total_shards: int) -> AbstractAsyncContextManager[Running]:
        address = ("--web.listen-address", f"127.0.0.1:{self.ports[number]}")
        return serving(self._config, *address, "--shard", str(number), "--total-shards", str(total_shards))

    async def found(self, expression: str, *labels: str) -> Numbers:
        """Return the result of a query as soon as it is not empty."""
        return numbers(await query(self._session, self.prometheus_url, expression), *labels)

    async def assert_complete(self) -> None:
        """Wait until there are enough series; each of them must exist, and exist once."""
        await self.found(f"count(vspark_agent_calls_today) == {len(AGENTS)} and count(vspark_up == 1) == {TARGETS}")
        agents = await self.found("count by (company, org, folder, agent) (vspark_agent_calls_today)", *AGENT)
        assert agents == dict.fromkeys(AGENTS, 1)
        folders = await self.found(f"count by (company, org, folder) ({CALLS})", *AGENT[:3])
        assert folders == dict.fromkeys({agent[:3] for agent in AGENTS}, 1)
        targets = await self.found("count by (company, org, folder) (vspark_up)", "company", "org")
        assert targets == dict.fromkeys({agent[:2] for agent in AGENTS}, 1)


@asynccontextmanager
async def scene(folder: Path, rules: Path) -> AsyncIterator[Scene]:
    """Run a V-Spark, and a Prometheus that scrapes the shards, of which none runs yet."""
    config = folder / "config.yaml"
    async with Simulator(SITE, clock=evening) as simulator, aiohttp.ClientSession() as session:
        names = ", ".join(folder.name for folder in FOLDERS)
        config.write_text(CONFIG.format(url=simulator.url, token=SITE.root_token, folders=names))
        made = Scene(config, session)
        urls = [f"http://127.0.0.1:{port}" for port in made.ports]
        async with prometheus(urls, folder, rules=[rules]) as made.prometheus_url:
            yield made


async def test_every_series_exists_once_also_while_a_shard_restarts(tmp_path: Path) -> None:
    async with scene(tmp_path, impatient_rule(tmp_path)) as vspark, AsyncExitStack() as stack:
        found = vspark.found
        running = [await stack.enter_async_context(vspark.shard(number, SHARDS)) for number in range(SHARDS)]
        await vspark.assert_complete()
        await found(f"absent({MISSING})")  # it fired while the shards started one after the other
        begun = time.time()
        shares = await found('count by (instance) (vspark_up{company="ListedCo"})', "instance")
        assert len(shares) == SHARDS  # the org's folders come from all of them
        counters = await found("vspark_folder_calls_total", *AGENT[:3])
        assert await found("count by (shard, total_shards) (vspark_exporter_build_info)", "shard", "total_shards") == {
            (str(number), str(SHARDS)): 1 for number in range(SHARDS)
        }
        assert await found("count(vspark_discovery_up == 1)") == {(): 2 * SHARDS}  # both companies, by every shard

        others = f'{CALLS}{{instance!="127.0.0.1:{vspark.ports[1]}"}}'
        remaining = await found(f"count({others})")
        assert 0 < remaining[()] < len(counters)
        assert (await running[1].stop(signal.SIGTERM))[0] == 0
        await found(f"{MISSING} == 1")
        assert await found(f"count({CALLS})") == remaining

        await stack.enter_async_context(vspark.shard(1, SHARDS))
        await vspark.assert_complete()
        await found(f"absent({MISSING})")
        assert await found("vspark_folder_calls_total", *AGENT[:3]) == counters
        window = f"[{time.time() - begun:.0f}s:1s]"
        assert await found(f"max_over_time(max(count by (company, org, folder) ({CALLS})){window})") == {(): 1}
        assert await found(f"min_over_time(count({others}){window})") == remaining


async def test_one_more_shard_takes_few_targets_and_no_sum_counts_them_twice(tmp_path: Path) -> None:
    """As in the rollout of a StatefulSet: the new pod starts at once, the others are replaced one after the other."""
    recorded = "job_company:vspark_folder_calls_today:sum"
    async with scene(tmp_path, RECORDING) as vspark, AsyncExitStack() as stack:
        found = vspark.found
        running = [await stack.enter_async_context(vspark.shard(number, SHARDS - 1)) for number in range(SHARDS - 1)]
        await vspark.assert_complete()
        before = await found(POLLED, *AGENT[:3], "instance")
        calls = await found(f"sum({CALLS})")
        await found(f"sum({recorded}) == {calls[()]}")
        begun = time.time()

        await stack.enter_async_context(vspark.shard(SHARDS - 1, SHARDS))
        await found(f"count(count by (company, org, folder) ({CALLS}) == 2)")
        assert (await found(f"sum({CALLS})"))[()] > calls[()]
        await found(f"min(timestamp({recorded})) > {time.time()}")
        for number, old in enumerate(running):
            assert (await old.stop(signal.SIGTERM))[0] == 0
            await stack.enter_async_context(vspark.shard(number, SHARDS))
        await vspark.assert_complete()
        after = await found(POLLED, *AGENT[:3], "instance")
        moved = after.keys() - before.keys()
        assert {key[-1] for key in moved} == {f"127.0.0.1:{vspark.ports[-1]}"}
        assert 0 < len(moved) < TARGETS / 2
        window = f"[{time.time() - begun:.0f}s:1s]"
        assert await found(f"max_over_time(sum({recorded}){window})") == calls
        await found(f"sum({recorded}) == {calls[()]}")
