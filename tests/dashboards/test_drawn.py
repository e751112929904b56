"""The dashboards in a browser: Grafana's own panel components draw the results of a real Prometheus."""

import asyncio
import html
import json
import re
import subprocess
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from exporter.simulator import Fault, Simulator, demo_site
from tests.support.built_dashboards import built, filled
from tests.support.call_history import AGES, around_midnights, load, openmetrics, previous_days
from tests.support.prometheus_process import demo, prometheus, query
from tests.support.tools import tool

ROW_PIXELS = 38
DAY = timedelta(days=1)
STEP = timedelta(minutes=5)
CALLS, EXPORTER = "vspark-calls.json", "vspark-exporter.json"
SPANS = {CALLS: (86400, 300, "15m"), EXPORTER: (30, 1, "20s")}
"""By dashboard: the time range in seconds, the seconds between points, and the interval of rates."""
FOLDERS = {
    "DocTestCo-DocTesting / Sales East",
    "DocTestCo-DocTesting / Test01",
    "DocTestCo-DocTesting / Test02",
    "DocTestCo-West / Sales West",
    "DocTestCo-West / Voicemail",
    "KauriBank-Cards / Credit limits",
    "KauriBank-Cards / Lost cards",
    "LotusTravel-Bookings / Changes & refunds",
    "LotusTravel-Bookings / New bookings",
    "Nordwind-Service / Kundenservice Süd",
    "Nordwind-Service / Rückfragen & Lob",
    "Nordwind-Service / Störungsannahme",
    "Nordwind-Service / Zentrale",
}
ORGS = ["DocTestCo-DocTesting", "DocTestCo-West", "KauriBank-Cards", "LotusTravel-Bookings", "Nordwind-Service"]
POLLED = (
    "Targets: 5, in 5 orgs. Polls: each about every 5 s. A target is a folder, or a whole org in one request. "
    "Values are as old as the target's last successful poll."
)
BROWSER = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=8000"),
    *("--hide-scrollbars", "--force-device-scale-factor=0.75", "--dump-dom"),
)

pytestmark = pytest.mark.release


def column(name: str, kind: str, values: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "values": values, **more}


def as_rows(target: Any, result: list[Any], value_name: str) -> Any:
    """Return the frame that Grafana's data source makes of the result of a table query."""
    labels = sorted({label for each in result for label in each["metric"]})
    fields = [
        column("Time", "time", [each["value"][0] * 1000 for each in result]),
        *(column(label, "string", [each["metric"].get(label, "") for each in result]) for label in labels),
        column(value_name, "number", [float(each["value"][1]) for each in result]),
    ]
    return {"refId": target["refId"], "fields": fields}


def as_series(target: Any, series: Any, title: str, step: int) -> Any:
    """Return the frame that Grafana's data source makes of one series."""
    legend = re.sub(r"\{\{(\w+)\}\}", lambda label: series["metric"].get(label[1], ""), target["legendFormat"])
    points = series.get("values") or [series["value"]]
    fields = [
        column("Time", "time", [at * 1000 for at, _ in points], config={"interval": step * 1000}),
        column(
            *("Value", "number", [float(value) for _, value in points]),
            labels=series["metric"],
            config={"displayNameFromDS": legend or title},
        ),
    ]
    return {"refId": target["refId"], "fields": fields}


async def text_of(session: aiohttp.ClientSession, url: str, board: Any, text: str) -> str:
    """Return a text with the values of the board's variables of queries, by the same steps as Grafana."""
    for variable in board["templating"]["list"]:
        if query_result := re.fullmatch(r"query_result\((.*)\)", variable.get("definition", "")):
            (result,) = await query(session, url, filled(query_result[1]))
            captured = re.search(variable["regex"].strip("/"), f"{{}} {result['value'][1]} {result['value'][0] * 1000}")
            assert captured
            text = text.replace(f"${variable['name']}", captured[1])
    return text


def times(panel: Any, end: float, name: str) -> tuple[float, float, int]:
    """Return start, end and step of a panel's queries; daily ones are at midnight in UTC."""
    seconds, step, _ = SPANS[name]
    if "timeFrom" not in panel:
        return end - seconds, end, step
    days = {"3w": 21, "2w": 14, "8d": 8}[panel["timeFrom"]]
    midnight = end // 86400 * 86400
    return midnight - (days - 1) * 86400, midnight, 86400


async def with_frames(session: aiohttp.ClientSession, url: str, name: str) -> Any:
    """Return a dashboard with the frames of each panel and their time range."""
    board = built(name)
    rate_interval = SPANS[name][2]
    now = datetime.now(UTC).timestamp()
    for panel in board["panels"]:
        panel["frames"] = []
        start, end, step = times(panel, now, name)
        panel |= {"from": start * 1000, "to": now * 1000}
        if panel["type"] == "text":
            panel["options"]["content"] = await text_of(session, url, board, panel["options"]["content"])
        for target in panel.get("targets", ()):
            parameters: dict[str, Any] = {"query": filled(target["expr"].replace("$__rate_interval", rate_interval))}
            if target["range"]:
                path, when = "query_range", {"start": start, "end": end, "step": step}
            else:
                path, when = "query", {"time": end}
            async with session.get(f"{url}/api/v1/{path}", params=parameters | when) as response:
                result = json.loads(await response.read())["data"]["result"]
            if target.get("format") == "table":
                value_name = f"Value #{target['refId']}" if len(panel["targets"]) > 1 else "Value"
                panel["frames"].append(as_rows(target, result, value_name))
            else:
                panel["frames"] += [as_series(target, each, panel["title"], step) for each in result]
    return board


async def boards(folder: Path) -> dict[str, Any]:
    """Return both dashboards with frames from a Prometheus that scrapes the demo.

    Prometheus has a history of calls, and three weeks of previous days as from a backfill. V-Spark counts calls an hour
    after they were made. Before the queries of the exporter's dashboard, an org begins to fail.
    """
    site = replace(demo_site(), transcription=timedelta(hours=3))
    now = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
    midnights = around_midnights(site, [(now - number * DAY).date() for number in range(1, 16)])
    recent = {now - age - number * STEP for age in AGES for number in range(DAY // STEP)}
    instants = sorted(each for each in {*recent, *midnights[::5]} if each <= now)
    hours = [now.replace(minute=0) - number * timedelta(hours=1) for number in range(30 * 24, -1, -1)]
    async with Simulator(site) as simulator, AsyncExitStack() as stack:
        for company, org in (("KauriBank", "KauriBank-Cards"), ("Nordwind", "Nordwind-Service")):
            simulator.fail_path(f"/list/{company}/{org}/folders", fault=Fault.status(401))
        url = await stack.enter_async_context(demo(simulator))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        scrape = {"job": "vspark", "instance": urlsplit(url).netloc}
        await load(chain(previous_days(site, hours, scrape), openmetrics(site, instants, scrape)), folder / "tsdb")
        async with prometheus(url, folder) as prometheus_url:
            # A line needs several points.
            await query(session, prometheus_url, "min(vspark_polls_total) >= 6")
            calls = await with_frames(session, prometheus_url, CALLS)
            simulator.fail("KauriBank", "KauriBank-Cards", fault=Fault.status(401))
            await query(session, prometheus_url, "sum(increase(vspark_poll_failures_total[20s])) > 2")
            return {CALLS: calls, EXPORTER: await with_frames(session, prometheus_url, EXPORTER)}


def drawn(board: Any, library: Path, picture: Path) -> list[Any]:
    """Draw a dashboard, save a screenshot, and return the contents of each panel."""
    page = library / "page.html"
    script = json.dumps(board).replace("<", "\\u003c")
    page.write_text(
        "<!doctype html><meta charset=utf-8><link rel=stylesheet href=drawing.css>"
        "<body style='margin: 0; background: #111217'><div id=root></div><pre id=seen hidden></pre><script>"
        f"window.grafanaBootData = {{user: {{}}, settings: {{featureToggles: {{}}}}}}; window.BOARD = {script}"
        "</script><script src=drawing.js></script>"
    )
    height = ROW_PIXELS * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    command = [
        *(tool("chromium", "chromium"), *BROWSER, f"--user-data-dir={library / 'profile'}"),
        *(f"--window-size=1600,{height}", f"--screenshot={picture}", page.as_uri()),
    ]
    dom = subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 # our page
    found = re.search('<pre id="seen"[^>]*>(.*?)</pre>', dom.stdout.decode(), re.DOTALL)
    assert found
    seen: list[Any] = json.loads(html.unescape(found[1]))
    return seen


def names(panel: Any) -> list[str]:
    """Return the names in a panel, or the columns of a table, after checking that it has values."""
    texts = [re.sub(r"127\.0\.0\.1:\d+", "exporter", text) for text in panel["texts"]]
    if panel["type"] == "text":
        return [re.sub(r"\d+ s\b", "5 s", text) for text in texts[2:]]
    assert not [text for text in texts if text in {"", "-", "NaN", "No data"} or text.startswith("Error")], panel
    assert panel["plots"] == (panel["type"] in {"timeseries", "histogram"}), panel
    if panel["type"] == "table":
        assert panel["rows"] > 1, panel
        return texts
    assert texts.pop(0) == panel["title"]
    if panel["type"] == "timeseries":
        assert texts[:4] == ["Series color", "Name", "Last *", "Max"]
        return texts[4::3]
    if panel["type"] == "bargauge":
        return sorted(texts[::2])
    # A single number has no name.
    return texts[:-1:2]


def test_every_panel_is_drawn(library: Path, tmp_path: Path) -> None:
    tool("chromium", "chromium")
    esbuild = library / "node_modules/@esbuild/linux-x64/bin/esbuild"
    bundle = [str(esbuild), "draw.jsx", "--bundle", "--minify", "--outfile=drawing.js", "--loader:.ttf=empty"]
    subprocess.run(bundle, cwd=library, check=True, capture_output=True)  # noqa: S603 # our own script
    seen = {
        panel["title"]: names(panel)
        for name, board in asyncio.run(boards(tmp_path)).items()
        for panel in drawn(board, library, tmp_path / name.replace("vspark", "dashboard").replace("json", "png"))
    }
    # Which ten folders are busiest depends on the time of day.
    busiest = set(seen.pop("Busiest folders"))
    assert (len(busiest), busiest - FOLDERS) == (10, set())
    assert seen == {
        # V-Spark calls
        "Calls": ["today", "yesterday", "a week ago"],
        "Change in calls": ["vs. yesterday", "vs. a week ago"],
        "Mean duration": [],
        "Agents with calls": [],
        "What is polled": [POLLED],
        "Calls since midnight by org": [*ORGS, *(f"{org}, one week earlier" for org in ORGS)],
        "Calls per minute by org": ORGS,
        "Mean duration by org": ORGS,
        "Agents with calls by org": ORGS,
        "Calls per day": ORGS,
        "Weekday against weekday": ["day", "one week earlier"],
        "Late calls": ORGS,
        "Orgs": [
            *("Company", "Org", "Calls today", "Yesterday", "A week ago"),
            *("Mean duration", "Agents", "Since midnight"),
        ],
        "Top agents": ["Company", "Org", "Agent", "Calls today", "Mean duration"],
        "Calls per agent": [],
        "Mean duration per agent": [],
        # V-Spark exporter
        "Targets": ["succeeding", "failing"],
        "Oldest success": [],
        "Configuration": [],
        "Configuration loaded": [],
        "Exporters": [],
        "Targets by state": ["succeeding", "failing"],
        "Failed polls by reason": ["auth"],
        "Failing targets": ["Company", "Org", "Folder", "Reason", "Failed polls"],
        "Oldest values": [
            "DocTestCo-DocTesting / (whole org)",
            "DocTestCo-West / (whole org)",
            "KauriBank-Cards / (whole org)",
            "LotusTravel-Bookings / (whole org)",
            "Nordwind-Service / (whole org)",
        ],
        "Discoveries": ["succeeded", "failed"],
        "Time zones": ["as in V-Spark", "different"],
        "Failing discoveries": ["Company", "Reason", "Failed discoveries"],
        "Poll duration": ["median", "95th percentile", "slowest target"],
        "Request duration": ["median", "95th percentile", "99th percentile"],
        "Requests by status": ["200", "401"],
        "Polls": ["completed", "skipped"],
        "Series": ["exporter", "agents in _other"],
        "Memory": ["exporter"],
        "CPU": ["exporter"],
        "Scrape duration": ["exporter"],
        "Builds": ["Instance", "Version", "Python version", "Shard", "Total shards", "Exporters"],
    }
