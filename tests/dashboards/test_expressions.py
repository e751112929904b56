"""The dashboards in the chart, compared with the code; their layout, and their expressions in a real Prometheus."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from exporter.exposition.families import FAMILIES
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.text_format import Format
from exporter.simulator import Fault, Org, Simulator, demo_site
from exporter.simulator.calls import folder_calls, midnight, share_of_day
from tests.support.built_dashboards import built, filled
from tests.support.call_history import AGES, MINUTE, around_midnights, at, load, minutes, openmetrics, previous_days
from tests.support.exposition_oracle import assert_valid
from tests.support.prometheus_process import demo, numbers, prometheus, query
from tools.dashboards.__main__ import CHART, FILES
from tools.dashboards.calls import CALLS, WEEK_AGO, YESTERDAY, mean, once
from tools.dashboards.days import BY_ORG, NEXT_MORNING_A_WEEK_AGO, day_calls, late_calls
from tools.dashboards.layout import to_json

SITE = replace(demo_site(), transcription=timedelta(hours=3))
ORGS = [org for company in SITE.companies for org in company.orgs]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
METRICS_OF_PROMETHEUS = ("up", "scrape_samples_scraped", "scrape_duration_seconds")
SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
FUNCTIONS = {
    *("by", "on", "and", "or", "offset", "sum", "min", "max", "count", "topk", "quantile"),
    *("rate", "increase", "label_replace", "histogram_quantile", "time", "vector"),
    *("unless", "last_over_time", "max_over_time"),
}


def panels(name: str) -> list[Any]:
    return [panel for panel in built(name)["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, Any]]:
    """Yield every query with its position: file, panel and id."""
    for name in FILES:
        for panel in panels(name):
            for target in panel.get("targets", ()):
                yield f"{name} {panel['title']} {target['refId']}", target | {"daily": panel.get("interval") == "1d"}


def series() -> dict[str, set[str]]:
    """Return the labels of every metric, including those that Prometheus adds."""
    telemetry = SelfMetrics(process=True)
    telemetry.observe_request("200", 0.1)
    found = {family.name: set(family.labels) for family in FAMILIES} | {name: set() for name in METRICS_OF_PROMETHEUS}
    for name, labels in assert_valid(telemetry.exposition(Format.TEXT), Format.TEXT):
        found.setdefault(name, set()).update(label for label, _ in labels)
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
    calls, job = "vspark_folder_calls_today", 'job="$job",namespace="$namespace"'
    up, polls = f"vspark_up{{{job}}}", f"vspark_polls_total{{{job}}}[30m]"
    of_both = {
        "datasource": "prometheus",
        "job": "label_values(vspark_exporter_build_info, job)",
        "namespace": 'label_values(vspark_exporter_build_info{job="$job"}, namespace)',
        "orgs": f"query_result(count(count by (company, org) ({up})))",
        "targets": f"query_result(count(count by (company, org, folder) ({up})))",
        "seconds": f"query_result(round(1 / avg(deriv({polls}) unless resets({polls}) > 0)))",
    }
    assert variables("vspark-exporter.json") == of_both
    assert variables("vspark-calls.json") == of_both | {
        "company": f"label_values({calls}{{{job}}}, company)",
        "org": f'label_values({calls}{{{job},company=~"$company"}}, org)',
        "folder": f'label_values({calls}{{{job},company=~"$company",org=~"$org"}}, folder)',
    }


def test_every_metric_and_label_exists() -> None:
    known = series()
    definitions = [
        re.sub(r"^label_values\((.*), \w+\)$|^query_result\((.*)\)$", r"\1\2", definition)
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
    async with Simulator(SITE) as simulator:
        simulator.fail("KauriBank", "KauriBank-Cards", fault=Fault.status(401))
        simulator.fail_path("/list/KauriBank/KauriBank-Cards/folders", fault=Fault.status(401))
        async with demo(simulator) as url, aiohttp.ClientSession() as session:
            now = datetime.now(UTC)
            scrape = {"job": "vspark", "instance": urlsplit(url).netloc}
            await load(history(now, scrape), tmp_path / "tsdb")
            async with prometheus(url, tmp_path) as prometheus_url:
                await query(session, prometheus_url, "vspark_up")
                for position, target in queries():
                    finished = midnight_of(now) - 3 * DAY if target["daily"] else None
                    result = await query(session, prometheus_url, filled(target["expr"]), finished)
                    labels = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
                    for each in result:
                        assert set(labels) <= set(each["metric"]), position
                await compare_with_the_simulator(session, prometheus_url)
                await compare_days(session, prometheus_url, now)
                await compare_late_calls(session, prometheus_url, now)
                await query(session, prometheus_url, "min(vspark_polls_total) >= 6")
                orgs, targets, seconds = await texts(session, prometheus_url, "vspark-exporter.json")
                assert (orgs, targets) == ("5", "5")
                assert 3 <= float(seconds) <= 8  # the demo polls every 5 s; a slope of few polls is not exact


def midnight_of(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def history(now: datetime, scrape: dict[str, str]) -> Iterator[str]:
    """Yield recent calls, the ends of some days, and the previous day of three weeks: hourly, as from a backfill.

    Those of two days exist once more, from a pod that has been replaced.
    """
    last_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = [last_hour - number * HOUR for number in range(22 * 24, -1, -1)]
    yield from previous_days(SITE, hours, {"job": "vspark"})
    yield from previous_days(SITE, hours[-14 * 24 : -12 * 24], scrape)
    instants = {*minutes(now), *around_midnights(SITE, late_days(now))}
    yield from openmetrics(SITE, sorted(each for each in instants if each < now - MINUTE), scrape)


def late_days(now: datetime) -> list[date]:
    return [(now - age * DAY).date() for age in (4, 3)]


async def compare_days(session: aiohttp.ClientSession, url: str, now: datetime) -> None:
    """Compare each bar with the simulator's number of that day in every org, from Auckland to Los Angeles."""
    for age in range(20, 1, -1):
        bar = midnight_of(now) - age * DAY
        for expression, day in (
            (day_calls(), bar.date()),
            (day_calls(NEXT_MORNING_A_WEEK_AGO), (bar - 7 * DAY).date()),
        ):
            if now.date() - day > 21 * DAY:
                continue
            result = await query(session, url, filled(f"sum {BY_ORG} {expression}"), bar)
            assert numbers(result, "org") == {(org.name,): whole_day(org, day) for org in ORGS}, day


async def compare_late_calls(session: aiohttp.ClientSession, url: str, now: datetime) -> None:
    for day in late_days(now):
        bar = datetime(day.year, day.month, day.day, tzinfo=UTC)
        result = await query(session, url, filled(late_calls()), bar)
        expected = {}
        for org in ORGS:
            last_minute = midnight(org.zone, day + DAY) - MINUTE
            counted = share_of_day(org.zone, day, last_minute - SITE.transcription)
            before = sum(folder_calls(SITE, org, folder, day, until=counted).calls for folder in org.folders)
            expected[org.name,] = whole_day(org, day) - before
        assert numbers(result, "org") == expected
        assert max(expected.values()) > 0


def whole_day(org: Org, day: date) -> int:
    return sum(folder_calls(SITE, org, folder, day).calls for folder in org.folders)


async def texts(session: aiohttp.ClientSession, url: str, name: str) -> list[str]:
    """Return the values of the hidden variables, by the same steps as Grafana."""
    found = []
    for variable in built(name)["templating"]["list"]:
        if (query_result := re.fullmatch(r"query_result\((.*)\)", variable.get("definition", ""))) is not None:
            (result,) = await query(session, url, filled(query_result[1]))
            assert result["metric"] == {}
            at, value = result["value"]
            captured = re.search(variable["regex"].strip("/"), f"{{}} {value} {at * 1000}")
            assert captured
            found.append(captured[1])
    return found


async def compare_with_the_simulator(session: aiohttp.ClientSession, url: str) -> None:
    """Compare the dashboard's values at a minute of the history with the simulator's own numbers."""
    instant = minutes(datetime.now(UTC))[-5]
    history = [[calls for _, _, calls in at(SITE, instant - age)] for age in AGES]
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
