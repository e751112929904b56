import json
from typing import Any

import pytest
from msgspec import Raw

from exporter.errors import DecodeError
from exporter.stats.field_names import Layouts
from exporter.stats.model import AgentDay
from exporter.stats.uniform_agents import ColumnDecoder, UniformAgents

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
    assert (len(uniform), uniform.keys) == (3, ("calls", "duration"))


@pytest.mark.parametrize(
    "agents",
    [
        *({"a": 1}, {"a": {"calls": "1"}}, {"a": {"ncalls": 1}}, {"a": RECORD | {"x": 1}}, {"a": {"duration": 1}}),
        *({"a": {"calls": 2**53 + 1}}, {"a": {"calls": 1, "duration": -1}}, {"a": {"calls": 1, "duration": "x"}}),
        *({"calls": RECORD}, [RECORD]),
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
