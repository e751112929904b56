import json
import re
from datetime import date
from typing import Any

import pytest

from exporter.errors import DecodeError
from exporter.stats import agent_records, parser, raw_json
from exporter.stats.changes import ChangeTracker
from exporter.stats.field_names import (
    AGENT_IDS,
    AGENTS,
    AVERAGES,
    COUNTS,
    DAYS,
    FOLDERS,
    OVERALL,
    TOTALS,
    WRAPPERS,
    Layouts,
)
from exporter.stats.model import AgentDay, FolderDay
from exporter.stats.parser import Parser, Requested
from tests.support.finished_steps import finished
from tests.support.parsed_bodies import ParsedBody, parsed, request_for
from tests.support.repository import ROOT

DAY = date(2026, 11, 23)
ORG = request_for(None, DAY)
FOLDER = request_for("A", DAY)
A5 = FolderDay("A", 5)
B7 = FolderDay("B", 7)
READING = (ROOT / "docs" / "stats-format.md").read_text(encoding="utf-8")

NEITHER = "expected a day record, found an object without a call count or agents"
BESIDE = "expected a day record like those next to it"
OWNER = "ambiguous: the requested company or org, or a folder of the same name?"
SEVERAL = "ambiguous: several keys above this day record may be its folder"
NULL = "expected day records, found only null"
NULL_AGENTS = "expected agents, found only null"
NO_COUNT = "this agent's record has no call count"
WRAPPER = "a wrapper next to another list or object; a wrapper must be the only one in its object"
AGENTS_OR_RECORD = "ambiguous: agents by their ids, or a record of its own?"
AGENT_OR_RECORDS = "ambiguous: an agent's record, or day records under this key?"
NUMBER_BESIDE = "ambiguous: agents, or a folder of this name?"
AN_ERROR = "an error in place of day records"
IN_PLACE = "expected day records, found only this value"
NO_FOLDER = "this day record names no folder; list the org's folders in the configuration"
OTHER_FOLDER = "no day record is of the requested folder; check its name in the configuration"
SPELLED = "this field is present in two spellings, so its value is ambiguous"
A_COUNT = "expected a number of calls, found"
A_DATE = "expected a date, YYYYMMDD or YYYY-MM-DD"
A_FOLDER = "expected a folder name (a text that is not empty)"
NO_AGENTS = "expected a call count or agents, found neither"
DEEP = "nested more than 16 levels deep"


def parse(body: bytes, requested: Requested, known: Parser | None = None) -> ParsedBody:
    return parsed(ChangeTracker(known or Parser(Layouts())), body, requested)


def read(body: Any, requested: Requested) -> list[FolderDay]:
    """Read a JSON value, or bytes as they are, and return all folders."""
    days, contents, _ = parse(body if isinstance(body, bytes) else json.dumps(body).encode(), requested)
    assert contents.folders == days.keys()
    return list(days.values())


def rejected(body: Any, requested: Requested) -> tuple[str, str, str]:
    with pytest.raises(DecodeError) as caught:
        read(body, requested)
    return caught.value.reason, caught.value.path, caught.value.message


@pytest.mark.parametrize(
    ("body", "days"),
    [
        ([{"date": "20261123", "folder": "A", "calls": 5}, {"date": "20261123", "folder": "B", "calls": 7}], [A5, B7]),
        ([{"folder": "A", "calls": 5}, None, {"Folder-Name": "B", "calls": 7}], [A5, B7]),
        ([{"folder": None, "foldername": None, "name": "A", "calls": 5}], [A5]),
        ([{"name": "X", "foldername": "B", "folder": "A", "calls": 5}], [A5]),
        ([[{"folder": "A", "calls": 5}], [[{"folder": "B", "calls": 7}]]], [A5, B7]),
        ({"folder": "A", "calls": 5}, [A5]),
        ({"A": {"calls": 5}, "B": {"calls": 7}}, [A5, B7]),
        ({"A": [{"calls": 5}], "B": [{"date": "20261123", "calls": 7}]}, [A5, B7]),
        ({"A": [{"calls": 2}, {"calls": 3}], "B": None}, [A5]),
        ({"X": {"folder": "A", "calls": 5}, "Y": [{"name": "B", "calls": 7}]}, [A5, B7]),
        ({"20261123": [{"folder": "A", "calls": 5}, {"folder": "B", "calls": 7}]}, [A5, B7]),
        ({"2026-11-23": {"A": {"calls": 5}, "B": {"calls": 7}}}, [A5, B7]),
        ({"A": {"20261123": {"calls": 5}}, "B": {"2026-11-23": [{"calls": 7}]}}, [A5, B7]),
        ({"DocTestCo": {"A": {"calls": 5}, "B": {"calls": 7}}}, [A5, B7]),
        ({"stats": [{"folder": "A", "calls": 5}]}, [A5]),
        ({"Data": {"A": {"calls": 5}, "B": {"calls": 7}}}, [A5, B7]),
        ({"results": {"folders": {"A": {"calls": 5}, "B": {"calls": 7}}}}, [A5, B7]),
        ({"A": {"stats": {"calls": 5}}, "B": {"data": [{"calls": 7}]}}, [A5, B7]),
        ({"20261123": {"folders": {"A": {"calls": 5}}}}, [A5]),
        ({"status": "ok", "count": 1, "stats": [{"folder": "A", "calls": 5}]}, [A5]),
        ({"status": "ok", "stats": {"A": {"calls": 5}, "B": {"calls": 7}}}, [A5, B7]),
        ({"error": "", "errors": False, "stats": [{"folder": "A", "calls": 5}]}, [A5]),
        ({"error": None, "stats": None, "data": [{"folder": "A", "calls": 5}]}, [A5]),
        ({"total": 9, "20261123": {"A": {"calls": 5}}}, [A5]),
        ({"total": 9, "X": [{"folder": "A", "calls": 5}]}, [A5]),
        ({"total": 9, "DocTestCo": {"A": {"calls": 5}, "B": {"calls": 7}}}, [A5, B7]),
        ({"DocTestCo": {"DocTestCo-DocTesting": {"A": {"calls": 5}, "B": {"calls": 7}}}}, [A5, B7]),
        ({"DocTestCo-DocTesting": {"20261123": [{"A": {"calls": 5}}, {"B": {"calls": 7}}]}}, [A5, B7]),
        ({"A": {"DocTestCo-DocTesting": {"calls": 5}}, "B": {"data": {"DocTestCo": {"calls": 7}}}}, [A5, B7]),
        ({"X": {"Y": [{"folder": "A", "calls": 5}, {"folder": "B", "calls": 7}]}}, [A5, B7]),
        ([{"folder": "DocTestCo", "calls": 5}], [FolderDay("DocTestCo", 5)]),
        ([{"folder": "stats", "calls": 1}], [FolderDay("stats", 1)]),
        ([{"folder": "20261123", "calls": 1}], [FolderDay("20261123", 1)]),
        ({"error": {"calls": 1}}, [FolderDay("error", 1)]),
        ({"volume": {"calls": 1}, "folder": {"calls": 2}}, [FolderDay("volume", 1), FolderDay("folder", 2)]),
        ({"20261332": {"calls": 1}}, [FolderDay("20261332", 1)]),
        ([{"folder": "A", "calls": 2}, {"folder": "a", "calls": 3}], [FolderDay("A", 2), FolderDay("a", 3)]),
        ({"A ": {"calls": 2}, "A": {"calls": 3}}, [FolderDay("A ", 2), FolderDay("A", 3)]),
        ([{"folder": "A", "agents": {"x": 5}}], [FolderDay("A", 5, None, (AgentDay("x", 5),))]),
        (
            [{"folder": "A", "agents": 2, "001": {"calls": 5, "overall": {"ncalls": 5, "duration": "0:11:55"}}}],
            [FolderDay("A", 5, 715.0, (AgentDay("001", 5, 715.0),))],
        ),
        (
            {"A": {"agents": {"x": 5}}, "B": {"agents": [{"id": 1, "calls": 7}]}},
            [FolderDay("A", 5, None, (AgentDay("x", 5),)), FolderDay("B", 7, None, (AgentDay("1", 7),))],
        ),
        ([{"folder": "A", "calls": 5, "error": "x", "stats": [{"calls": 9}], "B": {"calls": 9}}], [A5]),
    ],
)
def test_rules_4_and_6_an_answer_to_a_request_for_an_org(body: Any, days: list[FolderDay]) -> None:
    assert read(body, ORG) == sorted(days, key=lambda day: day.folder)


@pytest.mark.parametrize(
    "body",
    [
        {"calls": 5},
        [{"calls": 5}],
        [{"date": "20261123", "calls": 5}],
        [{"folder": "A", "calls": 5}],
        {"A": {"calls": 5}},
        {"A": [{"calls": 5}], "B": [{"calls": 7}]},
        {"20261123": {"calls": 5}},
        {"20261123": {"A": {"calls": 5}, "B": {"calls": 7}}},
        {"20261123": {"calls": 2}, "A": {"calls": 3}},
        {"stats": {"calls": 5}},
        {"stats": {"data": [{"calls": 5}]}},
        {"DocTestCo": {"DocTestCo-DocTesting": {"calls": 5}}},
        {"DocTestCo": {"DocTestCo-DocTesting": {"A": [{"calls": 5}]}}},
        {"X": {"Y": {"folder": "A", "calls": 5}}},
        [{"calls": 2}, {"folder": "A", "calls": 3}, {"folder": "B", "calls": 9}],
        {"count": 1, "folder": "A", "stats": [{"calls": 5}]},
        {"name": "anything", "stats": [{"calls": 5}]},
        {"day": "20261123", "stats": [{"calls": 5}]},
        {"date": 20261123, "folder": "A", "X": [{"folder": "A", "calls": 5}]},
        {"date": "Monday", "stats": [{"calls": 5}]},
    ],
)
def test_rules_4_and_6_an_answer_to_a_request_for_a_folder(body: Any) -> None:
    assert read(body, FOLDER) == [A5]


@pytest.mark.parametrize(
    ("body", "requested", "days"),
    [
        ([{"folder": "A", "date": "20261122", "calls": 1}, {"folder": "A", "date": "20261123", "calls": 5}], ORG, [A5]),
        ([{"folder": "A", "day": 20261124, "calls": 1}, {"folder": "A", "day": "2026-11-23", "calls": 5}], ORG, [A5]),
        ([{"folder": "A", "date": None, "day": None, "calls": 5}], ORG, [A5]),
        ([{"folder": "A", "day": "20261122", "date": "20261123", "calls": 5}], ORG, [A5]),
        ({"20261122": {"A": {"calls": 1}}, "20261123": {"A": {"calls": 5}}}, ORG, [A5]),
        ({"A": {"20261122": {"calls": 1}, "2026-11-23": {"calls": 5}}}, ORG, [A5]),
        ({"20261122": {"20261123": {"A": {"calls": 5}}}}, ORG, [A5]),
        ({"20261122": [{"folder": "A", "date": "20261123", "calls": 5}]}, ORG, [A5]),
        ({"20261123": [{"folder": "A", "date": "20261122", "calls": 5}]}, ORG, []),
        ([{"folder": "A", "date": "20261122", "calls": 5}], ORG, []),
        ([{"date": "20261122", "calls": 5}], FOLDER, []),
        ([{"date": "20261122", "calls": 5}, {"folder": "B", "calls": 7}], FOLDER, []),
        ([{"folder": "A", "date": "20261122", "calls": 5}], request_for(None, None), [A5]),
        ({"20261122": {"A": {"calls": 1}}, "20261123": {"A": {"calls": 5}}}, request_for(None, None), [A5]),
        (
            {"20261123": {"A": {"calls": 5}}, "20261122": {"A": {"calls": 1}, "B": {"calls": 7}}},
            request_for(None, None),
            [A5],
        ),
        ({"20261123": {"B": {"calls": 5}}, "20261122": {"A": {"calls": 1}}}, request_for("A", None), []),
        ({"A": {"calls": 5}, "B": {"calls": 7}}, request_for(None, None), [A5, B7]),
        ({"calls": 5}, request_for("A", None), [A5]),
    ],
)
def test_rule_5_the_day(body: Any, requested: Requested, days: list[FolderDay]) -> None:
    assert read(body, requested) == days


GERMAN: dict[str, Any] = {
    "calls": ["Anrufe"],
    "total_duration": ["Gesamtdauer"],
    "agents": ["Mitarbeiter"],
    "agent_id": ["Kennung"],
    "folder": ["Ordner", "Projekt"],
    "date": ["Datum"],
    "duration_unit": "minutes",
}


@pytest.mark.parametrize(
    ("body", "days"),
    [
        ([{"Ordner": "A", "Datum": "20261123", "Anrufe": 5}, {"ordner": "B", "Datum": "20261122", "Anrufe": 7}], [A5]),
        ([{"Projekt": "A", "folder": "X", "name": 7, "datum": "20261123", "date": "x", "Anrufe": 5}], [A5]),
        ([{"Projekt": "X", "Ordner": "A", "Anrufe": 5}], [A5]),
        ({"20261122": {"A": {"Datum": "20261123", "Anrufe": 5}}}, [A5]),
        (
            [{"Ordner": "A", "Mitarbeiter": [{"Kennung": 7, "name": "Anna", "Anrufe": 5, "Gesamtdauer": 10}]}],
            [FolderDay("A", 5, 120.0, (AgentDay("7", 5, 120.0),))],
        ),
    ],
)
def test_rule_11_the_names_of_an_installation(body: Any, days: list[FolderDay]) -> None:
    found, _, _ = parse(json.dumps(body).encode(), ORG, Parser(Layouts(**GERMAN)))
    assert list(found.values()) == days


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ([{"Ordner": 7, "Anrufe": 5}], "$[0].Ordner", "expected a folder name (a text that is not empty)"),
        ([{"Ordner": "A", "Datum": "heute", "Anrufe": 5}], "$[0].Datum", "expected a date, YYYYMMDD or YYYY-MM-DD"),
        ({"Ordner": "B", "X": [{"Anrufe": 5}]}, "$.Ordner", "contradicts the day record at $.X[0]"),
        ({"A": {"Anrufe": None, "x": []}}, "$.A.Anrufe", NULL),
    ],
)
def test_rule_11_names_of_an_installation_are_read_as_strictly(body: Any, path: str, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        parse(json.dumps(body).encode(), ORG, Parser(Layouts(**GERMAN)))
    assert (caught.value.reason, caught.value.path, caught.value.message) == ("unrecognized", path, message)


def test_rule_7_records_of_one_folder_and_day_add_up_wherever_they_stand() -> None:
    body = [
        {"folder": "A", "calls": 1, "duration": 10, "agents": {"x": {"calls": 1, "duration": 10}}},
        {"20261123": {"A": {"calls": 3, "duration": 50, "agents": [{"id": "x", "calls": 3, "duration": 50}]}}},
        {"A": [{"calls": 4}, {"date": "20261122", "calls": 100}]},
    ]
    assert read(body, ORG) == [FolderDay("A", 8, 40.0, (AgentDay("x", 4, 40.0),))]


@pytest.mark.parametrize("requested", [ORG, FOLDER, request_for(None, None), request_for("A", None)])
@pytest.mark.parametrize(
    "body",
    [
        *([], {}, [[]], [{}], [[], {}, None], {"A": []}, {"A": {}, "B": []}, {"20261123": []}, b"[ ]", b"{ \n }"),
        *({"A": [], "B": None}, [[], {"A": [{}]}], {"X": {"Y": []}}, {"DocTestCo": {"DocTestCo-DocTesting": {}}}),
        *({"stats": []}, {"data": {}}, {"results": {"folders": []}}, {"stats": None, "data": []}),
        *({"status": "OK", "stats": []}, {"message": "Success", "code": 200, "data": {}}),
        *({"success": True, "stats": []}, {"count": 0, "data": []}, {"total": 0.0, "data": {}}),
        *(
            {"error": "", "data": []},
            {"error": False, "data": []},
            {"errors": 0, "data": []},
            {"error": None, "data": {}},
        ),
        *({"date": "20261123", "stats": []}, {"folder": "A", "stats": {}}, {"date": None, "folder": None, "stats": []}),
    ],
)
def test_rule_9_an_empty_answer_means_no_calls(body: Any, requested: Requested) -> None:
    assert read(body, requested) == []


@pytest.mark.parametrize("requested", [ORG, FOLDER, request_for(None, None), request_for("A", None)])
@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        # The whole answer, a wrapper, a folder or a day that holds nothing but null.
        ({"calls": None}, "$", NULL),
        ({"data": None}, "$", NULL),
        ({"A": None}, "$", NULL),
        ({"A": None, "B": None}, "$", NULL),
        ({"error": None}, "$", NULL),
        ({"folder": None, "date": None, "calls": None, "agents": None}, "$", NULL),
        ({"stats": {"data": None}}, "$.stats", NULL),
        ({"Test01": {"calls": None, "agents": None}}, "$.Test01", NULL),
        ({"A": {"20261123": None}}, "$.A", NULL),
        ({"20261123": {"A": {"calls": None}}}, '$["20261123"].A', NULL),
        ({"DocTestCo": {"DocTestCo-DocTesting": {"A": None}}}, '$.DocTestCo["DocTestCo-DocTesting"]', NULL),
        (b'{ "calls" : null }', "$", NULL),
        # Inside lists.
        ([None], "$", NULL),
        ([None, None], "$", NULL),
        ([[None]], "$[0]", NULL),
        ([{"calls": None}], "$[0]", NULL),
        ([{}, {"calls": None}], "$[1]", NULL),
        ({"stats": [None]}, "$.stats", NULL),
        ({"stats": [{"calls": None, "agents": None}]}, "$.stats[0]", NULL),
        ({"A": [], "B": [None]}, "$.B", NULL),
        ({"A": [{"20261123": [{"calls": None}]}]}, '$.A[0]["20261123"][0]', NULL),
        # Next to what names the record, but counts nothing.
        ({"folder": "A", "calls": None}, "$", NEITHER),
        ([{"date": "20261123", "calls": None}], "$[0]", NEITHER),
        ({"status": "ok", "data": None}, "$", NEITHER),
        # Next to an empty list or object, which would be "no calls" without the null.
        ({"folder": "A", "calls": None, "history": []}, "$.calls", NULL),
        ([{"N-Calls": None, "x": {}}], '$[0]["N-Calls"]', NULL),
        ({"A": {"agents": None, "x": []}}, "$.A.agents", NULL),
        ({"calls": None, "agents": []}, "$", NO_AGENTS),
        # Agents.
        ({"A": {"agents": {"x": None}}}, "$.A.agents", NULL_AGENTS),
        ([{"folder": "A", "calls": 5, "agents": [None]}], "$[0].agents", NULL_AGENTS),
        ([{"folder": "A", "calls": 5, "agents": {"x": None, "y": None}}], "$[0].agents", NULL_AGENTS),
        ([{"folder": "A", "calls": 5, "agents": {"x": {"calls": None}}}], "$[0].agents[agent 1]", NO_COUNT),
        ([{"folder": "A", "agents": 1, "x": {"calls": None}}], "$[0].x", NULL),
    ],
)
def test_rule_9_null_is_not_empty(body: Any, requested: Requested, path: str, message: str) -> None:
    if path == "$" and message == NO_AGENTS and requested.folder is None:
        message = f"{NO_FOLDER} (it is a day record because of its agents in 'agents')"
    assert rejected(body, requested) == ("unrecognized", path, message)


@pytest.mark.parametrize(
    "body",
    [
        [{"folder": "A", "calls": 5, "agents": None}, None],
        {"A": {"calls": 5, "duration": None}, "B": None},
        {"error": None, "calls": None, "data": [{"folder": "A", "calls": 5}]},
        [{"folder": "A", "calls": 5, "agents": []}, {"agents": {"x": None, "y": 0}, "folder": "A"}],
    ],
)
def test_rule_8_null_next_to_records_is_missing(body: Any) -> None:
    assert read(body, ORG) == [A5]


@pytest.mark.parametrize(
    ("body", "day"),
    [
        ([], None),
        ([{"folder": "A", "calls": 5}], None),
        ([{"folder": "A", "date": "20261122", "calls": 5}], date(2026, 11, 22)),
    ],
)
def test_the_day_that_the_values_are_of(body: Any, day: date | None) -> None:
    raw = json.dumps(body).encode()
    assert parse(raw, request_for(None, None))[1].day == day
    assert parse(raw, ORG).contents.day == DAY


@pytest.mark.parametrize(
    ("body", "requested", "path", "message"),
    [
        # Rule 1: neither a count nor agents.
        ({"duration": 5}, FOLDER, "$", NEITHER),
        ([{"folder": "A"}], ORG, "$[0]", NEITHER),
        ({"A": {"foo": 1}}, ORG, "$.A", NEITHER),
        ([{"folder": "A", "agents": 3}], ORG, "$[0]", NEITHER),
        ([{"date": "20261123", "agents": 0}], FOLDER, "$[0]", NEITHER),
        ([{"folder": "A", "agents": {}}], ORG, "$[0]", NO_AGENTS),
        ([{"folder": "A", "agents": []}], ORG, "$[0]", NO_AGENTS),
        ({"A": {"agents": {}}}, ORG, "$.A", NO_AGENTS),
        # Agents, or folders?
        ({"agents": {"calls": 5}}, ORG, "$", f"{NO_FOLDER} (it is a day record because of its agents in 'agents')"),
        ({"agents": {"calls": 5}}, FOLDER, "$.agents", AGENTS_OR_RECORD),
        ({"agents": {"calls": 5, "agents": {"x": 5}}}, FOLDER, "$.agents", AGENTS_OR_RECORD),
        ({"agents": 1, "byagent": {"x": {"calls": 1}}}, ORG, "$.byagent", NUMBER_BESIDE),
        ({"agents": 1, "byagent": [{"name": "x", "calls": 1}]}, ORG, "$.byagent", NUMBER_BESIDE),
        ({"agents": 1, "stats": {"calls": 5}}, FOLDER, "$.stats", AGENT_OR_RECORDS),
        ({"agents": 1, "20261123": {"calls": 5}}, FOLDER, '$["20261123"]', AGENT_OR_RECORDS),
        # Rule 4.
        ({"calls": 5}, ORG, "$", NO_FOLDER),
        ([{"folder": "A", "calls": 5}, {"calls": 5}], ORG, "$[1]", NO_FOLDER),
        ([{"date": "20261122", "calls": 5}], ORG, "$[0]", NO_FOLDER),
        ({"stats": {"20261123": {"calls": 5}}}, ORG, '$.stats["20261123"]', NO_FOLDER),
        ([{"folder": "B", "calls": 5}], FOLDER, "$", OTHER_FOLDER),
        ({"a": {"calls": 5}}, FOLDER, "$", OTHER_FOLDER),
        ({"B": {"20261122": {"calls": 5}}, "C": {"calls": 0}}, FOLDER, "$", OTHER_FOLDER),
        ([{"folder": "", "calls": 5}], FOLDER, "$[0].folder", A_FOLDER),
        ([{"folder": 5, "calls": 5}], FOLDER, "$[0].folder", A_FOLDER),
        ([{"Folder Name": ["A"], "calls": 5}], FOLDER, '$[0]["Folder Name"]', A_FOLDER),
        ([{"folder": {"name": "A"}, "calls": 5}], ORG, "$[0].folder", A_FOLDER),
        ({"": {"calls": 5}}, ORG, '$[""]', "expected a folder name, found an empty key"),
        ({"folder": "A", "X": [{"calls": 5}]}, ORG, "$.folder", "contradicts the day record at $.X[0]"),
        ({"folder": "B", "stats": [{"calls": 5}]}, FOLDER, "$.folder", "contradicts the day record at $.stats[0]"),
        ({"folder": "A", "X": [{"folder": "B", "calls": 5}]}, ORG, "$.folder", "contradicts the day record at $.X[0]"),
        ({"Test01": {"00": {"calls": 1}}}, ORG, '$.Test01["00"]', SEVERAL),
        ({"Test01": {"00": {"calls": 1}}}, request_for("Test01", DAY), '$.Test01["00"]', SEVERAL),
        ({"Test01": {"00": {"calls": 1}}}, request_for("00", DAY), '$.Test01["00"]', SEVERAL),
        ({"A": {"A": {"calls": 1}}}, FOLDER, "$.A.A", SEVERAL),
        ({"20261123": {"Test01": [{"00": {"calls": 1}}]}}, ORG, '$["20261123"].Test01[0]["00"]', SEVERAL),
        ({"Test01": {"20261123": {"00": {"calls": 1}}}}, ORG, '$.Test01["20261123"]["00"]', SEVERAL),
        ({"Test01": {"00": {"date": "20261122", "calls": 1}}}, ORG, '$.Test01["00"]', SEVERAL),
        ({"DocTestCo": {"X": {"Test01": {"calls": 1}}}}, ORG, "$.DocTestCo.X.Test01", SEVERAL),
        ({"doctestco": {"Test01": {"calls": 1}}}, ORG, "$.doctestco.Test01", SEVERAL),
        ({"A": {"total": 9, "X": {"B": {"calls": 1}}}}, ORG, "$.A.X.B", SEVERAL),
        ({"DocTestCo": {"calls": 5}}, ORG, "$.DocTestCo", NO_FOLDER),
        ({"DocTestCo": {"calls": 5}, "A": {"calls": 7}}, ORG, "$.DocTestCo", OWNER),
        ({"A": {"calls": 5}, "DocTestCo-DocTesting": {"calls": 7}}, FOLDER, '$["DocTestCo-DocTesting"]', OWNER),
        # Rule 5.
        ([{"folder": "A", "date": "today", "calls": 5}], ORG, "$[0].date", A_DATE),
        ([{"folder": "A", "day": "23.11.2026", "calls": 5}], ORG, "$[0].day", A_DATE),
        ([{"folder": "A", "date": 20261123.0, "calls": 5}], ORG, "$[0].date", A_DATE),
        ([{"folder": "A", "date": True, "calls": 5}], ORG, "$[0].date", A_DATE),
        ([{"folder": "A", "date": ["20261123"], "calls": 5}], ORG, "$[0].date", A_DATE),
        ({"date": "20261122", "stats": [{"calls": 5}]}, FOLDER, "$.date", "contradicts the day record at $.stats[0]"),
        (
            {"day": "2026-11-22", "20261123": {"calls": 5}},
            FOLDER,
            "$.day",
            'contradicts the day record at $["20261123"]',
        ),
        (
            [{"folder": "A", "date": "20261123", "calls": 5}, {"folder": "B", "calls": 7}],
            request_for(None, None),
            "$[1]",
            "this day record has no date, but others have one",
        ),
        # Rule 6: no wrapper, and what stands beside day records.
        ({"stats": [], "data": []}, ORG, "$.stats", WRAPPER),
        ({"A": {"calls": 5}, "Stats": {"calls": 5}}, ORG, "$.Stats", WRAPPER),
        ({"errors": [], "stats": [{"folder": "A", "calls": 5}]}, ORG, "$.stats", WRAPPER),
        ({"A": {"calls": 5}, "B": 7}, ORG, "$.B", BESIDE),
        ({"A": {"calls": 5}, "B": {"calls": 7}, "total": 12}, ORG, "$.total", BESIDE),
        ({"A": {"calls": 5}, "status": "ok"}, FOLDER, "$.status", BESIDE),
        ({"A": {"stats": {"calls": 5}}, "total": 5}, ORG, "$.total", BESIDE),
        ({"A": {"20261123": {"calls": 5}}, "total": 5}, ORG, "$.total", BESIDE),
        ({"A": {"20261123": {"calls": 5}, "20261122": 7}}, ORG, '$.A["20261122"]', BESIDE),
        ({"20261123": 5, "A": [{"folder": "A", "calls": 1}]}, ORG, '$["20261123"]', BESIDE),
        ([{"folder": "A", "calls": 5}, 7], ORG, "$[1]", "expected a day record (an object)"),
        (["A"], ORG, "$[0]", "expected a day record (an object); it says: A"),
        ({"A": [True]}, ORG, "$.A[0]", "expected a day record (an object)"),
        ({"overall": {"calls": 5}}, FOLDER, "$.overall", "this name is read only in an agent's record"),
        ({"A": {"Overall": {"calls": 5}}}, ORG, "$.A.Overall", "this name is read only in an agent's record"),
        ({"A": {"overall": []}}, ORG, "$.A.overall", "this name is read only in an agent's record"),
        # Rule 8: what is missing is not what stands there twice.
        ({"calls": 5, "Calls": 5}, FOLDER, "$.Calls", SPELLED),
        ([{"folder": "A", "calls": 5, "FOLDER": "A"}], ORG, "$[0].FOLDER", SPELLED),
        ({"date": "20261123", "Date": "20261123", "stats": []}, FOLDER, "$.Date", SPELLED),
        # A record that does not count is read all the same.
        ({"A": {"calls": 5}, "B": {"calls": -7}}, FOLDER, "$.B.calls", f"{A_COUNT} a negative number"),
        ({"20261122": {"calls": 0.5}}, FOLDER, '$["20261122"].calls', f"{A_COUNT} a fraction"),
        # Rule 10.
        (None, ORG, "$", "expected day records (a list or an object)"),
        (0, ORG, "$", "expected day records (a list or an object)"),
        (5, FOLDER, "$", "expected day records (a list or an object)"),
        (True, ORG, "$", "expected day records (a list or an object)"),
        ("", ORG, "$", "expected day records (a list or an object)"),
        ("no calls", ORG, "$", "expected day records (a list or an object); it says: no calls"),
        (7, ORG, "$", "expected day records (a list or an object)"),
        ({"error": "x"}, FOLDER, "$", f"{NEITHER}; it says: x"),
        ({"status": "x", "code": 5, "Error": " ", "message": "y"}, FOLDER, "$", f"{NEITHER}; it says: y; x"),
        ({"status": "failed", "code": 5, "reason": "x"}, FOLDER, "$", f"{NEITHER}; it says: failed; x"),
        ({"detail": "Org unknown", "data": []}, ORG, "$.detail", f"{IN_PLACE}; it says: Org unknown"),
        ({"status": "failed", "data": {"code": 5, "detail": "x"}}, ORG, "$.data", f"{NEITHER}; it says: failed; x"),
        ({"data": {"A": {"foo": 1}}, "reason": "x"}, ORG, "$.data.A", f"{NEITHER}; it says: x"),
        ({"data": [None], "reason": "x"}, ORG, "$.data", f"{NULL}; it says: x"),
        ({"data": {"x": None}, "reason": "x"}, ORG, "$.data", f"{NULL}; it says: x"),
        ({"reason": "x", "data": {"calls": None, "x": []}}, ORG, "$.data.calls", f"{NULL}; it says: x"),
        ({"error": [], "reason": "x"}, ORG, "$.error", f"{AN_ERROR}; it says: x"),
        ({"data": [{"folder": "A", "calls": 5}], "reason": "x", "x": {}}, ORG, "$.data", WRAPPER),
        ([{"folder": "A", "calls": 5}, {"reason": "x"}], ORG, "$[1]", NEITHER),
        ([{"folder": "A", "calls": 5}, {"message": "x"}], ORG, "$[1]", f"{NEITHER}; it says: x"),
        ([{"folder": "A", "mitarbeiter": "Anna", "anzahl": 5}], ORG, "$[0]", NEITHER),
        ({"error": {"code": 5, "message": "x"}}, FOLDER, "$.error", f"{NEITHER}; it says: x"),
        ({"error": True}, FOLDER, "$", NEITHER),
        ({"message": "Company not found"}, ORG, "$", f"{NEITHER}; it says: Company not found"),
        ({"status": 404}, ORG, "$", NEITHER),
        ({"error": {"code": 5}}, ORG, "$.error", NEITHER),
        ({"error": {}}, ORG, "$.error", AN_ERROR),
        ({"Errors": []}, FOLDER, "$.Errors", AN_ERROR),
        ({"errors": ["x"]}, FOLDER, "$.errors[0]", "expected a day record (an object); it says: x"),
        ({"error": [], "A": {"calls": 5}}, ORG, "$.error", AN_ERROR),
        ({"error": "x", "stats": []}, FOLDER, "$.error", f"{IN_PLACE}; it says: x"),
        ({"error": "x", "stats": [{"folder": "A", "calls": 5}]}, ORG, "$.error", f"{IN_PLACE}; it says: x"),
        ({"errors": 1, "data": [{"folder": "A", "calls": 5}]}, ORG, "$.errors", IN_PLACE),
        ({"status": "fail", "stats": []}, ORG, "$.status", f"{IN_PLACE}; it says: fail"),
        ({"message": "Org not found", "data": {}}, ORG, "$.message", f"{IN_PLACE}; it says: Org not found"),
        ({"success": False, "data": []}, ORG, "$.success", IN_PLACE),
        ({"code": 404, "data": []}, ORG, "$.code", IN_PLACE),
    ],
)  # fmt: skip
def test_what_the_rules_do_not_decide_is_rejected(body: Any, requested: Requested, path: str, message: str) -> None:
    assert rejected(body, requested) == ("unrecognized", path, message)


@pytest.mark.parametrize(("before", "after"), [(b"[", b"]"), (b'{"stats":', b"}"), (b'{"20261123":', b"}")])
def test_nesting_has_an_end(before: bytes, after: bytes) -> None:
    record = b'{"folder":"A","calls":5}'
    assert read(before * 16 + record + after * 16, ORG) == [A5]
    assert rejected(before * 17 + record + after * 17, ORG)[2] == DEEP
    assert read(b'{"folder":"A","calls":5,"x":' + before * 500 + b"1" + after * 500 + b"}", ORG) == [A5]


@pytest.mark.parametrize(
    "part", [b"[", b'{"a":', b'{"agents":', b'[{"stats":', b'{"calls":1,"agents":{"x":{"overall":']
)
@pytest.mark.parametrize("closed", [True, False])
def test_a_hundred_thousand_brackets_are_rejected(part: bytes, *, closed: bool) -> None:
    pairs = {"[": "]", "{": "}"}
    tail = "".join(pairs[bracket] for bracket in reversed(part.decode()) if bracket in pairs).encode()
    reason, _, message = rejected(part * 100_000 + (b"1" + tail * 100_000 if closed else b""), FOLDER)
    assert (reason, message) == ("unrecognized", "nested too deeply")


HTML = "the body is an HTML or XML page, perhaps of a proxy or a login; check vspark.url"
CSV = "the body looks like CSV, not JSON; check vspark.url"
PLAIN = "the body is plain text, not JSON; check vspark.url"
DUPLICATE = "a key of this object is duplicated, so its value is ambiguous"
LONE = "the body has a lone surrogate, which is not a character"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty"),
        (b" \r\n\t", "the body is empty"),
        (b"\xef\xbb\xbf", "the body is empty"),
        (b"\xef\xbb\xbf \n", "the body is empty"),
        (b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", HTML),
        (b" \xef\xbb\xbf\n<?xml version='1.0'?>", HTML),
        (b"<", HTML),
        (b"date,folder,calls\n20261123,Test01,5\n", CSV),
        (b'"date";"folder";"calls"\r\n"20261123";"Test01";5', CSV),
        (b"20261123\tTest01\t5\n20261123\tTest02\t7", CSV),
        (b"\xef\xbb\xbfdate,folder,calls", CSV),
        (b"Not Found", f"{PLAIN}; it says: Not Found"),
        (b"Not found, sorry", f"{PLAIN}; it says: Not found, sorry"),
        (b"calls, all: 5\nagents: 3", f"{PLAIN}; it says: calls, all: 5 agents: 3"),
        (b"NaN", f"{PLAIN}; it says: NaN"),
        (b"\x00[]", f"{PLAIN}; it says: \\x00[]"),
        (b"x" * 300, f"{PLAIN}; it says: …"),
        (b"gone " * 100_000, f"{PLAIN}; it says: {' '.join(['gone'] * 40)} …"),
        (b'{"folder":"A","calls":5,"x":"\xff"}', "the body is not UTF-8 at byte 29"),
        (b'{"calls":5,"\xc3":1}', "the body is not UTF-8 at byte 12"),
        (b'{"calls":5,"x":"\xed\xa0\x80"}', "the body is not UTF-8 at byte 16"),
        (b'{"calls":5,"x":"\xc0\xaf"}', "the body is not UTF-8 at byte 16"),
        (b"\xff\xfe[\x00]\x00", "the body is not UTF-8 at byte 0"),
        (b'{"folder":"A","calls":5,"x":"\\ud800"}', LONE),
        (b'{"folder":"A","calls":5,"\\udfff":1}', LONE),
        (b'{"folder":"A","calls":5,"x":[{"y":"\\uDBFF\\u0041"}]}', LONE),
        (b'{"folder":"A","calls":5,"x":null,"x":"\\udc00\\ud800"}', LONE),
        (b'{"\\ud83d":null}', LONE),
        (b'{"calls":5,"x":"\\ud83d","y":"\\ude00"}', LONE),
        (b'{"calls":5,"x":"\\ud83d\\n\\ude00"}', LONE),
        (b'{"calls":5,"x":"\\ud83d\\ud83d\\ude00"}', LONE),
        (b'{"calls":5,"x":"\\\\\\ude00"}', LONE),
    ],
)  # fmt: skip
def test_rule_10_what_is_no_text_is_not_json(body: bytes, message: str) -> None:
    assert rejected(body, FOLDER) == ("not_json", "$", message)


@pytest.mark.parametrize(
    "body",
    [
        *(b"[", b"]", b"{", b'{"calls":5', b'{"calls":5}}', b"[] []", b"[]x", b"[,]", b"[{},]", b'{"calls":5,}'),
        *(b"{'calls':5}", b"{calls:5}", b'{"calls" 5}', b'{"calls":05}', b'{"calls":+5}', b'{"calls":5.}'),
        *(b'{"calls":0x5}', b'{"calls":NaN}', b'{"calls":Infinity}', b'{"calls":-Infinity}', b'{"calls":5,"x":nan}'),
        *(b"NaN", b"nul", b"nope", b"True", b"tru", b'"abc', b"-", b"Not Found", b"calls=5", b"/*x*/[]", b"[]//"),
        *(b'{"calls":5,"x":tru}', b'{"calls":5,"x":"\x01"}', b'{"calls":5,"x":"\n"}', b'{"calls":5,"x":"\\x41"}'),
        *(b'{"calls":.5}', b"{\"calls\":5,\"x\":'y'}"),
        *(b"[]\x00", b"\x00[]", b"\xef\xbb\xbf\xef\xbb\xbf[]", b"\xc2\xa0[]", b"5e", b'[{"calls":5}', b"[1 2]"),
    ],
)  # fmt: skip
def test_rule_10_what_is_no_json_is_not_json(body: bytes) -> None:
    assert rejected(body, FOLDER)[0] == "not_json"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"calls":1,"calls":5}', "$"),
        (b'{ "calls" : 1, "calls" : 5 }', "$"),
        (b'{"calls":null,"calls":5}', "$"),
        (b'{"c\\u0061lls":1,"calls":5}', "$"),
        (b'{"x":1,"calls":5,"x":"1,"}', "$"),
        (b'{"A":{"calls":1},"A":{"calls":5}}', "$"),
        (b'{"A":{"20261123":{"calls":5},"20261123":{"calls":5}}}', "$.A"),
        (b'[{"calls":5,"agents":{"a":1,"a":2}}]', "$[0].agents"),
        (b'[{"calls":5,"agents":{"a":{"calls":1},"a":{"calls":1}}}]', "$[0].agents"),
        (b'[{"calls":5,"agents":2,"a":{"calls":1},"a":{"calls":1}}]', "$[0]"),
        (b'[{"agents":{"a":1,"a":2}}]', "$[0].agents"),
        # An escaped comma in a key does not make up for the one behind what is lost.
        (b'{"A\\u002cB":{"calls":1},"T":{"calls":12},"T":{"calls":3}}', "$"),
        (b'{"A\\u002CB":{"calls":1},"T":{"calls":12},"T":{"calls":3}}', "$"),
        (b'{"\\\\\\u002c":{"calls":1},"T":{"calls":12},"T":{"calls":3}}', "$"),
        (b'{"calls":12,"x\\u002c":1,"calls":3}', "$"),
        (b'[{"calls":5,"agents":{"a\\u002cb":{"calls":1},"a":{"calls":1},"a":{"calls":1}}}]', "$[0].agents"),
        # Nor does an escape hide a count of the agent that is lost.
        (b'[{"calls":5,"agents":{"a":{"c\\u0061lls":1},"a":{"calls":1}}}]', "$[0].agents"),
        (b'[{"calls":5,"agents":{"a":{"calls":1},"a":{"c\\u0061lls":1}}}]', "$[0].agents"),
        (b'[{"calls":5,"agents":{"\\u0061":{"\\u0063alls":1},"a":{"calls":1}}}]', "$[0].agents"),
    ],
)
def test_a_key_that_stands_twice_is_rejected(body: bytes, path: str) -> None:
    again = b'[{"folder":"A","calls":5,"agents":{"b":{"calls":1}}},' + body.removeprefix(b"[").removesuffix(b"]") + b"]"
    assert rejected(body, FOLDER) == ("unrecognized", path, DUPLICATE)
    assert rejected(again, FOLDER) == ("unrecognized", "$[1]" + path.removeprefix("$").removeprefix("[0]"), DUPLICATE)


@pytest.mark.parametrize(
    "body",
    [
        b'{"A\\u002cB":{"calls":1},"T,\\\\u002c":{"calls":2},"A":{"calls":5,"x":["\\u002c",","]}}',
        b'{"\\u00e9\\\\":{"calls":1},"\\u002c\\\\u002C\\\\\\u002C":{"calls":2},"A":{"calls":5}}',
        b'{"A":{"calls":5,"x\\u002c":"\\u002c","\\\\u002c":1,"\\u00e9":",","":2}}',
    ],
)
def test_commas_however_they_are_written_are_no_keys_that_stand_twice(body: bytes) -> None:
    assert A5 in read(body, ORG)
    assert A5 in read(body.replace(b":", b" :\n"), ORG)


@pytest.mark.parametrize("gap", [10, 40_000])
@pytest.mark.parametrize("first", [b'"calls"', b'"c\\u0061lls"'])
def test_an_agent_that_stands_twice_in_any_spelling_among_very_many_is_rejected(gap: int, first: bytes) -> None:
    between = ",".join(f'"agent{index}":{{"calls":1}}' for index in range(gap)).encode()
    body = b'[{"calls":5,"agents":{%b,"a":{%b:1},"a":{"calls":1}}}]' % (between, first)
    known = Parser(Layouts())
    parse(b'[{"calls":5,"agents":{"b":{"calls":1}}}]', FOLDER, known)
    for each in (known, Parser(Layouts())):
        with pytest.raises(DecodeError) as caught:
            parse(body, FOLDER, each)
        assert (caught.value.path, caught.value.message) == ("$[0].agents", DUPLICATE)


@pytest.mark.no_cover
@pytest.mark.parametrize("gap", [10, 40_000])
def test_an_agent_that_stands_twice_among_very_many_is_rejected(gap: int) -> None:
    between = ",".join(f'"agent{index}":{{"calls":1,"duration":"0:01:00"}}' for index in range(gap))
    body = f'[{{"calls":5,"agents":{{"a":{{"calls":1}},{between},"a":{{"calls":1}}}}}}]'.encode()
    assert rejected(body, FOLDER) == ("unrecognized", "$[0].agents", DUPLICATE)


@pytest.mark.parametrize("length", [1024, 1025])
def test_a_name_has_so_many_characters_at_most(length: int) -> None:
    name = "\u00fc" * length
    bodies = {
        f'{{"{name}":{{"calls":5}}}}': (f"$[a key of {length} characters]", "the folder name"),
        f'[{{"folder":"{name}","calls":5}}]': ("$[0]", "the folder name"),
        f'{{"A":{{"calls":5,"agents":{{"{name}":5}}}}}}': ("$.A.agents", "an agent id"),
        f'{{"A":{{"calls":5,"agents":[{{"id":"{name}","calls":5}}]}}}}': ("$.A.agents", "an agent id"),
        f'{{"A":{{"calls":5,"agents":1,"{name}":{{"calls":5}}}}}}': ("$.A", "an agent id"),
    }
    for body, (path, what) in bodies.items():
        if length > 1024:
            assert rejected(body.encode(), ORG) == ("unrecognized", path, f"{what} is longer than 1024 characters")
        else:
            assert [day.calls for day in read(body.encode(), ORG)] == [5]


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"calls":5}',
        b' \r\n\t{"calls":5}\n\n',
        b'\n\xef\xbb\xbf \n{"calls":5}',
        b'{\n  "calls" : 5 ,\t"x":\r\n[ ]}',
        b'{"calls":5,"x":null,"y":",,","z,":[1,{"z,":1}]}',
        b'{"c\\u0061lls":5}',
        b'{"calls":5,"x":"\\ud83d\\ude00 \\\\ud800"}',
        '{"calls":5,"x":"\U0001f600"}'.encode(),
        b'{"calls":5.0}',
        b'{"calls":5e0,"x":-0}',
        b'{"calls":5,"x":1' + b"0" * 399 + b"}",
        b'{"calls":5,"\\u0000\\u001b":1}',
    ],
)
def test_rule_10_what_is_skipped_or_written_otherwise(body: bytes) -> None:
    assert read(body, FOLDER) == [A5]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"calls":1e400}', "$"),
        (b'{"calls":5,"x":1e400}', "$"),
        (b'[{"folder":"A","calls":5},{"folder":"B","calls":5,"x":[-1e400]}]', "$[1]"),
        (b'{"stats":[],"x":1e400}', "$.x"),
        (b'{"date":1e400,"stats":[]}', "$.date"),
        (b'{"calls":5,"x":1' + b"0" * 5000 + b"}", "$"),
        (b"1e400", "$"),
    ],
)
def test_a_number_that_no_float_holds_is_refused_wherever_it_stands(body: bytes, path: str) -> None:
    assert rejected(body, FOLDER) == ("unrecognized", path, "a number is out of range")


@pytest.mark.parametrize("digits", ["9" * 400, "9007199254740993"])
def test_a_count_of_many_digits_is_rejected(digits: str) -> None:
    expected = ("unrecognized", "$.calls", "expected a number of calls, found a number out of range")
    assert rejected(f'{{"calls":{digits}}}'.encode(), FOLDER) == expected
    assert rejected(f'{{"calls":"{digits}"}}'.encode(), FOLDER) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"calls": 1, "agents": {"\x00\x1b\u202e" + "x" * 10**6: "?"}},
        {"calls": 1, "agents": [{"id": "ä" * 10**6, "calls": "?" * 10**6}]},
        {"\U0001f600" * 10**5: {"\n" * 10**5: {"calls": "x" * 10**5}}},
        {"folder": "B" * 10**6, "stats": [{"calls": 5}]},
        [{"folder": "B" * 10**6, "calls": 5}],
        {"c" + "_" * 10**6 + "alls": -1},
        {"calls": 1, "c" + "_" * 10**6 + "alls": 1},
        {"date": "x" * 10**6, "calls": 5},
    ],
)
def test_an_error_is_short_ascii_and_without_the_text_of_the_body(body: Any) -> None:
    reason, path, message = rejected(body, FOLDER)
    assert reason == "unrecognized"
    for text in (path, message):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 2000


def test_very_many_agents_are_read_with_pauses() -> None:
    agents = b",".join(b'"%07d":{"calls":1,"avgduration":"0:01:00"}' % number for number in range(10**5))
    days, _, pauses = parse(b'{"calls":1000000,"agents":{' + agents + b"}}", FOLDER)
    (day,) = days.values()
    assert (day.folder, day.calls, day.average_seconds, len(day.agents)) == ("A", 10**6, None, 10**5)
    assert list(day.agents)[-1] == AgentDay("0099999", 1, 60.0)
    assert pauses >= 50


@pytest.mark.no_cover
@pytest.mark.parametrize("body", [b"[" + b"{}," * 20_000 + b"{}]", b'{"a":[' + b"[]," * 20_000 + b"[]]}"])
def test_a_walk_through_nothing_pauses_too(body: bytes) -> None:
    days, _, pauses = parse(body, ORG)
    assert days == {}
    assert pauses >= 20_000


def test_the_limits_are_more_than_any_installation_has() -> None:
    assert (raw_json._MOST, parser._MOST_PLACES, agent_records._MOST_AGENTS) == (200_000, 500_000, 2_000_000)


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        (b"[" + b"{}," * 200 + b"{}]", "$", "more than 200 elements or fields in one list or object"),
        (
            b"{" + b",".join(b'"%d":{}' % number for number in range(201)) + b"}",
            "$",
            "more than 200 elements or fields in one list or object",
        ),
        (
            b"[" + b",".join([b"[" + b"{}," * 199 + b"{}]"] * 3) + b"]",
            "$",
            "more than 500 lists and objects around the day records",
        ),
        (
            b'{"A":{"calls":1,"agents":{' + b",".join(b'"%x":1' % number for number in range(2001)) + b"}}}",
            "$.A.agents",
            "more than 2000 agents in one folder",
        ),
    ],
    ids=["elements", "members", "places", "agents"],
)
def test_more_than_the_limits_is_rejected(
    body: bytes, path: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_json, "_MOST", 200)
    monkeypatch.setattr(parser, "_MOST_PLACES", 500)
    monkeypatch.setattr(agent_records, "_MOST_AGENTS", 2000)
    assert rejected(body, ORG) == ("unrecognized", path, message)


@pytest.mark.no_cover
def test_findings_do_not_grow_for_ever() -> None:
    known = Parser(Layouts())
    for number in range(3000):
        parse(b'{"A":{"%scalls":1}}' % (b"_" * number), ORG, known)
    assert len(known.findings) < 1100


def test_many_folders_are_read_with_pauses() -> None:
    body = json.dumps({f"F{number:04}": {"calls": number} for number in reversed(range(3000))}).encode()
    days, contents, pauses = parse(body, ORG)
    assert [day.calls for day in days.values()] == list(range(3000))
    assert len(contents.folders) == 3000
    assert pauses >= 3000


@pytest.mark.parametrize(
    ("body", "requested", "findings"),
    [
        (
            {"stats": {"20261123": {"A": {"calls": 5}}}},
            ORG,
            [
                "rule 6: 'stats' is a wrapper",
                "rule 4: the folder from the key above the record",
                "rule 5: the date from the key above the record",
                "rule 1: a folder's calls from 'calls'",
            ],
        ),
        (
            [{"Folder": "A", "DAY": "20261123", "calls": 5}],
            FOLDER,
            [
                "rule 4: the folder from the field 'Folder'",
                "rule 5: the date from the field 'DAY'",
                "rule 1: a folder's calls from 'calls'",
            ],
        ),
        (
            {"calls": 5},
            FOLDER,
            [
                "rule 4: no folder named, so the requested one",
                "rule 5: no date named, so the requested day",
                "rule 1: a folder's calls from 'calls'",
            ],
        ),
        ([], ORG, ["rule 9: an empty list or object, so no calls"]),
    ],
)
def test_findings_tell_what_was_read_by_which_rule(body: Any, requested: Requested, findings: list[str]) -> None:
    known = Parser(Layouts())
    parse(json.dumps(body).encode(), requested, known)
    assert list(known.findings) == findings


def examples(section: str) -> list[str]:
    """Return the JSON in a section of docs/stats-format.md: a line each, or a block that is one value."""
    blocks = re.findall(r"```json\n(.*?)```", READING.partition(section)[2].partition("\n##")[0], re.DOTALL)
    return [example for block in blocks for example in ([block] if block.startswith("[\n") else block.splitlines())]


@pytest.mark.parametrize("section", ["## In short", "### 1. ", "### 2. ", "### 3. ", "### 6. "])
def test_the_examples_of_the_documentation_are_read(section: str) -> None:
    found = [read(example.encode(), request_for("Test01", DAY)) for example in examples(section)]
    assert {(day.folder, day.calls) for days in found for day in days} == {("Test01", 12)}
    assert all(map(len, found))


def test_the_empty_examples_of_the_documentation_are_no_calls() -> None:
    empty, null = examples("### 9. ")[:4], examples("### 9. ")[4:]
    assert [read(example.encode(), ORG) for example in empty] == [[], [], [], []]
    assert [rejected(example.encode(), ORG)[2] for example in null] == [NULL, NULL, NULL, NULL]


def test_the_names_in_the_documentation_are_those_that_are_read() -> None:
    names = set(re.findall(r"`([a-z]+)`", READING.partition("## The rules")[2].partition("### 7.")[0]))
    known = {*COUNTS, *AVERAGES, *TOTALS, *AGENTS, *AGENT_IDS, *FOLDERS, *DAYS, *OVERALL, *WRAPPERS}
    assert names == known


@pytest.mark.no_cover
@pytest.mark.parametrize("listed", [False, True])
def test_very_many_agents_are_read_like_few(listed: bool) -> None:  # noqa: FBT001 # one of two shapes
    def body(number: int) -> bytes:
        records = {f"agent{index:06}": {"calls": index % 7, "duration": index % 60} for index in range(number)}
        agents = [{"id": agent, **record} for agent, record in records.items()] if listed else records
        return json.dumps([{"calls": 5, "agents": agents}]).encode()

    few, many = body(1000), body(40_000)
    assert len(few) < 2**20 < len(many)
    (expected,) = parse(few, FOLDER).days.values()
    days, _, pauses = parse(many, FOLDER)
    (read,) = days.values()
    assert list(read.agents)[: len(expected.agents)] == list(expected.agents)
    assert len(read.agents) == sum(index % 7 > 0 for index in range(40_000))
    assert pauses >= 20


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ('{"calls":-1}', "$[0].agents[agent 40001].calls: expected a number of calls, found a negative number"),
        ('{"calls":1e999}', "$[0].agents: a number is out of range"),
        ('{"duration":1}', "$[0].agents[agent 40001]: this agent's record has no call count"),
    ],
)
def test_one_of_very_many_agents_that_is_rejected(last: str, message: str) -> None:
    agents = ",".join(f'"agent{index}":{{"calls":1,"duration":"0:01:00"}}' for index in range(40_000))
    body = f'[{{"calls":5,"agents":{{{agents},"last":{last}}}}}]'.encode()
    with pytest.raises(DecodeError) as caught:
        parse(body, FOLDER)
    assert (caught.value.reason, str(caught.value)) == ("unrecognized", message)


ALIKE = {"calls": 5, "overall": {"ncalls": 5, "duration": "0:01:00"}}


def folder_of(name: str, *agents: str, **fields: Any) -> dict[str, Any]:
    """Return a record with agents beside their number."""
    return {"folder": name, "agents": len(agents), **dict.fromkeys(agents, ALIKE), **fields}


def parser_that_knows_agents_beside() -> Parser:
    known = Parser(Layouts())
    parse(json.dumps(folder_of("A", "x")).encode(), ORG, known)
    return known


def decoded_at_once(known: Parser, *records: dict[str, Any]) -> list[bool]:
    """Return which of the records are decoded at once."""
    return [part.agents is not None for part in finished(known.split(json.dumps(records).encode(), ORG))]


def test_records_with_agents_beside_are_decoded_at_once_after_the_first_response() -> None:
    known = Parser(Layouts())
    records = folder_of("A", "a", "b"), folder_of("B", "b", calls=7, duration=9.5, date=20261123)
    assert decoded_at_once(known, *records) == [False, False]
    body, expected = json.dumps(records).encode(), (AgentDay("a", 5, 60.0), AgentDay("b", 5, 60.0))
    for _ in range(2):
        days = parse(body, ORG, known).days
        assert days == {"A": FolderDay("A", 10, 60.0, expected), "B": FolderDay("B", 7, 9.5, expected[1:])}
        findings = dict(known.findings)
        known.findings.clear()
    assert list(findings) == [
        "rule 4: the folder from the field 'folder'",
        "rule 5: no date named, so the requested day",
        "rule 5: the date from the field 'date'",
        "rule 3: 'agents' is a number, agents are the fields beside it, by their ids",
        "rule 1: an agent's calls from 'calls'",
        "rule 1: an agent's overall calls from 'ncalls'",
        "rule 2: an agent's overall mean duration from 'duration'",
        "rule 1: calls and mean duration are those of the agents, added up",
        "rule 1: a folder's calls from 'calls'",
        "rule 2: a folder's mean duration from 'duration'",
    ]
    assert decoded_at_once(known, *records) == [True, True]


def test_records_are_decoded_at_once_only_while_that_saves_time(monkeypatch: pytest.MonkeyPatch) -> None:
    known = parser_that_knows_agents_beside()
    alike, other = folder_of("A", "a"), folder_of("B", "b", c={"calls": 1})
    assert decoded_at_once(known, alike, alike, other, alike) == [True, True, False, True]
    assert decoded_at_once(known, folder_of("B", calls=0), {"folder": "B", "calls": 1}, alike) == [False, False, True]
    monkeypatch.setattr(parser, "_MOST_IN_VAIN", 0)
    assert decoded_at_once(known, alike, alike, other, alike) == [True, True, False, True]
    assert decoded_at_once(known, other, alike, alike, alike) == [False, False, False, False]
    assert decoded_at_once(known, {"folder": "B", "calls": 1}, {**alike, "agents": {"a": ALIKE}}, alike)[2]
    monkeypatch.setattr(parser, "_LARGEST_AT_ONCE", len(json.dumps(alike)))
    assert decoded_at_once(known, folder_of("B", "b", "c"), alike) == [False, True]


@pytest.mark.parametrize("body", [{"A": ALIKE}, [{"folder": "A", "calls": 5, "x": ALIKE}]])
def test_without_a_number_of_agents_nothing_is_an_agent_beside_it(body: Any) -> None:
    assert parse(json.dumps(body).encode(), ORG, parser_that_knows_agents_beside()).days == {"A": A5}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('"agents": 2', "$[0]: a key of this object is duplicated, so its value is ambiguous"),
        ('"a": %s', "$[0]: a key of this object is duplicated, so its value is ambiguous"),
        ('"a": 5', "$[0]: a key of this object is duplicated, so its value is ambiguous"),
        ('"\\u0061": %s', "$[0]: a key of this object is duplicated, so its value is ambiguous"),
        ('"\\u002c": 1, "agents": 2', "$[0]: a key of this object is duplicated, so its value is ambiguous"),
        ('"Agents": 2', f"$[0].Agents: {SPELLED}"),
        ('"Agents": %s', f"$[0].Agents: {SPELLED}"),
        ('"stats": %s', f"$[0].stats: {AGENT_OR_RECORDS}"),
        ('"20261123": %s', f'$[0]["20261123"]: {AGENT_OR_RECORDS}'),
        ('"x": 1e999', "$[0]: a number is out of range"),
        (
            '"b": {"calls": -1, "overall": {"ncalls": 5, "duration": 1}}',
            f"$[0][agent 2].calls: {A_COUNT} a negative number",
        ),
        ('"name": %s, "calls": -1', f"$[0].calls: {A_COUNT} a negative number"),
        ('"calls": -1', f"$[0].calls: {A_COUNT} a negative number"),
        ('"date": "x"', f"$[0].date: {A_DATE}"),
    ],
)
def test_what_is_rejected_is_rejected_alike_by_a_parser_that_knows_the_agents(more: str, message: str) -> None:
    body = f"[{json.dumps(folder_of('A', 'a'))[:-1]}, {more.replace('%s', json.dumps(ALIKE))}}}]".encode()
    for known in (Parser(Layouts()), parser_that_knows_agents_beside()):
        with pytest.raises(DecodeError) as caught:
            parse(body, ORG, known)
        assert (caught.value.reason, str(caught.value)) == ("unrecognized", message)
