import json
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporter.cli.exchange import requested
from exporter.cli.field_guesses import guess_fields
from exporter.cli.suggestions import suggest
from exporter.config.schema import StatsFields
from exporter.config.targets import Target
from exporter.config.tokens import LiteralToken
from exporter.stats.parser import Requested

_EVERY_FIELD = "date" in StatsFields.__struct_fields__
needs_every_field = pytest.mark.skipif(not _EVERY_FIELD, reason="stats_fields has no date")


def request_for(folder: str | None, day: date | None = date(2026, 11, 23)) -> Requested:
    return requested(Target("Co", "Org", folder, ZoneInfo("UTC"), 60, 300, LiteralToken("t")), day)


FOLDER, WHOLE_ORG = request_for("Test01"), request_for(None)


def suggested(body: Any, asked: Requested, fields: StatsFields | None = None) -> list[str]:
    """Return the suggested lines, and what would be read with them."""
    lines = []
    for suggestion in suggest(json.dumps(body).encode(), asked, fields or StatsFields()):
        lines += suggestion.yaml_lines()
        for day in suggestion.reading.days:
            agents = {agent.agent: agent.calls for agent in day.agents}
            lines.append(f"{day.folder}: {day.calls} calls, {day.average_seconds} s, {agents}")
    return lines


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            [{"date": "20261123", "anzahl": 12, "dauer": "0:01:00"}],
            ["stats_fields:", "  calls: [anzahl]", "  average_duration: [dauer]", "Test01: 12 calls, 60.0 s, {}"],
        ),
        (
            {"data": {"Anzahl Anrufe": "12", "verpasst": 3, "berater": {"a": {"calls": 9}, "b": {"calls": 3}}}},
            [
                "stats_fields:",
                "  calls: [Anzahl Anrufe]",
                "  agents: [berater]",
                "Test01: 12 calls, None s, {'a': 9, 'b': 3}",
            ],
        ),
        # Where the rules know a field, no other one is suggested.
        (
            [{"date": "20261123", "stand": "20261124", "anzahl": 12, "wartezeit": 3, "duration": 60}],
            ["stats_fields:", "  calls: [anzahl]", "Test01: 12 calls, 60.0 s, {}"],
        ),
        ([{"calls": 12, "date": "nonsense"}], []),
        # Nothing that looks like a count of calls.
        ([{"date": "20261123", "verpasst": 3}], []),
        ({"status": 404, "detail": "no such folder"}, []),
        ({"code": 200, "took": 12}, []),
        # V-Spark says what is wrong.
        ({"error": "Company not found", "count": 0}, []),
        ("no calls", []),
        (None, []),
        (12, []),
    ],
)
def test_stats_fields(body: Any, expected: list[str]) -> None:
    assert suggested(body, FOLDER) == expected


def test_names_that_are_configured_stay() -> None:
    fields = StatsFields(calls=("anrufe",), agents=("team",))
    assert suggested([{"Anzahl": 12}], FOLDER, fields) == [
        "stats_fields:",
        "  calls: [Anzahl, anrufe]",
        "  agents: [team]",
        "Test01: 12 calls, None s, {}",
    ]


@needs_every_field
def test_every_key_of_stats_fields() -> None:
    agents = [{"kennung": "a", "anzahl": 9, "gesamtdauer_min": 9}, {"kennung": "b", "anzahl": 3, "gesamtdauer_min": 1}]
    body = [{"tag": "20261123", "ordner": "F", "anzahl": 12, "gesamtdauer_min": 10, "mitarbeiter": agents}]
    assert suggested(body, WHOLE_ORG) == [
        "stats_fields:",
        "  calls: [anzahl]",
        "  total_duration: [gesamtdauer_min]",
        "  agents: [mitarbeiter]",
        "  agent_id: [kennung]",
        "  folder: [ordner]",
        "  date: [tag]",
        "  duration_unit: minutes",
        "F: 12 calls, 50.0 s, {'a': 9, 'b': 3}",
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            [{"tag": "20261123", "ordner": "F", "anzahl": 12, "gesamtdauer_min": 10}],
            [{"date": "tag", "folder": "ordner", "total_duration": "gesamtdauer_min", "duration_unit": "minutes"}],
        ),
        (
            {"F": {"llamadas": 3, "duracion_ms": 120000.5, "asesores": [{"nombre_id": "a", "llamadas": 3}]}},
            [
                {
                    "average_duration": "duracion_ms",
                    "agents": "asesores",
                    "agent_id": "nombre_id",
                    "duration_unit": "milliseconds",
                }
            ],
        ),
        # Two names may be those of the calls.
        ([{"anzahl": 12, "anrufe_in_warteschlange": 3}], [{}, {}]),
        # Names of folders and ids of agents are no names of fields.
        ({"Test01": {"00": 12, "01": 3}}, []),
    ],
)
def test_guesses(body: Any, expected: list[dict[str, str]]) -> None:
    guesses = guess_fields(body, {}, whole_org=True)
    assert [{key: name for key, name in guess.items() if key != "calls"} for guess in guesses] == expected
    assert all("calls" in guess for guess in guesses)


RECORDS = "map([$names, .] | transpose | map({(.[0]): .[1]}) | add)"


@pytest.mark.parametrize(
    ("asked", "body", "program", "read"),
    [
        (
            WHOLE_ORG,
            {"F": {"00": 1, "01": 2}, "G": {"02": 4}},
            "map_values({agents: .})",
            ["F: 3 calls, None s, {'00': 1, '01': 2}", "G: 4 calls, None s, {'02': 4}"],
        ),
        (FOLDER, {"00": 1, "01": 2}, "{agents: .}", ["Test01: 3 calls, None s, {'00': 1, '01': 2}"]),
        (
            WHOLE_ORG,
            {"F": {"20261123": {"00": 1}, "20261122": {"00": 7}}},
            "map_values(map_values({agents: .}))",
            ["F: 1 calls, None s, {'00': 1}"],
        ),
        (
            WHOLE_ORG,
            {"stats": {"F": {"00": 1}}},
            '.["stats"] | map_values({agents: .})',
            ["F: 1 calls, None s, {'00': 1}"],
        ),
        (
            WHOLE_ORG,
            {"kopf": ["folder", "calls"], "zeilen": [["F", 3], ["G", 4]]},
            f'.["kopf"] as $names | .["zeilen"] | {RECORDS}',
            ["F: 3 calls, None s, {}", "G: 4 calls, None s, {}"],
        ),
        (
            WHOLE_ORG,
            [["folder", "calls"], ["F", 3]],
            f". as [$names] | .[1:] | {RECORDS}",
            ["F: 3 calls, None s, {}"],
        ),
        pytest.param(
            WHOLE_ORG,
            {"F": {"00": {"anzahl": 1, "dauer": "0:01:00"}}},
            (
                'walk(if type == "object" then with_entries(.key |= '
                '({"dauer": "avgduration", "anzahl": "calls"}[.] // .)) else . end) | map_values({agents: .})'
            ),
            ["F: 1 calls, 60.0 s, {'00': 1}"],
            marks=needs_every_field,
        ),
    ],
)
def test_stats_jq(asked: Requested, body: Any, program: str, read: list[str]) -> None:
    suggestion, *_ = suggest(json.dumps(body).encode(), asked, StatsFields())
    assert (suggestion.key, suggestion.value) == ("stats_jq", program)
    assert suggested(body, asked)[1 : 1 + len(read)] == read


def test_agents_or_folders() -> None:
    body = {"North": {"00": {"calls": 1}, "01": {"calls": 2}}, "South": {"00": {"calls": 4}}}
    suggestions = suggest(json.dumps(body).encode(), WHOLE_ORG, StatsFields())
    assert [(each.value, each.meaning) for each in suggestions] == [
        ("map_values({agents: .})", "the keys of the second level are ids of agents"),
        ("[.[] | to_entries[] | {folder: .key} + .value]", "the keys of the second level are folders"),
    ]
    assert suggested(body, WHOLE_ORG) == [
        "stats_jq: 'map_values({agents: .})'",
        "North: 3 calls, None s, {'00': 1, '01': 2}",
        "South: 4 calls, None s, {'00': 4}",
        "stats_jq: '[.[] | to_entries[] | {folder: .key} + .value]'",
        "00: 5 calls, None s, {}",
        "01: 2 calls, None s, {}",
    ]


@pytest.mark.parametrize(
    "body",
    [
        # Fields would be read as agents.
        {"stats": {"verpasst": 12, "offen": 3}},
        {"F": {"verpasst": 12, "offen": 3}},
        [["a", "b"], [1, 2]],
        {"columns": [], "rows": []},
        {"columns": ["folder", "calls"], "rows": [["F", -1]]},
        [1, 2, 3],
        [],
    ],
)
def test_no_program_fits(body: Any) -> None:
    assert suggested(body, WHOLE_ORG) == []


DEEP = b'{"a":' * 900 + b"1" + b"}" * 900
DUPLICATE = b'{"00":1,"00":2}'


def test_many_tables_take_no_time() -> None:
    body = {f"names{index}": ["a"] for index in range(1000)} | {f"rows{index}": [["b"]] for index in range(1000)}
    assert suggested(body, WHOLE_ORG) == []


@pytest.mark.parametrize(
    "body", [b"<html>", b"\xff", b"[" * 10_000, b'[{"anzahl": 1}]' + b" " * 2**20, DEEP, DUPLICATE]
)
def test_bodies_that_are_not_looked_at(body: bytes) -> None:
    assert suggest(body, FOLDER, StatsFields()) == ()
