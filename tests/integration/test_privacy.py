"""Agent ids leave the exporter only as configured: all output of the program, with a simulated V-Spark."""

import asyncio
import hashlib
import hmac
import json
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from aiohttp import ClientSession

from exporter.simulator import Company, Folder, Org, Simulator, Site
from tests.support.exporter_process import Running, run, serving
from tests.support.prometheus_process import numbers, prometheus, query
from tests.support.raw_servers import answer
from tests.support.raw_servers import serving as answering
from tests.support.repository import ROOT

EVENING = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ANNA, NUMBER, JOERG, EVE = "anna.meyer@example.com", "9018471155", "Jörg Süß", "o'neill"
AGENTS = (ANNA, NUMBER, JOERG, EVE)
SITE = Site((Company("Co", "token", (Org("Org", "UTC", (Folder("Test01", 300, AGENTS, absent_share=0),)),)),))
# Without a time zone, the day is that of the simulator, whose clock stands still.
CONFIG = """\
vspark: {{url: "{url}", token: token}}
discovery: {{enabled: false}}
companies: [{{name: Co, orgs: [{{name: Org}}]}}]
agents: {{{agents}}}
"""
KEY = b"6b3f9b5a1f9de9a0c7d3f5a8e3b1c2d4"
PATHS = ("/", "/api/v1/targets", "/-/ready", "/-/healthy", "/nowhere")


def digest(agent: str, key: bytes = KEY) -> str:
    return hmac.new(key, agent.encode(), hashlib.sha256).hexdigest()[:16]


A, N, J, E = (ANNA, 106.0, 352.0), (NUMBER, 91.0, 310.0), (JOERG, 82.0, 271.0), (EVE, 70.0, 303.0)


def folder_lines(folded: int) -> list[str]:
    return [
        'vspark_folder_agents_today{company="Co",folder="Test01",org="Org"} 4.0',
        f'vspark_folder_agents_folded{{company="Co",folder="Test01",org="Org"}} {folded}.0',
    ]


def agent_lines(*agents: tuple[str, float, float]) -> list[str]:
    """Return id, calls and mean duration of each agent on a page."""
    return [
        f'{family}{{agent="{agent[0]}",company="Co",folder="Test01",org="Org"}} {agent[index]}'
        for index, family in ((1, "vspark_agent_calls_today"), (2, "vspark_agent_call_duration_average_seconds"))
        for agent in agents
    ]


def parted(page: bytes) -> tuple[list[str], list[str]]:
    """Return the lines of a page that are about agents, and the other lines."""
    lines = page.decode().splitlines()
    about = [line for line in lines if re.match(r"vspark_agent_|vspark_folder_agents_", line)]
    return about, [line for line in lines if line not in about]


async def said(exporter: Running) -> tuple[list[str], str]:
    """Return the lines about agents, which are the same in both formats, and everything else that is served."""
    await exporter.series()
    about, others = parted((await exporter.get("/metrics"))[1])
    async with exporter.session.get("/metrics", headers={"Accept": "application/openmetrics-text"}) as response:
        about_in_openmetrics, others_in_openmetrics = parted(await response.read())
    assert about_in_openmetrics == about
    served = [(await exporter.get(path))[1].decode() for path in PATHS]
    return about, "\n".join([*others, *others_in_openmetrics, *served])


def assert_nobody(text: str, *agents: str) -> None:
    for agent in agents:
        for spelled in (agent, agent.encode("unicode_escape").decode(), agent.replace("'", "&#39;")):
            assert spelled not in text


@pytest.mark.parametrize(
    ("agents", "folded", "expected", "hidden"),
    [
        ("", 0, [A, N, J, E], ()),  # shows that the other cases can fail
        ("include: '[0-9]+'", 0, [N], (ANNA, JOERG, EVE)),
        ("exclude: '[0-9]+|.*@.*'", 0, [J, E], (ANNA, NUMBER)),
        ("max_per_folder: 2", 2, [A, N, ("_other", 152.0, 285.7368421052632)], (JOERG, EVE)),
        ("enabled: false", 0, [], AGENTS),
        ("hash_key_file: key", 0, [(digest(name), calls, mean) for name, calls, mean in (A, N, J, E)], AGENTS),
        (
            "hash_key_file: key, exclude: '[0-9]+', max_per_folder: 1",
            *(2, [(digest(ANNA), 106.0, 352.0), ("_other", 152.0, 285.7368421052632)], AGENTS),
        ),
    ],
)
async def test_what_is_said_of_agents(
    agents: str, folded: int, expected: list[tuple[str, float, float]], hidden: tuple[str, ...], tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    (tmp_path / "key").write_bytes(KEY)
    async with Simulator(SITE, clock=lambda: EVENING) as simulator:
        config.write_text(CONFIG.format(url=simulator.url, agents=agents))
        code, checked, _ = await run("--config.file", str(config), "--config.check")
        assert code == 0
        async with serving(config, "--log.level=debug") as exporter:
            about, others = await said(exporter)
            _, logged, _ = await exporter.stop(signal.SIGTERM)
    assert about == [*folder_lines(folded), *agent_lines(*expected)]
    assert "event=poll_succeeded" in "".join(logged)
    assert_nobody("\n".join(about), *hidden)
    assert_nobody("\n".join([others, checked, *logged]), *AGENTS)


async def test_another_key_counts_at_once_and_nothing_of_the_old_one_stays(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    async with Simulator(SITE, clock=lambda: EVENING) as simulator:
        config.write_text(CONFIG.format(url=simulator.url, agents="hash_key_file: key"))
        (tmp_path / "key").write_bytes(KEY)
        async with serving(config, "--log.level=debug") as exporter:
            before, _ = await said(exporter)
            (tmp_path / "key").write_bytes(KEY[::-1])
            assert (await said(exporter))[0] == before
            exporter.process.send_signal(signal.SIGHUP)
            await exporter.read_log("config_reloaded")
            async with asyncio.timeout(10):
                while (found := await said(exporter))[0] == before:
                    await asyncio.sleep(0.05)
            _, logged, _ = await exporter.stop(signal.SIGTERM)
    assert found[0] == [
        *folder_lines(0),
        *agent_lines(*((digest(name, KEY[::-1]), calls, mean) for name, calls, mean in (A, N, J, E))),
    ]
    assert_nobody("\n".join([*found[0], found[1], *logged]), *AGENTS)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            '[{"folder":"F","calls":3,"agents":{"anna.meyer@example.com":{"calls":-1}}}]',
            "$[0].agents[agent 1].calls: expected a number of calls, found a negative number",
        ),
        (
            '[{"folder":"F","calls":3,"agents":{"9018471155":1,"anna.meyer@example.com":{"calls":1,"duration":"x"}}}]',
            "$[0].agents[agent 2].duration: expected a duration (seconds, MM:SS or H:MM:SS), found another text",
        ),
        (
            '[{"folder":"F","calls":3,"agents":[{"id":["anna.meyer@example.com"],"calls":1}]}]',
            "$[0].agents[0].id: expected an agent id (a text or a whole number), found a list",
        ),
        (
            '[{"folder":"F","agents":1,"anna.meyer@example.com":{"calls":1,"duration":true}}]',
            "$[0][agent 1].duration: expected a duration, found a boolean",
        ),
        (
            '[{"folder":"F","calls":3,"agents":{"anna.meyer@example.com":{"calls":1',
            "$: Input data was truncated",
        ),
    ],
)
async def test_an_answer_that_is_refused_names_nobody(body: str, error: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    async with answering(answer(body.encode())) as vspark:
        config.write_text(CONFIG.format(url=f"http://127.0.0.1:{vspark.port}", agents=""))
        async with serving(config, "--log.level=debug") as exporter:
            failure = await exporter.read_log("poll_failed")
            about, others = await said(exporter)
            _, logged, _ = await exporter.stop(signal.SIGTERM)
    assert f'error="{error}"' in failure
    assert about == []
    assert_nobody("\n".join([others, *logged]), *AGENTS)


async def test_prometheus_leaves_agents_out_as_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    (given,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", page, re.DOTALL)
    (job,) = yaml.safe_load(given)["scrape_configs"]
    config = tmp_path / "config.yaml"
    async with Simulator(SITE, clock=lambda: EVENING) as simulator:
        config.write_text(CONFIG.format(url=simulator.url, agents=""))
        async with serving(config) as exporter:
            await exporter.series()
            url = str(exporter.session._base_url).rstrip("/")
            more = f", metric_relabel_configs: {json.dumps(job['metric_relabel_configs'])}"
            async with prometheus(url, tmp_path, more) as prom, ClientSession() as session:
                agents = await query(session, prom, "sum by (folder) (vspark_folder_agents_today)")
                assert numbers(agents, "folder") == {("Test01",): 4.0}
                # All series of a scrape appear at once.
                every = await query(session, prom, 'count by (__name__) ({__name__=~"vspark_(agent|folder)_.*"})')
                assert {name for (name,) in numbers(every, "__name__") if "_agent_" in name} == set()
                async with session.get(f"{prom}/api/v1/label/agent/values") as response:
                    assert (await response.json())["data"] == []


async def test_a_probe_is_for_who_may_see_the_answer(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    (tmp_path / "key").write_bytes(KEY)
    async with Simulator(SITE, clock=lambda: EVENING) as simulator:
        config.write_text(CONFIG.format(url=simulator.url, agents="hash_key_file: key"))
        code, out, _ = await run("--config.file", str(config), "probe")
    assert code == 0
    assert [agent for agent in AGENTS if f"  agent {agent} " not in out] == []
