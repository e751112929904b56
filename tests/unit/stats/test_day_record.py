from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from exporter.stats.day_record import AgentsBeside, UniformAgents, without_nulls
from exporter.stats.field_names import Layouts
from exporter.stats.model import AgentDay, AgentDays, FolderDay
from exporter.stats.uniform_records import Shape
from tests.support.day_records import folder_day as read
from tests.support.day_records import part

COUNTS = ["calls", "ncalls", "numcalls", "totalcalls", "callcount", "callvolume", "volume"]
AVERAGES = ["avgduration", "averageduration", "avgcallduration", "averagecallduration", "avglength", "duration"]
TOTALS = ["totalduration", "durationtotal", "sumduration"]


@pytest.mark.parametrize(
    ("members", "fields", "agents"),
    [
        ({"calls": 1}, {"calls": 1}, None),
        ({"calls": 1, "agents": None}, {"calls": 1, "agents": None}, None),
        (
            {"calls": 1, "agents": 2, "a": {"calls": 1}, "overall": {"calls": 1}, "x": "y"},
            {"calls": 1, "agents": 2, "overall": {"calls": 1}},
            AgentsBeside(2, {"a": Raw(b'{"calls": 1}'), "x": Raw(b'"y"')}),
        ),
        ({"calls": 1, "Agents": {"a": 1}}, {"calls": 1}, Raw(b'{"a": 1}')),
        ({"x": None, "agents": [7]}, {}, Raw(b"[7]")),
    ],
)
def test_a_record_is_decoded_but_for_its_agents(members: Any, fields: Any, agents: object) -> None:
    record = part(members, Layouts()).decode()
    assert (record.fields, record.agents) == (fields, agents)


def test_agents_that_have_been_read_stay_as_they_are() -> None:
    agents = UniformAgents(AgentDays.of([AgentDay("a", 1)]), Shape(("calls",)), 1)
    record = replace(part({"calls": 1, "agents": 2}, Layouts()), agents=agents).decode()
    assert (record.fields, record.agents) == ({"calls": 1, "agents": 2}, agents)


def test_nulls_are_left_out() -> None:
    assert without_nulls({"a": None, "b": 0, "c": ""}) == {"b": 0, "c": ""}


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
