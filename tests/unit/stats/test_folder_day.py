from typing import Any

import pytest

from exporter.errors import DecodeError
from exporter.stats.day_record import Findings
from exporter.stats.model import AgentDay, FolderDay
from tests.support.day_records import folder_day as read

COUNTS = ["calls", "ncalls", "numcalls", "totalcalls", "callcount", "callvolume", "volume"]
AVERAGES = ["avgduration", "averageduration", "avgcallduration", "averagecallduration", "avglength", "duration"]
TOTALS = ["totalduration", "durationtotal", "sumduration"]
AGENTS = (AgentDay("a", 1, 60.0), AgentDay("b", 3, 20.0))
OF_AGENTS = FolderDay("F", 4, 30.0, AGENTS)


def rejected(*records: dict[str, Any]) -> tuple[str, str, str]:
    with pytest.raises(DecodeError) as caught:
        read(*records)
    return caught.value.reason, caught.value.path, caught.value.message


@pytest.mark.parametrize(
    ("record", "day"),
    [
        ({"agents": {"a": {"calls": 1, "duration": 60}, "b": {"calls": 3, "duration": 20}}}, OF_AGENTS),
        ({"agents": 2, "a": {"calls": 1, "duration": 60}, "b": {"calls": 3, "duration": 20}}, OF_AGENTS),
        (
            {"agents": [{"id": "a", "calls": 1, "duration": 60}, {"id": "b", "calls": 3, "duration": 20}]},
            OF_AGENTS,
        ),
        (
            {"calls": None, "duration": 99, "agents": {"a": {"calls": 1, "duration": 60}}},
            FolderDay("F", 1, 60.0, (AgentDay("a", 1, 60.0),)),
        ),
        (
            {"agents": {"a": {"calls": 1, "duration": 60}, "b": 3}},
            FolderDay("F", 4, 60.0, (AgentDay("a", 1, 60.0), AgentDay("b", 3))),
        ),
        ({"agents": {"a": 2, "b": 3}}, FolderDay("F", 5, None, (AgentDay("a", 2), AgentDay("b", 3)))),
        ({"agents": {"a": 0, "b": {"calls": 0, "duration": 9}}}, FolderDay("F", 0)),
    ],
)
def test_rule_1_without_a_count_the_agents_add_up(record: dict[str, Any], day: FolderDay) -> None:
    assert read(record) == day


@pytest.mark.parametrize(
    ("records", "day"),
    [
        ([{"calls": 1}, {"calls": 2}], FolderDay("F", 3)),
        ([{"calls": 1, "duration": 10}, {"calls": 3, "duration": 50}], FolderDay("F", 4, 40.0)),
        ([{"calls": 1, "duration": 10}, {"calls": 3}], FolderDay("F", 4, 10.0)),
        ([{"calls": 1, "duration": 0.1}, {"calls": 0, "duration": 50}], FolderDay("F", 1, 0.1)),
        ([{"calls": 0, "duration": 10}, {"calls": 0}], FolderDay("F", 0)),
        ([{"calls": 3, "duration": 0.1}, {"calls": 2}], FolderDay("F", 5, 0.1)),
        ([{"calls": 2, "sumduration": 20}, {"calls": 2, "duration": 20}], FolderDay("F", 4, 15.0)),
        (
            [{"calls": 1, "agents": {"a": 1}}, {"calls": 4, "agents": {"b": 1, "a": {"calls": 3, "duration": 5}}}],
            FolderDay("F", 5, None, (AgentDay("a", 4, 5.0), AgentDay("b", 1))),
        ),
        (
            [
                {"agents": {"a": {"calls": 1, "duration": 60}, "b": {"calls": 3, "duration": 20}}},
                {"calls": 4, "duration": 10, "agents": [{"id": "a", "calls": 3, "duration": 40}]},
            ],
            FolderDay("F", 8, 20.0, (AgentDay("a", 4, 45.0), AgentDay("b", 3, 20.0))),
        ),
        (
            [{"calls": 3, "agents": [{"id": "a", "calls": 1, "duration": 6}, {"id": "a", "calls": 2, "duration": 9}]}],
            FolderDay("F", 3, None, (AgentDay("a", 3, 8.0),)),
        ),
        ([{"agents": [{"id": 7, "calls": 1}, {"id": "7", "calls": 2}]}], FolderDay("F", 3, None, (AgentDay("7", 3),))),
    ],
)
def test_rule_7_records_add_up(records: list[dict[str, Any]], day: FolderDay) -> None:
    assert read(*records) == day


A_COUNT = "expected a number of calls, found"
A_DURATION = "expected a duration, found"
NO_COUNT = f"{A_COUNT} another text"
NO_DURATION = "expected a duration (seconds, MM:SS or H:MM:SS), found another text"
NO_ID = "expected an agent id (a text or a whole number), found"
UNCOUNTED = "this agent's record has no call count"
SPELLED = "this field is present in two spellings, so its value is ambiguous"


@pytest.mark.parametrize(
    ("record", "path", "message"),
    [
        ({"calls": -1}, "$[0].calls", f"{A_COUNT} a negative number"),
        ({"calls": 1.5}, "$[0].calls", f"{A_COUNT} a fraction"),
        ({"calls": True}, "$[0].calls", f"{A_COUNT} a boolean"),
        ({"calls": ""}, "$[0].calls", NO_COUNT),
        ({"calls": []}, "$[0].calls", f"{A_COUNT} a list"),
        ({"calls": {"a": 1}, "ncalls": 5}, "$[0].calls", f"{A_COUNT} an object"),
        ({"Call Count": "NaN"}, '$[0]["Call Count"]', NO_COUNT),
        ({"calls": 2**53 + 1}, "$[0].calls", f"{A_COUNT} a number out of range"),
        ({"calls": 1, "duration": "0:00:60"}, "$[0].duration", NO_DURATION),
        ({"calls": 0, "duration": -1}, "$[0].duration", f"{A_DURATION} a negative number"),
        ({"calls": 1, "duration": False}, "$[0].duration", f"{A_DURATION} a boolean"),
        ({"calls": 0, "totalduration": "x"}, "$[0].totalduration", NO_DURATION),
        ({"calls": 1, "sumduration": [60]}, "$[0].sumduration", f"{A_DURATION} a list"),
        ({"agents": {"a": 1}, "duration": "x"}, "$[0].duration", NO_DURATION),
        ({"calls": 1, "agents": True}, "$[0].agents", f"{A_COUNT} a boolean"),
        ({"calls": 1, "agents": "many"}, "$[0].agents", NO_COUNT),
        ({"calls": 1, "agents": -1}, "$[0].agents", f"{A_COUNT} a negative number"),
        ({"calls": 1, "By Agent": 0.5}, '$[0]["By Agent"]', f"{A_COUNT} a fraction"),
        ({"calls": 1, "agents": {"a": {"calls": 1, "CALLS": 1}}}, "$[0].agents[agent 1].CALLS", SPELLED),
        ({"calls": 1, "agents": 1, "a": {"calls": 1, "CALLS": 1}}, "$[0][agent 1].CALLS", SPELLED),
        ({"calls": 1, "agents": [{"id": 1, "Id": 1, "calls": 1}]}, "$[0].agents[0].Id", SPELLED),
        ({"agents": {"a": {"overall": {"calls": 1, "CALLS": 1}}}}, "$[0].agents[agent 1].overall.CALLS", SPELLED),
        (
            {"agents": {"a": {"calls": 1, "overall": {}, "Overall": {"x": 1}}}},
            "$[0].agents[agent 1].Overall",
            SPELLED,
        ),
        ({"calls": 1, "agents": {"a": -1}}, "$[0].agents[agent 1]", f"{A_COUNT} a negative number"),
        ({"calls": 1, "agents": {"001": True}}, "$[0].agents[agent 1]", f"{A_COUNT} a boolean"),
        ({"calls": 1, "agents": {"a b": "x"}}, "$[0].agents[agent 1]", NO_COUNT),
        ({"calls": 1, "agents": {"a": [1]}}, "$[0].agents[agent 1]", f"{A_COUNT} a list"),
        ({"calls": 1, "agents": {"a": {"calls": "x"}}}, "$[0].agents[agent 1].calls", NO_COUNT),
        ({"calls": 1, "agents": {"a": {"calls": 0, "duration": "x"}}}, "$[0].agents[agent 1].duration", NO_DURATION),
        ({"calls": 1, "agents": {"a": {"calls": 1, "duration": ""}}}, "$[0].agents[agent 1].duration", NO_DURATION),
        (
            {"calls": 1, "agents": {"a": {"calls": 1, "overall": {"duration": {}}}}},
            "$[0].agents[agent 1].overall.duration",
            f"{A_DURATION} an object",
        ),
        (
            {"calls": 1, "agents": {"a": {"overall": {"ncalls": 0.5}}}},
            "$[0].agents[agent 1].overall.ncalls",
            f"{A_COUNT} a fraction",
        ),
        ({"calls": 1, "agents": 1, "a": {"calls": -1}}, "$[0][agent 1].calls", f"{A_COUNT} a negative number"),
        ({"calls": 1, "agents": [{"id": 1, "calls": -1}]}, "$[0].agents[0].calls", f"{A_COUNT} a negative number"),
        ({"calls": 1, "agents": [{"id": 1, "overall": {"calls": ""}}]}, "$[0].agents[0].overall.calls", NO_COUNT),
        ({"calls": 1, "agents": [{"id": 1, "calls": 1, "duration": "x"}]}, "$[0].agents[0].duration", NO_DURATION),
        ({"calls": 1, "agents": [{"agent": True, "calls": 1}]}, "$[0].agents[0].agent", f"{NO_ID} a boolean"),
        ({"calls": 1, "agents": [{"agent": 1.5, "id": 1, "calls": 1}]}, "$[0].agents[0].agent", f"{NO_ID} a fraction"),
        (
            {"calls": 1, "agents": [{"id": ["x"], "calls": 1}]},
            "$[0].agents[0].id",
            f"{NO_ID} a list",
        ),
        ({"calls": 1, "agents": [{"calls": 1}]}, "$[0].agents[0]", "this agent's record has no agent id"),
        ({"calls": 1, "agents": [{"id": None, "calls": 1}]}, "$[0].agents[0]", "this agent's record has no agent id"),
        ({"calls": 1, "agents": [None, 5]}, "$[0].agents[1]", "expected an agent's record (an object)"),
        ({"calls": 1, "agents": ["a"]}, "$[0].agents[0]", "expected an agent's record (an object)"),
        ({"calls": 1, "agents": [[]]}, "$[0].agents[0]", "expected an agent's record (an object)"),
        ({"calls": 1, "agents": [{"id": 1}]}, "$[0].agents[0]", UNCOUNTED),
        ({"calls": 1, "agents": {"a": {}}}, "$[0].agents[agent 1]", UNCOUNTED),
        ({"calls": 1, "agents": {"a": {"calls": None}}}, "$[0].agents[agent 1]", UNCOUNTED),
        ({"calls": 1, "agents": {"a": {"duration": 5}}}, "$[0].agents[agent 1]", UNCOUNTED),
        ({"calls": 1, "agents": {"a": {"overall": {}}}}, "$[0].agents[agent 1]", UNCOUNTED),
        (
            {"calls": 1, "agents": {"a": {"overall": {"overall": {"calls": 1}}}}},
            "$[0].agents[agent 1]",
            UNCOUNTED,
        ),
        (
            {"calls": 1, "agents": {"a": {"agents": {"b": {"calls": 1}}}}},
            "$[0].agents[agent 1]",
            UNCOUNTED,
        ),
    ],
)
def test_rule_8_what_is_rejected(record: dict[str, Any], path: str, message: str) -> None:
    assert rejected(record) == ("unrecognized", path, message)


LARGEST: dict[str, Any] = {"calls": 2**53}
OVER = "add up to a number out of range"


@pytest.mark.parametrize(
    ("records", "path", "message"),
    [
        ([LARGEST, {"calls": 1}], "$[1]", f"the calls {OVER}"),
        ([{"agents": {"a": 2**53, "b": 1}}], "$[0]", f"the calls {OVER}"),
        (
            [{"calls": 1, "agents": [{"id": 7, **LARGEST}, {"id": "7", "calls": 1}]}],
            "$[0].agents",
            f"an agent's calls {OVER}",
        ),
        ([{"calls": 1, "agents": {"a": 2**53}}, {"calls": 1, "agents": {"a": 1}}], "$[1]", f"an agent's calls {OVER}"),
    ],
)
def test_calls_that_add_up_to_more_than_a_sample_can_tell_are_rejected(
    records: list[dict[str, Any]], path: str, message: str
) -> None:
    assert rejected(*records) == ("unrecognized", path, message)


def test_calls_add_up_to_the_largest_that_a_sample_can_tell() -> None:
    agents = {"calls": 1, "agents": {"a": 1}}
    day = read({"calls": 2**53 - 2, "agents": {"a": 2**53 - 1}}, agents, {"calls": 1})
    assert (day.calls, list(day.agents)) == (2**53, [AgentDay("a", 2**53)])


def test_a_deep_overall_is_no_matter() -> None:
    deep: dict[str, Any] = {"calls": 1}
    for _ in range(500):
        deep = {"overall": deep}
    assert read({"calls": 1, "agents": 1, "a": deep}) == FolderDay("F", 1)
    assert rejected({"calls": 1, "agents": {"a": deep}})[1:] == (
        "$[0].agents[agent 1]",
        UNCOUNTED,
    )


def test_rule_11_extensions() -> None:
    names = {
        "calls": ["Anrufe"],
        "average_duration": ["Dauer"],
        "total_duration": ["Gesamtdauer"],
        "agents": ["Bearbeiter"],
        "agent_id": ["Kennung"],
    }
    record = {
        "anrufe": 9,
        "calls": "ignored",
        "Dauer": 10,
        "avgduration": "ignored",
        "bearbeiter": {"a": {"Anrufe": 1, "dauer": 60}, "b": {"calls": 3}},
        "agents": "ignored",
    }
    assert read(record, names=names) == FolderDay("F", 9, 10.0, (AgentDay("a", 1, 60.0), AgentDay("b", 3)))
    listed = {"anrufe": 4, "bearbeiter": [{"kennung": 7, "id": "x", "calls": 4, "gesamtdauer": 20, "sumduration": "x"}]}
    assert read(listed, names=names) == FolderDay("F", 4, None, (AgentDay("7", 4, 5.0),))


@pytest.mark.parametrize("unit", ["milliseconds", "minutes"])
@pytest.mark.parametrize("mean", [150, "150", 150.0])
@pytest.mark.parametrize("listed", ["object", "list", "beside"])
def test_rule_11_the_unit_of_plain_numbers(unit: str, mean: Any, listed: str) -> None:
    seconds = {"milliseconds": 0.15, "minutes": 9000.0}[unit]
    records = {
        "a": {"calls": 2, "duration": mean},
        "b": {"calls": 2, "duration": "0:02:30"},
        "c": {"calls": 2, "sumduration": 300},
        "d": {"calls": 2, "overall": {"duration": mean}},
    }
    shapes: dict[str, dict[str, Any]] = {
        "object": {"agents": records},
        "list": {"agents": [{"id": agent, **record} for agent, record in records.items()]},
        "beside": {"agents": 4, **records},
    }
    expected = tuple(AgentDay(agent, 2, 150.0 if agent == "b" else seconds) for agent in "abcd")
    names = {"duration_unit": unit}
    assert read({"calls": 8, "duration": mean, **shapes[listed]}, names=names) == FolderDay("F", 8, seconds, expected)
    assert read({"calls": 2, "sumduration": 300}, names=names) == FolderDay("F", 2, seconds)
    assert read({"calls": 2, "sumduration": "0:05:00"}, names=names) == FolderDay("F", 2, 150.0)


def test_rule_11_findings_state_the_unit() -> None:
    found: Findings = {}
    record = {"calls": 2, "duration": 1000, "agents": [{"id": 1, "calls": 2, "sumduration": 2000}]}
    read(record, names={"duration_unit": "milliseconds"}, findings=found)
    assert [finding for finding in found if "rule 2" in finding] == [
        "rule 2: an agent's total duration, divided by the calls, from 'sumduration' (numbers are milliseconds)",
        "rule 2: a folder's mean duration from 'duration' (numbers are milliseconds)",
    ]


@pytest.mark.parametrize(
    ("record", "findings"),
    [
        (
            {"Calls": 1, "agents": {"a": {"ncalls": 1, "overall": {"duration": 2}}}},
            [
                "rule 3: agents from 'agents', an object by their ids",
                "rule 1: an agent's calls from 'ncalls'",
                "rule 2: an agent's overall mean duration from 'duration'",
                "rule 1: a folder's calls from 'Calls'",
            ],
        ),
        (
            {"agents": 1, "a": {"calls": 1, "sumduration": 2}},
            [
                "rule 3: 'agents' is a number, agents are the fields beside it, by their ids",
                "rule 1: an agent's calls from 'calls'",
                "rule 2: an agent's total duration, divided by the calls, from 'sumduration'",
                "rule 1: calls and mean duration are those of the agents, added up",
            ],
        ),
        (
            {"calls": 2, "avglength": 5, "byagent": [{"id": 1, "calls": 2, "duration": 5}]},
            [
                "rule 3: agents from 'byagent', a list",
                "rule 1: an agent's calls from 'calls'",
                "rule 2: an agent's mean duration from 'duration'",
                "rule 1: a folder's calls from 'calls'",
                "rule 2: a folder's mean duration from 'avglength'",
            ],
        ),
    ],
)
def test_findings_tell_what_was_read_by_which_rule(record: dict[str, Any], findings: list[str]) -> None:
    found: Findings = {}
    read(record, findings=found)
    assert list(found) == findings
