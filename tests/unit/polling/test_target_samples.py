from dataclasses import replace
from datetime import date

import pytest
from msgspec import structs

from exporter.exposition.families import FolderFigures, PollFigures
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format
from exporter.polling.target_samples import TargetSamples
from exporter.stats.model import AgentDay, AgentDays
from tests.support.exposition_oracle import assert_valid
from tests.support.fake_clock import target_of
from tests.support.finished_steps import finished, publish
from tests.support.samples import failure_samples

MONDAY = date(2026, 11, 23)
BUSY = FolderFigures(calls=3, calls_total=4, average_seconds=2.5, agents=1)


def page(store: Store, form: Format = Format.TEXT) -> str:
    return b"".join(store.pages[form].text()[1]).decode()


def samples(store: Store, form: Format = Format.TEXT) -> list[str]:
    return [line for line in page(store, form).splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("zone", ["US/Eastern", None])
def test_a_counter_alone(zone: str | None) -> None:
    store = Store()
    draft = store.draft()
    TargetSamples(target_of(zone)).put_counter("A", 0, MONDAY if zone else None, draft)
    publish(store, draft)
    created = ['vspark_folder_calls_created{company="C",folder="A",org="O"} 1.79541e+09'] if zone else []
    counter = 'vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0'
    assert samples(store) == [counter]
    assert samples(store, Format.OPENMETRICS) == [counter, *created]


def test_a_previous_day_without_a_mean() -> None:
    store = Store()
    text = TargetSamples(target_of("US/Eastern"))
    for figures, agents in ((BUSY, [AgentDay("a1", 3, 2.5)]), (FolderFigures(calls=3), [])):
        draft = store.draft()
        finished(text.put_previous_day("A", figures, AgentDays.of(agents), draft))
        publish(store, draft)
        calls = ['vspark_folder_calls_previous_day{company="C",folder="A",org="O"} 3.0']
        seconds = ['vspark_folder_call_seconds_previous_day{company="C",folder="A",org="O"} 7.5']
        of_agents = ['vspark_agent_calls_previous_day{agent="a1",company="C",folder="A",org="O"} 3.0']
        assert samples(store) == (calls + seconds + of_agents if agents else calls)


@pytest.mark.parametrize("folder", ["A", None])
def test_every_reason_has_a_sample(folder: str | None) -> None:
    store = Store()
    draft = store.draft()
    TargetSamples(target_of(None, folder)).put_failures({"timeout": 3, "auth": 1}, draft)
    publish(store, draft)
    assert samples(store) == failure_samples({"timeout": 3, "auth": 1}, folder=folder or "")


def test_names_are_escaped_and_what_is_removed_leaves_nothing() -> None:
    store = Store()
    target = replace(target_of("US/Eastern", 'F"\n'), company="C\\o", org='O"')
    text = TargetSamples(target)
    draft = store.draft()
    text.put_folder('F"\n', BUSY, None, MONDAY, draft)
    finished(text.put_agents('F"\n', AgentDays.of([AgentDay('a"1', 3, 2.5)]), draft))
    finished(text.put_previous_day('F"\n', BUSY, AgentDays.of([AgentDay('a"1', 3, 2.5)]), draft))
    text.put_polls(PollFigures(polls=1), PollFigures(), draft)
    text.put_failures({}, draft)
    publish(store, draft)
    for form in Format:
        end = "# EOF\n" if form is Format.OPENMETRICS else ""
        series = assert_valid((page(store, form) + end).encode(), form)
        labels = [dict(labels) for _, labels in series]
        assert {each["company"] for each in labels} == {"C\\o"}
        assert {each["org"] for each in labels} == {'O"'}
        assert {each["folder"] for each in labels} == {'F"\n'}
    draft = store.draft()
    text.drop_folder('F"\n', BUSY, draft)
    text.drop_previous_day('F"\n', draft)
    text.drop_polls(draft)
    publish(store, draft)
    assert (samples(store), samples(store, Format.OPENMETRICS)) == ([], [])


def test_only_samples_that_differ_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.exposition.store._FEW_TEXTS", -1)
    store, text = Store(), TargetSamples(target_of("US/Eastern", "A"))
    draft = store.draft()
    text.put_folder("A", BUSY, None, MONDAY, draft)
    text.put_polls(PollFigures(up=True, polls=1), PollFigures(), draft)
    publish(store, draft)
    before = store.pages[Format.OPENMETRICS].pieces
    draft = store.draft()
    text.put_folder("A", structs.replace(BUSY, agents=2), BUSY, MONDAY, draft)
    text.put_polls(PollFigures(up=True, polls=2), PollFigures(up=True, polls=1), draft)
    publish(store, draft)
    pairs = zip(before, store.pages[Format.OPENMETRICS].pieces, strict=True)
    assert [new.text() for old, new in pairs if new is not old] == [
        b'vspark_folder_agents_today{company="C",folder="A",org="O"} 2.0\n',
        b'vspark_polls_total{company="C",folder="A",org="O"} 2.0\n',
    ]
