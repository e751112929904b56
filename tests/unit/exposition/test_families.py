import pytest

from exporter.exposition.families import (
    AGENT_AVERAGE,
    AGENT_CALLS,
    FAMILIES,
    FOLDER_VALUES,
    ORG_VALUES,
    POLL_VALUES,
    PREVIOUS_DAY_VALUES,
    Family,
    FolderFigures,
    OrgFigures,
    PollFigures,
    agent_columns,
)
from exporter.stats.model import AgentDay, AgentDays

FOLDER = "company, org, folder"


def test_the_table() -> None:
    assert [
        (family.name, family.type, ", ".join(family.labels), family.unit, family.created) for family in FAMILIES
    ] == [
        ("vspark_folder_calls_today", "gauge", FOLDER, "", False),
        ("vspark_folder_calls_total", "counter", FOLDER, "", True),
        ("vspark_folder_call_duration_average_seconds", "gauge", FOLDER, "seconds", False),
        ("vspark_folder_call_seconds_today", "gauge", FOLDER, "", False),
        ("vspark_folder_agents_today", "gauge", FOLDER, "", False),
        ("vspark_folder_agents_folded", "gauge", FOLDER, "", False),
        ("vspark_agent_calls_today", "gauge", f"{FOLDER}, agent", "", False),
        ("vspark_agent_call_duration_average_seconds", "gauge", f"{FOLDER}, agent", "seconds", False),
        ("vspark_folder_calls_previous_day", "gauge", FOLDER, "", False),
        ("vspark_folder_call_seconds_previous_day", "gauge", FOLDER, "", False),
        ("vspark_agent_calls_previous_day", "gauge", f"{FOLDER}, agent", "", False),
        ("vspark_day_start_timestamp_seconds", "gauge", "company, org", "seconds", False),
        ("vspark_org_timezone_mismatch", "gauge", "company, org", "", False),
        ("vspark_up", "gauge", FOLDER, "", False),
        ("vspark_last_poll_timestamp_seconds", "gauge", FOLDER, "seconds", False),
        ("vspark_last_success_timestamp_seconds", "gauge", FOLDER, "seconds", False),
        ("vspark_last_poll_duration_seconds", "gauge", FOLDER, "seconds", False),
        ("vspark_polls_total", "counter", FOLDER, "", False),
        ("vspark_polls_skipped_total", "counter", FOLDER, "", False),
        ("vspark_poll_failures_total", "counter", f"{FOLDER}, reason", "", False),
        ("vspark_discovery_up", "gauge", "company", "", False),
        ("vspark_discovery_last_success_timestamp_seconds", "gauge", "company", "seconds", False),
        ("vspark_discovery_failures_total", "counter", "company, reason", "", False),
    ]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_and_texts_are_as_prometheus_wants_them(family: Family) -> None:
    assert not family.help[0].islower()
    assert family.help.endswith(".")
    assert "\n" not in family.help
    assert (family.type == "counter") == family.name.endswith("_total")
    assert family.name.endswith(f"_{family.unit}" if family.unit else "")


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (FolderFigures(), [0, 0, None, 0, 0, 0]),
        (FolderFigures(calls=0, calls_total=9, average_seconds=30.0), [0, 9, None, 0, 0, 0]),
        (FolderFigures(calls=4, calls_total=5, average_seconds=2.5, agents=3, folded=1), [4, 5, 2.5, 10.0, 3, 1]),
        (FolderFigures(calls=4, calls_total=4, average_seconds=0.0), [4, 4, 0.0, 0.0, 0, 0]),
        (FolderFigures(calls=4, calls_total=4), [4, 4, None, None, 0, 0]),
    ],
)
def test_what_is_said_of_a_folder(figures: FolderFigures, expected: list[float | None]) -> None:
    assert [value_of(figures) for value_of in FOLDER_VALUES.values()] == expected


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (FolderFigures(), [0, 0]),
        (FolderFigures(calls=4, average_seconds=2.5), [4, 10.0]),
        (FolderFigures(calls=4), [4, None]),
    ],
)
def test_what_is_said_of_a_folders_previous_day(figures: FolderFigures, expected: list[float | None]) -> None:
    assert [value_of(figures) for value_of in PREVIOUS_DAY_VALUES.values()] == expected


def test_what_is_said_of_an_org() -> None:
    assert [value_of(OrgFigures()) for value_of in ORG_VALUES.values()] == [None]
    assert [value_of(OrgFigures(day_start=12.0, folders=3)) for value_of in ORG_VALUES.values()] == [12.0]


def test_what_is_said_of_polls() -> None:
    assert [value_of(PollFigures()) for value_of in POLL_VALUES.values()] == [0, 0.0, None, 0.0, 0, 0]
    polls = PollFigures(
        up=True,
        last_poll_timestamp_seconds=12.0,
        last_success_timestamp_seconds=11.0,
        last_poll_duration_seconds=0.5,
        polls=3,
        skipped=1,
    )
    assert [value_of(polls) for value_of in POLL_VALUES.values()] == [1, 12.0, 11.0, 0.5, 3, 1]


def test_what_is_said_of_agents() -> None:
    agents = (AgentDay("a", 3, 10.0), AgentDay("b", 2), AgentDay("c", 1, 0.0))
    assert list(agent_columns(AgentDays.of(agents))) == [
        (AGENT_CALLS, ["a", "b", "c"], [3, 2, 1]),
        (AGENT_AVERAGE, ["a", "c"], [10.0, 0.0]),
    ]
    assert list(agent_columns(AgentDays())) == [(AGENT_CALLS, [], []), (AGENT_AVERAGE, [], [])]
