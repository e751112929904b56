"""The dashboards in the chart, compared with the code; their layout, and their expressions in a real Prometheus."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from exporter.exposition.families import FAMILIES
from exporter.exposition.self_metrics import SelfMetrics
from exporter.simulator import Fault, Simulator, demo_site
from tests.support.built_dashboards import built, filled
from tests.support.call_history import AGES, at, load, minutes, openmetrics
from tests.support.prometheus_process import demo, prometheus, query
from tools.dashboards.__main__ import CHART, FILES
from tools.dashboards.calls import CALLS, WEEK_AGO, YESTERDAY, mean, once
from tools.dashboards.layout import to_json

METRICS_OF_PROMETHEUS = ("up", "scrape_samples_scraped", "scrape_duration_seconds")
SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
FUNCTIONS = {
    *("by", "on", "and", "or", "offset", "sum", "min", "max", "count", "topk", "quantile"),
    *("rate", "increase", "label_replace", "histogram_quantile", "time", "vector"),
}


def panels(name: str) -> list[Any]:
    return [panel for panel in built(name)["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, Any]]:
    """Yield every query with its position: file, panel and id."""
    for name in FILES:
        for panel in panels(name):
            for target in panel["targets"]:
                yield f"{name} {panel['title']} {target['refId']}", target


def series() -> dict[str, set[str]]:
    """Return the labels of every metric, including those that Prometheus adds."""
    telemetry = SelfMetrics(process=True)
    telemetry.observe_request("200", 0.1)
    found = {family.name: set(family.labels) for family in FAMILIES} | {name: set() for name in METRICS_OF_PROMETHEUS}
    for family in telemetry.registry.collect():
        for each in family.samples:
            found.setdefault(each.name, set()).update(each.labels)
    return {name: {*labels, "job", "instance", "namespace"} for name, labels in found.items()}


@pytest.mark.parametrize("name", FILES)
def test_the_chart_has_the_dashboards_of_the_code(name: str) -> None:
    assert (CHART / name).read_text("utf-8") == to_json(FILES[name]()), "run: make dashboards"


def test_the_chart_has_no_other_dashboards() -> None:
    assert sorted(path.name for path in CHART.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_grafanas_types_know_every_key(name: str) -> None:
    assert json.loads(to_json(Dashboard.from_json(built(name)))) == built(name)


@pytest.mark.parametrize("name", FILES)
def test_rows_are_full_and_no_panels_overlap(name: str) -> None:
    places = [panel["gridPos"] for panel in built(name)["panels"]]
    cells = [
        (row, column)
        for place in places
        for row in range(place["y"], place["y"] + place["h"])
        for column in range(place["x"], place["x"] + place["w"])
    ]
    assert len(cells) == len(set(cells))
    height = max(place["y"] + place["h"] for place in places)
    assert {(row, column) for row in range(height) for column in range(24)} == set(cells)


def test_every_panel_has_a_title_and_a_description() -> None:
    titles = [(name, panel["title"]) for name in FILES for panel in panels(name)]
    assert len(titles) == len(set(titles))
    assert [panel["title"] for name in FILES for panel in panels(name) if not panel["description"].endswith(".")] == []


def variables(name: str) -> dict[str, Any]:
    return {
        variable["name"]: variable.get("definition", variable["query"])
        for variable in built(name)["templating"]["list"]
    }


def test_variables_are_chained() -> None:
    of_both = {
        "datasource": "prometheus",
        "job": "label_values(vspark_exporter_build_info, job)",
        "namespace": 'label_values(vspark_exporter_build_info{job="$job"}, namespace)',
    }
    assert variables("vspark-exporter.json") == of_both
    calls, job = "vspark_folder_calls_today", 'job="$job",namespace="$namespace"'
    assert variables("vspark-calls.json") == of_both | {
        "company": f"label_values({calls}{{{job}}}, company)",
        "org": f'label_values({calls}{{{job},company=~"$company"}}, org)',
        "folder": f'label_values({calls}{{{job},company=~"$company",org=~"$org"}}, folder)',
    }


def test_every_metric_and_label_exists() -> None:
    known = series()
    definitions = [
        definition.removeprefix("label_values(").rpartition(",")[0]
        for definition in variables("vspark-calls.json").values()
    ]
    for position, expression in [
        *((position, target["expr"]) for position, target in queries()),
        *(("", d) for d in definitions),
    ]:
        labels = set()
        for metric, matchers in SELECTOR.findall(expression):
            assert metric in known, position
            required = {"job", "namespace"} if position else {"job"}  # the namespace is chosen among those of the job
            assert required <= set(re.findall(r'(\w+)[!=]~?"', matchers)), position
            assert set(re.findall(r"(\w+)[!=]", matchers)) <= known[metric], (position, metric)
            labels |= known[metric]
        for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            assert set(group.split(", ")) <= labels, position


def test_every_other_word_is_promql() -> None:
    for position, target in queries():
        rest = re.sub(r"\b(by|on) \([^)]*\)|\[[^]]*\]|\b\d\w+|\"[^\"]*\"", r"\1", SELECTOR.sub("", target["expr"]))
        assert set(re.findall(r"[a-z_]+", rest)) <= FUNCTIONS, position


async def test_every_expression_has_a_result(tmp_path: Path) -> None:
    site = demo_site()
    async with Simulator(site) as simulator:
        simulator.fail("KauriBank", "KauriBank-Cards", fault=Fault.status(401))
        simulator.fail_path("/list/KauriBank/KauriBank-Cards/folders", fault=Fault.status(401))
        async with demo(simulator) as url, aiohttp.ClientSession() as session:
            now = datetime.now(UTC)
            scrape = {"job": "vspark", "instance": urlsplit(url).netloc}
            await load(openmetrics(site, minutes(now), scrape), tmp_path / "tsdb")
            async with prometheus(url, tmp_path) as prometheus_url:
                await query(session, prometheus_url, "vspark_up")
                for position, target in queries():
                    result = await query(session, prometheus_url, filled(target["expr"]))
                    labels = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
                    for each in result:
                        assert set(labels) <= set(each["metric"]), position
                await compare_with_the_simulator(session, prometheus_url)


async def compare_with_the_simulator(session: aiohttp.ClientSession, url: str) -> None:
    """Compare the dashboard's values at a minute of the history with the simulator's own numbers."""
    site = demo_site()
    instant = minutes(datetime.now(UTC))[-5]
    history = [[calls for _, _, calls in at(site, instant - age)] for age in AGES]
    sums = [sum(each.calls for each in calls) for calls in history]
    seconds = sum(each.seconds for each in history[0])
    expressions = (once(CALLS), once(CALLS, YESTERDAY), once(CALLS, WEEK_AGO))
    expected = {f"sum({expression})": value for expression, value in zip(expressions, sums, strict=True)}
    assert len(set(sums)) == len(AGES)
    for expression, value in expected.items():
        assert await value_at(session, url, expression, instant) == value
    assert await value_at(session, url, mean(), instant) == pytest.approx(seconds / sums[0])


async def value_at(session: aiohttp.ClientSession, url: str, expression: str, instant: datetime) -> float:
    parameters = {"query": filled(expression), "time": str(instant.timestamp())}
    async with session.get(f"{url}/api/v1/query", params=parameters) as response:
        (only,) = json.loads(await response.read())["data"]["result"]
    return float(only["value"][1])
