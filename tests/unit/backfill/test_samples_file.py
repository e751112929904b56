import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.backfill.days import Span, TargetDays
from exporter.backfill.journal import FolderDayRow, Journal
from exporter.backfill.samples_file import Content, Written, write_samples
from exporter.stats.model import AgentDay, AgentDays
from tests.support.fake_clock import target_of
from tests.support.finished_steps import finished

BERLIN = ZoneInfo("Europe/Berlin")
SAT, SUN = date(2026, 10, 24), date(2026, 10, 25)
WEEKEND = Span(SAT, SUN)
"""The clocks go back on Sunday, October 25, 2026."""
NOON = 12 * 3600
LONG_AFTER = 2e9

FILE = """\
# HELP vspark_folder_calls_previous_day HELP
# TYPE vspark_folder_calls_previous_day gauge
vspark_folder_calls_previous_day{company="C",folder="A\\"",job="v",org="O"} 3.0 1792879200
vspark_folder_calls_previous_day{company="C",folder="A\\"",job="v",org="O"} 3.0 1792922400
vspark_folder_calls_previous_day{company="C",folder="A\\"",job="v",org="O"} 3.0 1792965600
vspark_folder_calls_previous_day{company="C",folder="A\\"",job="v",org="O"} 0.0 1792969200
vspark_folder_calls_previous_day{company="C",folder="A\\"",job="v",org="O"} 0.0 1793012400
vspark_folder_calls_previous_day{company="C",folder="B",job="v",org="O"} 0.0 1792879200
vspark_folder_calls_previous_day{company="C",folder="B",job="v",org="O"} 0.0 1792922400
vspark_folder_calls_previous_day{company="C",folder="B",job="v",org="O"} 0.0 1792965600
vspark_folder_calls_previous_day{company="C",folder="B",job="v",org="O"} 5.0 1792969200
vspark_folder_calls_previous_day{company="C",folder="B",job="v",org="O"} 5.0 1793012400
# HELP vspark_folder_call_seconds_previous_day HELP
# TYPE vspark_folder_call_seconds_previous_day gauge
vspark_folder_call_seconds_previous_day{company="C",folder="A\\"",job="v",org="O"} 7.5 1792879200
vspark_folder_call_seconds_previous_day{company="C",folder="A\\"",job="v",org="O"} 7.5 1792922400
vspark_folder_call_seconds_previous_day{company="C",folder="A\\"",job="v",org="O"} 7.5 1792965600
vspark_folder_call_seconds_previous_day{company="C",folder="A\\"",job="v",org="O"} 0.0 1792969200
vspark_folder_call_seconds_previous_day{company="C",folder="A\\"",job="v",org="O"} 0.0 1793012400
vspark_folder_call_seconds_previous_day{company="C",folder="B",job="v",org="O"} 0.0 1792879200
vspark_folder_call_seconds_previous_day{company="C",folder="B",job="v",org="O"} 0.0 1792922400
vspark_folder_call_seconds_previous_day{company="C",folder="B",job="v",org="O"} 0.0 1792965600
"""
AGENTS = """\
# HELP vspark_agent_calls_previous_day HELP
# TYPE vspark_agent_calls_previous_day gauge
vspark_agent_calls_previous_day{agent="a",company="C",folder="A\\"",job="v",org="O"} 1.0 1792879200
vspark_agent_calls_previous_day{agent="a",company="C",folder="A\\"",job="v",org="O"} 1.0 1792922400
vspark_agent_calls_previous_day{agent="a",company="C",folder="A\\"",job="v",org="O"} 1.0 1792965600
vspark_agent_calls_previous_day{agent="b",company="C",folder="A\\"",job="v",org="O"} 2.0 1792879200
vspark_agent_calls_previous_day{agent="b",company="C",folder="A\\"",job="v",org="O"} 2.0 1792922400
vspark_agent_calls_previous_day{agent="b",company="C",folder="A\\"",job="v",org="O"} 2.0 1792965600
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal", {}, 0.0) as journal:
        yield journal


def written(
    journal: Journal, planned: list[TargetDays], *, agents: bool, now: float = LONG_AFTER
) -> tuple[str, Written]:
    file = io.BytesIO()
    done = finished(write_samples(file, planned, journal, Content(NOON, {"job": "v"}, agents, now)))
    lines = file.getvalue().decode().splitlines(keepends=True)
    return "".join(
        f"{' '.join(line.split()[:3])} HELP\n" if line.startswith("# HELP") else line for line in lines
    ), done


def test_the_whole_file(journal: Journal) -> None:
    target = target_of("Europe/Berlin")
    agents = AgentDays.of([AgentDay("b", 2), AgentDay("a", 1)])
    journal.add(
        target,
        WEEKEND,
        [FolderDayRow(SUN, "B", 5, None, AgentDays()), FolderDayRow(SAT, 'A"', 3, 2.5, agents)],
    )
    planned = [TargetDays(target, BERLIN, WEEKEND)]
    assert written(journal, planned, agents=False) == (f"{FILE}# EOF\n", Written(2, 18))
    assert written(journal, planned, agents=True) == (f"{FILE}{AGENTS}# EOF\n", Written(2, 24))


def test_known_folders_count_0(journal: Journal) -> None:
    """Configured ones, and listed ones."""
    one, whole = target_of("UTC", "F"), replace(target_of("UTC", org="P"), folders=frozenset({"L"}))
    for target in (one, whole):
        journal.add(target, Span(SAT, SAT), [])
    planned = [TargetDays(target, ZoneInfo("UTC"), Span(SAT, SAT)) for target in (one, whole)]
    text, done = written(journal, planned, agents=True)
    calls = [line for line in text.splitlines() if line.startswith("vspark_folder_calls_previous_day{")]
    assert calls[::2] == [
        'vspark_folder_calls_previous_day{company="C",folder="F",job="v",org="O"} 0.0 1792886400',
        'vspark_folder_calls_previous_day{company="C",folder="L",job="v",org="P"} 0.0 1792886400',
    ]
    assert done == Written(2, 8)


def test_days_that_could_not_be_read_have_no_sample(journal: Journal) -> None:
    target = target_of("UTC", "F")
    journal.add(target, Span(SUN, SUN), [])
    text, done = written(journal, [TargetDays(target, ZoneInfo("UTC"), WEEKEND)], agents=False)
    first = int(datetime(2026, 10, 26, tzinfo=ZoneInfo("UTC")).timestamp())
    assert {int(line.split()[-1]) for line in text.splitlines() if "{" in line} == {first, first + NOON}
    assert done.samples == 4


def test_nothing_read(journal: Journal) -> None:
    planned = [TargetDays(target_of("UTC", "F"), ZoneInfo("UTC"), WEEKEND)]
    assert written(journal, planned, agents=False)[1] == Written(0, 0)
