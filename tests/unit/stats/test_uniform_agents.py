import json
from typing import Any

import pytest
from msgspec import Raw

from exporter.errors import DecodeError
from exporter.stats.day_record import UniformAgents
from exporter.stats.field_names import Layouts
from exporter.stats.model import AgentDay
from exporter.stats.uniform_agents import ColumnDecoder
from exporter.stats.uniform_records import Shape

RECORD = {"calls": 1, "duration": "0:01:00"}


def as_raw(agents: Any) -> Raw:
    return Raw(json.dumps(agents).encode())


def decoder_that_knows(record: dict[str, Any]) -> ColumnDecoder:
    decoder = ColumnDecoder(Layouts())
    decoder.decode(as_raw({"x": record}), "$")
    return decoder


def test_the_first_agents_are_only_decoded_and_the_next_become_columns() -> None:
    decoder = ColumnDecoder(Layouts())
    agents = as_raw({"a": RECORD, "b": RECORD | {"calls": 0}, "c": {"calls": 2}})
    assert decoder.decode(agents, "$") == {"a": RECORD, "b": RECORD | {"calls": 0}, "c": {"calls": 2}}
    uniform = decoder.decode(agents, "$")
    assert isinstance(uniform, UniformAgents)
    assert uniform.columns == (AgentDay("a", 1, 60.0), AgentDay("c", 2))
    assert (len(uniform), uniform.shape) == (3, Shape(("calls", "duration")))


@pytest.mark.parametrize(
    "agents",
    [
        *({"a": 1}, {"a": {"calls": "1"}}, {"a": {"ncalls": 1}}, {"a": RECORD | {"x": 1}}, {"a": {"duration": 1}}),
        *({"a": {"calls": 2**53 + 1}}, {"a": {"calls": 1, "duration": -1}}, {"a": {"calls": 1, "duration": "x"}}),
        *([RECORD], [{"agent": "a", **RECORD}], [None], {"a": {"overall": RECORD}}, {"a": []}),
    ],
)
def test_other_agents_are_only_decoded(agents: Any) -> None:
    assert decoder_that_knows(RECORD).decode(as_raw(agents), "$") == agents


def test_nulls_are_left_out() -> None:
    assert decoder_that_knows(RECORD).decode(as_raw({"a": RECORD, "b": None}), "$") == {"a": RECORD}


@pytest.mark.parametrize("twice", [b'"a":{"calls":1},"a":{"calls":2}', b'"a":{"calls":1},"\\u0061":{"calls":2}'])
@pytest.mark.parametrize("known", [RECORD, {"x": 1}])
def test_a_duplicated_id_is_rejected(twice: bytes, known: dict[str, Any]) -> None:
    with pytest.raises(DecodeError) as caught:
        decoder_that_knows(known).decode(Raw(b"{%b}" % twice), "$.agents")
    assert str(caught.value) == "$.agents: a key of this object is duplicated, so its value is ambiguous"


@pytest.mark.parametrize(
    ("duration", "other", "seconds"),
    [
        (1500, 250, [1.5, 0.25]),
        ("1500", "0:00:02", [1.5, 2.0]),
        (1500.0, "0:02", [1.5, 2.0]),
        (None, 1000, [None, 1.0]),
    ],
)
def test_columns_are_in_seconds(duration: Any, other: Any, seconds: list[float | None]) -> None:
    decoder = ColumnDecoder(Layouts(duration_unit="milliseconds"))
    decoder.decode(as_raw({"x": RECORD}), "$")
    uniform = decoder.decode(as_raw({"a": RECORD | {"duration": duration}, "b": RECORD | {"duration": other}}), "$")
    assert isinstance(uniform, UniformAgents)
    assert uniform.columns.average_seconds == seconds


def test_a_column_that_gets_out_of_range_is_only_decoded() -> None:
    decoder = ColumnDecoder(Layouts(duration_unit="minutes"))
    decoder.decode(as_raw({"x": RECORD}), "$")
    agents = {"a": RECORD | {"duration": 2**52}}
    assert decoder.decode(as_raw(agents), "$") == agents


def test_agents_in_a_list_become_columns_too() -> None:
    decoder = decoder_that_knows({"id": "x", **RECORD})
    listed = [
        {"id": "a", "calls": 2},
        {"duration": 5, "id": 7, "calls": 0},
        {"id": 8, "calls": 3},
        {"id": "a", "calls": 1},
    ]
    uniform = decoder.decode(as_raw(listed), "$")
    assert isinstance(uniform, UniformAgents)
    assert uniform.columns == (AgentDay("a", 2), AgentDay("8", 3), AgentDay("a", 1))
    assert len(uniform) == 4


def test_agents_among_fields_become_columns_too() -> None:
    decoder = decoder_that_knows({"calls": 1, "overall": {"ncalls": 1, "duration": "0:01:00", "silence": "0:00:01"}})
    fields = {
        "date": "20261123",
        "agents": 2,
        "x": [{}],
        "y": None,
        "b": {"calls": 2, "overall": {"duration": "0:00:09"}},
    }
    uniform = decoder.among(list(fields), list(map(as_raw, fields.values())))
    assert isinstance(uniform, UniformAgents)
    assert uniform.columns == (AgentDay("b", 2, 9.0),)
    assert len(uniform) == 1
    assert decoder.among(["a"], [as_raw({"calls": 1, "overall": None})]) is None
    assert decoder.among(["a"], [as_raw({"x": 1})]) is None


@pytest.mark.parametrize("key", ['"', "\\", "\n"])
def test_a_key_that_cannot_be_that_of_a_type_is_only_decoded(key: str) -> None:
    agents = {"a": {"calls": 1, key: 2}}
    assert decoder_that_knows(agents["a"]).decode(as_raw(agents), "$") == agents


def test_the_shape_is_that_of_the_fullest_record() -> None:
    decoder = ColumnDecoder(Layouts())
    decoder.learn([None, 7, {"calls": 1}, {"calls": 1, "overall": None}, {"calls": 1, "overall": {"duration": 1}}])
    uniform = decoder.decode(as_raw({"a": {"calls": 1, "overall": {}}}), "$")
    assert isinstance(uniform, UniformAgents)
    assert uniform.shape == Shape(("calls", "overall"), ("duration",))
    decoder.learn([])
    assert decoder.decode(as_raw({"a": {"calls": 1}}), "$") == {"a": {"calls": 1}}


@pytest.mark.parametrize(("length", "uniform"), [(1024, True), (1025, False)])
def test_an_id_that_is_too_long_is_only_decoded(length: int, *, uniform: bool) -> None:
    agent = "é" * length
    for record, agents in (
        (RECORD, {agent: RECORD}),
        (RECORD | {"id": "x"}, [RECORD | {"id": agent}]),
    ):
        assert isinstance(decoder_that_knows(record).decode(as_raw(agents), "$"), UniformAgents) == uniform
    assert (decoder_that_knows(RECORD).among([agent], [as_raw(RECORD)]) is not None) == uniform


KNOWN = {"calls": 5, "overall": {"ncalls": 5, "duration": "0:01:00", "silence": "0:00:01"}}
FIELDS = {"folder": "F", "agents": 2, "note": None}


def fields_and_agents(text: str, known: dict[str, Any] = KNOWN) -> tuple[dict[str, Any], UniformAgents] | None:
    return decoder_that_knows(known).with_fields(Raw(text.encode()))


def test_fields_and_agents_are_decoded_at_once() -> None:
    without_calls = {"calls": 0, "overall": KNOWN["overall"]}
    found = fields_and_agents(json.dumps({"a": KNOWN, **FIELDS, "b": without_calls, "Doe, J": KNOWN, "x": 1.5}))
    assert found is not None
    fields, agents = found
    assert fields == {"folder": "F", "agents": 2, "x": 1.5}
    assert agents.columns == (AgentDay("a", 5, 60.0), AgentDay("Doe, J", 5, 60.0))
    assert (len(agents), agents.shape) == (3, Shape(("calls", "overall"), ("ncalls", "duration", "silence")))


@pytest.mark.parametrize(
    "member",
    [
        *('"b": {}', '"b": {"calls": 5}', '"b": []', '"x": [1]', '"b": {"calls": 5, "overall": {"ncalls": 5}}'),
        *('"x": 1e999', '"x": 9223372036854775808', '"x": "a, b"', '"%s": 1' % ("y" * 1025), '"b": {"ncalls": 5}'),
        *(
            '"a": %(known)s',
            '"agents": 2',
            '"a": 7',
            '"note": null',
            '"\\u0061": %(known)s',
            '"\\u002c": 1, "agents": 2',
        ),
        *('"stats": %(known)s', '"Over All": %(known)s', '"Calls": %(known)s', '"name": %(known)s'),
        *('"20261123": %(known)s', '"2026-11-23": %(known)s', '"%(long)s": %(known)s', '"error": {"calls": 1}'),
    ],
)
def test_other_fields_and_agents_are_not_decoded_at_once(member: str) -> None:
    texts = {"known": json.dumps(KNOWN), "long": "z" * 1025}
    text = json.dumps({**FIELDS, "a": KNOWN})
    assert fields_and_agents(text) is not None
    assert fields_and_agents(f"{text[:-1]}, {member % texts if '%(' in member else member}}}") is None


def test_fields_without_agents_are_not_decoded_at_once() -> None:
    assert fields_and_agents(json.dumps(FIELDS)) is None
    assert fields_and_agents("{}") is None
    assert fields_and_agents("[]") is None
    assert ColumnDecoder(Layouts()).with_fields(as_raw({**FIELDS, "a": KNOWN})) is None


def test_a_field_that_an_agent_lacks_does_not_make_up_for_a_duplicate() -> None:
    less = json.dumps({"calls": 5, "overall": {"ncalls": 5, "duration": "0:01:00"}})
    assert fields_and_agents(f'{{"agents": 2, "a": {json.dumps(KNOWN)}, "b": {less}, "agents": 2}}') is None


@pytest.mark.parametrize("record", [{"calls": 1}, {"overall": {"calls": 1}}, {"calls": 1, "overall": {}}])
def test_records_of_a_single_field_are_complete(record: dict[str, Any]) -> None:
    found = fields_and_agents(json.dumps({"agents": 2, "a": record, "b": record}), record)
    assert found is not None
    assert found[1].columns == (AgentDay("a", 1), AgentDay("b", 1))
    assert fields_and_agents(f'{{"agents": 2, "a": {json.dumps(record)}, "agents": 2}}', record) is None
