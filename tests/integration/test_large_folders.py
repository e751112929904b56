"""One folder with very many agents, in every form: no step is so long that the event loop has to wait."""

import gc
import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count, islice, product
from random import Random
from typing import Any

import pytest

from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.store import Draft, Store
from exporter.polling.target_samples import TargetSamples
from exporter.runtime.steps import Steps
from exporter.stats.changes import ChangeTracker
from exporter.stats.field_names import Layouts
from exporter.stats.model import AgentDays, FolderDay
from exporter.stats.parser import Parser, Requested
from tests.support.fake_clock import target_of
from tests.support.finished_steps import finished, step_seconds

_AGENTS = 100_000
_REQUESTED = Requested("Co", "Co-Org", "F", date(2026, 11, 23))
_MOST_SECONDS = 0.05
"""More than twice what a step takes on an idle machine; a folder that is read in one step takes 0.15."""


@pytest.fixture(autouse=True)
def _as_in_the_exporter() -> Iterator[None]:
    """Let no collection of garbage look through what the tests have loaded, as none does in the exporter."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def day_record(form: str) -> dict[str, Any]:
    ids = [f"agent{number:05}" for number in range(_AGENTS)]
    randomness = Random(form)  # noqa: S311 # no secret
    randomness.shuffle(ids)
    records = {
        agent: {"calls": randomness.randrange(1, 120), "avgduration": f"0:00:{randomness.randrange(60):02}"}
        for agent in ids
    }
    forms: dict[str, dict[str, Any]] = {
        "object": {"calls": 9, "agents": records},
        "list": {"calls": 9, "agents": [{"id": agent, **record} for agent, record in records.items()]},
        "ids ten times": {"agents": [{"id": agent[:-1], **record} for agent, record in records.items()]},
        "beside": {"calls": 9, "agents": _AGENTS, **records},
        "appstats": {"agents": 7, **{agent: {"calls": 1, "overall": record} for agent, record in records.items()}},
        "numbers": {"calls": 9, "agents": {agent: record["calls"] for agent, record in records.items()}},
    }
    return forms[form]


@pytest.mark.parametrize("layout", [{"separators": (",", ":")}, {"indent": 2}])
@pytest.mark.parametrize("form", ["object", "list", "ids ten times", "beside", "appstats", "numbers"])
def test_no_step_is_long(form: str, layout: dict[str, Any]) -> None:
    rules, store = AgentRules(enabled=True, max_per_folder=10**6, include=".*", exclude=""), Store()
    tracker, record, found = ChangeTracker(Parser(Layouts())), day_record(form), list[int]()
    for number in range(2):  # the first response shows what agents look like
        draft = store.draft()

        def put(day: FolderDay, draft: Draft = draft) -> Steps[None]:
            found.append(len(day.agents))
            shown, _ = yield from rules.apply(AgentDays.of(day.agents))
            yield from TargetSamples(target_of("UTC", "F")).put_agents("F", shown, draft)

        body = json.dumps([record | {"number": number}], **layout).encode()
        seconds = step_seconds(tracker.read(body, _REQUESTED, put))
        assert max(seconds) < _MOST_SECONDS, sorted(seconds)[-5:]
    assert found == [10_000 if form == "ids ten times" else _AGENTS] * 2


@pytest.mark.parametrize("odd", ["dates", "wrappers"])
def test_many_members_that_may_be_day_records_take_no_long_step(odd: str) -> None:
    dates = ((date(1000, 1, 1) + timedelta(days=day)).strftime("%Y%m%d") for day in count())
    wrappers = ("".join(map(str.__add__, each, "stats")) for each in product(["", *"_- ", "__", "--", "_-"], repeat=5))
    names = islice(dates if odd == "dates" else wrappers, 16_000)
    record = {"agents": 1, "stats": 1, **dict.fromkeys(names, 1), "a": {"calls": 3}}
    tracker, found = ChangeTracker(Parser(Layouts())), list[int]()

    def put(day: FolderDay) -> Steps[None]:
        found.append(day.calls)
        yield

    seconds = step_seconds(tracker.read(json.dumps(record).encode(), _REQUESTED, put))
    assert found == [3]
    assert max(seconds) < 5 * _MOST_SECONDS  # each compared with all others, they take more than a second


@pytest.mark.parametrize("calls", [1, 7, _AGENTS])
@pytest.mark.parametrize("most", [1_000, _AGENTS - 1])
def test_no_step_of_a_cap_is_long(calls: int, most: int) -> None:
    numbers = range(_AGENTS)
    folder = AgentDays(map(str, numbers), (1 + number % calls for number in numbers), [None] * _AGENTS)
    rules = AgentRules(enabled=True, max_per_folder=most, include=".*", exclude="")
    assert max(step_seconds(rules.apply(folder))) < _MOST_SECONDS
    shown, folded = finished(rules.apply(folder))
    assert (len(shown), folded, sum(shown.calls)) == (most + 1, _AGENTS - most, sum(folder.calls))
