from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import DecodeError
from exporter.stats.day_record import Findings
from exporter.stats.field_names import Layouts
from exporter.stats.folder_day import FolderDayBuilder
from exporter.stats.model import AgentDay, FolderDay
from tests.support.day_records import folder_day as read
from tests.support.day_records import part

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
    ("record", "calls"),
    [
        *(({name: 5}, 5) for name in COUNTS),
        ({"volume": 7, "callvolume": 6, "callcount": 5, "totalcalls": 4, "numcalls": 3, "ncalls": 2, "calls": 1}, 1),
        ({"volume": 7, "callvolume": 6, "callcount": 5, "totalcalls": 4, "numcalls": 3, "ncalls": 2}, 2),
        ({"volume": 7, "callvolume": 6, "callcount": 5, "totalcalls": 4, "numcalls": 3}, 3),
        ({"volume": 7, "callvolume": 6, "callcount": 5, "totalcalls": 4}, 4),
        ({"volume": 7, "callvolume": 6, "callcount": 5}, 5),
        ({"volume": 7, "callvolume": 6}, 6),
        ({"Call Volume": 5, "silence": "0:03:13", "score": "1.0000"}, 5),
        ({"TOTAL-CALLS": "5"}, 5),
        ({"calls": 0}, 0),
        ({"calls": 0, "ncalls": 5}, 0),
        ({"calls": None, "ncalls": 5}, 5),
        ({"calls": 5, "Calls": None}, 5),
        ({"Calls": None, "calls": 5}, 5),
        ({"calls": 5, "stats": [{"calls": 1}], "folders": {"X": {"calls": 1}}}, 5),
    ],
)
def test_rule_1_calls(record: dict[str, Any], calls: int) -> None:
    assert read(record) == FolderDay("F", calls)


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
    ("record", "average_seconds"),
    [
        *(({"calls": 2, name: "0:01:00"}, 60.0) for name in AVERAGES),
        *(({"calls": 2, name: "0:01:00"}, 30.0) for name in TOTALS),
        ({"calls": 2, "duration": 6, "avglength": 5, "averagecallduration": 4, "avgcallduration": 3}, 3.0),
        ({"calls": 2, "duration": 6, "avglength": 5, "averagecallduration": 4}, 4.0),
        ({"calls": 2, "duration": 6, "avglength": 5}, 5.0),
        ({"calls": 2, "averageduration": 2, "avgduration": 1}, 1.0),
        ({"calls": 2, "sumduration": 30, "durationtotal": 20, "totalduration": 10}, 5.0),
        ({"calls": 2, "sumduration": 30, "durationtotal": 20}, 10.0),
        ({"calls": 2, "totalduration": 10, "duration": 8}, 8.0),
        ({"calls": 2, "totalduration": 10, "duration": None}, 5.0),
        ({"calls": 3, "totalduration": 1}, 1 / 3),
        ({"calls": 2, "Average Call-Duration": "90:00"}, 5400.0),
        ({"calls": 2, "duration": 0}, 0.0),
        ({"calls": 2, "avgduration": 1, "AvgDuration": None}, 1.0),
        ({"calls": 2, "duration": None}, None),
        ({"calls": 2, "silence": "0:03:13"}, None),
        ({"calls": 0, "duration": "0:01:00"}, None),
        ({"calls": 0, "totalduration": "0:01:00"}, None),
        ({"calls": 2, "overall": {"duration": "0:01:00"}}, None),
        ({"calls": 2}, None),
    ],
)
def test_rule_2_mean_duration(record: dict[str, Any], average_seconds: float | None) -> None:
    assert read(record) == FolderDay("F", record["calls"], average_seconds)


@pytest.mark.parametrize(
    "agents",
    [
        *({name: {"a": {"calls": 1, "duration": 60}, "b": 3}} for name in ("agents", "agentstats", "byagent")),
        {"By Agent": {"a": {"calls": 1, "duration": 60}, "b": "3"}},
        {"agents": {"a": {"calls": 1, "duration": 60}, "b": 3, "c": 0, "d": {"ncalls": "0"}, "e": None}},
        {"agents": {"a": {"numcalls": "1", "totalduration": 60}, "b": {"volume": 3, "duration": None}}},
        {
            "agents": {
                "a": {"calls": 1, "overall": {"ncalls": 1, "duration": "0:01:00"}},
                "b": {"overall": {"calls": 3}},
            }
        },
        {"agents": {"a": {"duration": 60, "overall": {"calls": 1, "duration": 7}}, "b": {"calls": 3, "overall": 5}}},
        {"agents": {"a": {"calls": 1, "Overall": {"sumduration": 60}}, "b": {"calls": 3, "overall": None}}},
        {"agents": {"a": {"calls": 1, "Calls": None, "duration": 60}, "b": {"calls": 3, "agents": {"x": 9}}}},
        {"agents": [{"agent": "a", "calls": 1, "duration": 60}, {"agent": "b", "calls": 3}]},
        {"agents": [{"agentid": "a", "calls": 1, "duration": 60}, {"Agent ID": "b", "calls": 3}, None]},
        {"agents": [{"id": "a", "name": "x", "calls": 1, "duration": 60}, {"agent": None, "name": "b", "calls": 3}]},
        {"agents": [{"agent": "a", "id": 1, "overall": {"calls": 1, "duration": 60}}, {"name": "b", "calls": "3"}]},
        {"agents": [{"id": "a", "calls": 1, "duration": 60}, {"id": "b", "calls": 3}, {"id": "c", "calls": 0}]},
        {"agents": 2, "a": {"calls": 1, "duration": 60}, "b": {"calls": 3}},
        {"agents": "7", "a": {"calls": 1, "overall": {"duration": 60}}, "b": {"overall": {"calls": 3}}, "c": {"x": 1}},
        {"By-Agent": 2.0, "a": {"calls": 1, "duration": 60}, "b": {"calls": 3}, "overall": {"calls": 4}, "d": [1]},
        {"agents": 0, "a": {"calls": 1, "duration": 60}, "b": {"calls": None, "ncalls": 3}, "c": 7, "e": {}},
        {"agents": 2, "a": {"calls": 1, "duration": 60}, "b": {"calls": 3, "CALLS": None}, "f": {"calls": 0}},
        {"agents": None, "agentstats": {"a": {"calls": 1, "duration": 60}, "b": 3}},
        {"byagent": {"x": 1}, "agents": {"a": {"calls": 1, "duration": 60}, "b": 3}},
    ],
)
def test_rule_3_agents(agents: dict[str, Any]) -> None:
    expected = FolderDay("F", 9, 10.0, (AgentDay("a", 1, 60.0), AgentDay("b", 3)))
    assert read({"calls": 9, "duration": 10, **agents}) == expected


@pytest.mark.parametrize(
    "agents",
    [
        *({}, {"agents": None}, {"agents": {}}, {"agents": []}, {"agents": 0}, {"agents": 12}),
        *({"agents": [None]}, {"agents": {"a": None}}, {"agents": "3", "a": {"x": 1}}),
        *({"a": {"calls": 1}}, {"agent": {"a": 1}}, {"agents": 1, "a": {"overall": {"overall": {"calls": 3}}}}),
    ],
)
def test_rule_3_no_agents(agents: dict[str, Any]) -> None:
    assert read({"calls": 9, **agents}) == FolderDay("F", 9)


def test_rule_3_an_id_may_be_a_number_and_any_text() -> None:
    listed = {"calls": 4, "agents": [{"id": 7, "calls": 1}, {"id": "007", "calls": 1}, {"id": "", "calls": 2}]}
    assert read(listed).agents == (AgentDay("7", 1), AgentDay("007", 1), AgentDay("", 2))
    by_id = {"calls": 4, "agents": {"20261123": 1, "stats": 1, "error": 1, "overall": {"calls": 1}}}
    assert [agent.agent for agent in read(by_id).agents] == ["20261123", "stats", "error", "overall"]


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


def test_the_path_is_that_of_the_record_it_stands_in() -> None:
    with pytest.raises(DecodeError) as caught:
        read({"calls": 1}, {"calls": 1, "agents": {"a": {"calls": 1}, "b": {"calls": None, "volume": "x"}}})
    assert str(caught.value) == "$[1].agents[agent 2].volume: expected a number of calls, found another text"


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
    names = {"calls": ["Anrufe"], "average_duration": ["Dauer"], "agents": ["Bearbeiter"]}
    record = {
        "anrufe": 9,
        "calls": "ignored",
        "Dauer": 10,
        "avgduration": "ignored",
        "bearbeiter": {"a": {"Anrufe": 1, "dauer": 60}, "b": {"calls": 3}},
        "agents": "ignored",
    }
    assert read(record, names=names) == FolderDay("F", 9, 10.0, (AgentDay("a", 1, 60.0), AgentDay("b", 3)))


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


def agents_of(count: int) -> list[tuple[str, dict[str, Any]]]:
    return [(f"a{number}", {"calls": 1, "duration": "0:01:00"}) for number in range(count)]


@pytest.mark.parametrize(
    "record",
    [
        {"calls": 5000, "agents": dict(agents_of(5000))},
        {"calls": 5000, "agents": 5000, **dict(agents_of(5000))},
        {"calls": 5000, "agents": [{"id": agent, **record} for agent, record in agents_of(5000)]},
        {"calls": 5000, "agents": {agent: 1 for agent, _ in agents_of(5000)}},
    ],
)
def test_many_agents_are_read_with_pauses_in_time_that_grows_with_their_number(record: dict[str, Any]) -> None:
    layouts = Layouts()
    steps, pauses = FolderDayBuilder(layouts, {}).build("F", [part(record, layouts)]), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            day = end.value
            break
        pauses += 1
    assert (day.calls, len(day.agents)) == (5000, 5000)
    assert pauses >= 4


counts = st.integers(min_value=0, max_value=2**53)
averages = st.none() | st.integers(min_value=0, max_value=10**6)


@given(st.lists(st.tuples(counts, averages), max_size=6))
@settings(max_examples=150, deadline=None)
def test_the_fast_way_and_the_general_way_read_the_same(agents: list[tuple[int, int | None]]) -> None:
    def written(count: Any, average: Any, more: dict[str, Any]) -> dict[str, Any]:
        return {"calls": count, **({} if average is None else {"avgduration": average}), **more}

    def clock(seconds: int | None) -> str | None:
        return None if seconds is None else f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    ways: list[list[dict[str, Any]]] = [
        [written(count, clock(average), {}) for count, average in agents],
        [written(count, average, {}) for count, average in agents],
        [written(str(count), clock(average), {}) for count, average in agents],
        [written(count, None if average is None else str(average), {}) for count, average in agents],
        [written(count, clock(average), {"ncalls": None}) for count, average in agents],
        [written(count, clock(average), {"Calls": None, "overall": None}) for count, average in agents],
        [{"overall": written(count, clock(average), {})} for count, average in agents],
        [written(count, None, {"overall": {"duration": clock(average)}}) for count, average in agents],
    ]
    by_id = [read({"calls": 1, "agents": {f"a{i}": record for i, record in enumerate(way)}}) for way in ways]
    listed = [read({"calls": 1, "agents": [{"id": f"a{i}", **record} for i, record in enumerate(way)]}) for way in ways]
    beside = [read({"calls": 1, "agents": 1, **{f"a{i}": record for i, record in enumerate(way)}}) for way in ways]
    again = [read({"calls": 1, "agents": {f"a{i}": record for i, record in enumerate(way)}}) for way in ways]
    expected = tuple(
        AgentDay(f"a{i}", count, None if average is None else float(average))
        for i, (count, average) in enumerate(agents)
        if count
    )
    assert {tuple(day.agents) for day in (*by_id, *listed, *beside, *again)} == {expected}
