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
