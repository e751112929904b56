import asyncio
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from exporter.runtime.clock import SystemClock
from exporter.simulator import Shape, Simulator, demo_site
from tests.support.prometheus_process import Numbers, demo, numbers, prometheus, query
from tests.support.tools import tool

EVENING = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


class EveningClock(SystemClock):
    """A clock on which time passes, but the Unix time is always that of an evening, when every agent has calls."""

    def time(self) -> float:
        return EVENING.timestamp()


@pytest.fixture(scope="module", autouse=True)
def _needs_prometheus() -> None:
    tool("prometheus", "prometheus")


def seconds(clock: str) -> float:
    hours, minutes, rest = map(int, clock.split(":"))
    return hours * 3600 + minutes * 60 + rest


async def simulated(session: aiohttp.ClientSession, simulator: Simulator) -> tuple[Numbers, Numbers, Numbers]:
    """Return the simulator's own numbers: calls and mean durations by folder, calls by agent."""
    calls: Numbers = {}
    means: Numbers = {}
    agents: Numbers = {}
    for company in simulator.site.companies:
        for org in company.orgs:
            url = f"{simulator.url}/stats/{company.name}/{org.name}?token={company.token}"
            async with session.get(url) as response:
                for record in json.loads(await response.read()):
                    folder = (company.name, org.name, record["folder"])
                    calls[folder] = record["calls"]
                    means[folder] = seconds(record["avgduration"])
                    for agent, values in record.get("agents", {}).items():
                        agents[(*folder, agent)] = values["calls"]
    return calls, means, agents


async def test_prometheus_has_the_simulators_own_numbers(tmp_path: Path) -> None:
    async with (
        Simulator(demo_site(), clock=lambda: EVENING, shape=Shape.LIST) as simulator,
        demo(simulator, EveningClock()) as url,
        prometheus(url, tmp_path) as prometheus_url,
        aiohttp.ClientSession() as session,
    ):
        calls, means, agents = await simulated(session, simulator)
        assert len(calls) >= 8
        assert len(agents) >= 100
        folder = ("company", "org", "folder")
        of_folders = numbers(await query(session, prometheus_url, "vspark_folder_calls_today"), *folder)
        assert {key: value for key, value in of_folders.items() if value} == calls
        average = "vspark_folder_call_duration_average_seconds"
        assert numbers(await query(session, prometheus_url, average), *folder) == means
        of_agents = await query(session, prometheus_url, "vspark_agent_calls_today")
        assert numbers(of_agents, *folder, "agent") == agents
        by_company = numbers(
            await query(session, prometheus_url, "sum by (company) (vspark_folder_calls_total)"), "company"
        )
        assert by_company == {
            (company.name,): sum(value for key, value in calls.items() if key[0] == company.name)
            for company in simulator.site.companies  # 0 if it is night there: discovery names its folders
        }
        assert numbers(await query(session, prometheus_url, "count(vspark_up == 1)")) == {
            (): sum(len(company.orgs) for company in simulator.site.companies)
        }


async def test_prometheus_reads_every_series_of_a_page(tmp_path: Path) -> None:
    """Prometheus requests compressed OpenMetrics; every series that it stores has the value of the page."""
    async with (
        Simulator(demo_site(), clock=lambda: EVENING) as simulator,
        demo(simulator, EveningClock()) as url,
        prometheus(url, tmp_path) as prometheus_url,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"{url}/metrics") as response:
            lines = (await response.text()).splitlines()
        names = ("vspark_folder_", "vspark_agent_", "vspark_day_", "vspark_up")
        expected = sum(line.startswith(names) for line in lines)
        stored = 'count({__name__=~"vspark_(folder|agent|day|up).*",__name__!="vspark_folder_calls_created"})'
        assert numbers(await query(session, prometheus_url, stored)) == {(): expected}


@pytest.mark.parametrize("accept", ["text/plain", "*/*"])
async def test_promtool_has_no_complaint(accept: str) -> None:
    promtool = tool("promtool", "prometheus")
    async with (
        Simulator(demo_site(), clock=lambda: EVENING) as simulator,
        demo(simulator, EveningClock()) as url,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"{url}/metrics", headers={"Accept": accept}) as response:
            page = await response.read()
        process = await asyncio.create_subprocess_exec(
            promtool,
            "check",
            "metrics",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate(page)
    assert (output.decode(), process.returncode) == ("", 0)
