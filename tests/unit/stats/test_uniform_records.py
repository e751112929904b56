import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from exporter.stats.field_names import Layouts
from exporter.stats.uniform_records import Shape, record_type


def columns(shape: Shape, records: Any, *, listed: bool = False, names: Mapping[str, Any] | None = None) -> Any:
    kind = record_type(Layouts(**(names or {})), shape, listed=listed)
    if kind is None:
        return None
    decoded = kind.listed(json.dumps(records).encode())
    ids = [[record.agent for record in decoded]] if listed else []
    return [*zip(*ids, *kind.columns(decoded), strict=True)]


@pytest.mark.parametrize(
    ("keys", "record", "expected"),
    [
        (("calls", "avgduration"), {"calls": 1, "avgduration": 2}, (1, 2.0)),
        (("avg_length", "agent", "date", "Volume"), {"Volume": 1, "avg_length": "x"}, (1, "x")),
        (("calls",), {"calls": 1}, (1, None)),
        (("N-Calls", "silence"), {"N-Calls": 1, "silence": [7]}, (1, None)),
        (("calls", "duration"), {"calls": 1, "duration": None}, (1, None)),
        (("avgduration",), {"avgduration": 1}, None),
        (("calls", "ncalls", "avgduration"), {"calls": 1}, None),
        (("calls", "avgduration", "duration"), {"calls": 1}, None),
        (("calls", "totalduration"), {"calls": 1}, None),
        (("calls", "avgduration", "totalduration"), {"calls": 1}, None),
        (("calls", "avgduration", "overall"), {"calls": 1}, None),
        (("calls", "avgduration", "id", "ID"), {"calls": 1}, None),
        (("calls", *(f"x{number}" for number in range(64))), {"calls": 1}, None),
        ((), {}, None),
    ],
)
def test_records_are_read_if_there_is_nothing_to_choose(keys: tuple[str, ...], record: Any, expected: Any) -> None:
    assert columns(Shape(keys), [record]) == (None if expected is None else [expected])


@pytest.mark.parametrize(
    ("shape", "record", "expected"),
    [
        (
            Shape(("calls", "overall"), ("ncalls", "duration")),
            {"calls": 1, "overall": {"ncalls": 3, "duration": 2}},
            (1, 2),
        ),
        (Shape(("Overall",), ("ncalls", "duration", "x")), {"Overall": {"ncalls": 3, "x": {}}}, (3, None)),
        (Shape(("calls", "duration", "overall"), ("x",)), {"calls": 1, "duration": 5, "overall": {"x": 1}}, (1, 5)),
        (Shape(("calls", "overall"), ()), {"calls": 1, "overall": {}}, (1, None)),
        (Shape(("calls", "duration", "overall"), ("duration",)), {"calls": 1, "overall": {}}, None),
        (Shape(("calls", "overall"), ("totalduration",)), {"calls": 1, "overall": {}}, None),
        (Shape(("calls", "overall"), ("duration", "Duration")), {"calls": 1, "overall": {}}, None),
        (Shape(("overall",), ("calls", "ncalls")), {"overall": {"calls": 1}}, None),
        (Shape(("overall",), ("x",)), {"overall": {}}, None),
        (Shape(("calls",), ("x",)), {"calls": 1}, None),
    ],
)
def test_count_and_mean_may_be_in_overall(shape: Shape, record: Any, expected: Any) -> None:
    assert columns(shape, [record]) == (None if expected is None else [expected])


def test_listed_records_have_the_first_of_their_ids() -> None:
    shape = Shape(("name", "id", "calls"))
    records = [{"id": "a", "name": "x", "calls": 1}, {"id": 7, "name": None, "calls": 2}]
    assert columns(shape, records, listed=True) == [("a", 1, None), (7, 2, None)]
    assert columns(Shape(("calls",)), [], listed=True) is None


def test_extensions_count() -> None:
    names = {"calls": ["Anrufe"], "average_duration": ["Dauer"], "total_duration": ["Summe"]}
    assert columns(Shape(("an_rufe", "dauer")), [{"an_rufe": 1, "dauer": 2}], names=names) == [(1, 2.0)]
    assert columns(Shape(("an_rufe", "summe")), [{"an_rufe": 1}], names=names) is None


def test_a_name_with_two_meanings_is_not_read() -> None:
    names = {"calls": ["id"], "agent_id": ["id"]}
    assert columns(Shape(("id",)), [{"id": 1}], names=names) == [(1, None)]
    assert columns(Shape(("id",)), [{"id": 1}], names=names, listed=True) is None


@pytest.mark.parametrize(
    "record",
    [
        *({"calls": "1"}, {"calls": 1.5}, {"calls": True}, {"calls": -1}, {"calls": 2**53 + 1}, {"calls": None}),
        *({"calls": 1, "duration": -1}, {"calls": 1, "duration": True}, {"calls": 1, "duration": 2**53}),
        *({"duration": 1}, {"calls": 1, "new": 1}, 1, None, []),
    ],
)
def test_anything_else_is_not_decoded(record: Any) -> None:
    with pytest.raises(msgspec.DecodeError):
        columns(Shape(("calls", "duration", "other")), [record])


@pytest.mark.parametrize("agent", ["a" * 1025, 7.5, 7.0, True, None, 2**63, [], {}])
def test_an_id_is_a_name_or_a_whole_number(agent: Any) -> None:
    with pytest.raises(msgspec.DecodeError):
        columns(Shape(("id", "calls")), [{"id": agent, "calls": 1}], listed=True)
