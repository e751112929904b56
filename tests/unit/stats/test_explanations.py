import json
from typing import Any

import pytest
from msgspec import Raw

from exporter.stats.explanations import explanation, is_failure
from exporter.stats.field_names import Layouts


def explained(body: Any, inside: dict[str, Any] | None = None) -> str:
    raw = {key: Raw(json.dumps(value).encode()) for key, value in (inside or {}).items()}
    return explanation(raw, Raw(json.dumps(body).encode()), Layouts(agent_id=["mitarbeiter"]))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"reason": "no such org"}, "; it says: no such org"),
        ({"status": "failed", "code": 5, "detail": "no such\n org", "Error": "x"}, "; it says: x; failed; no such org"),
        ({"status": "ok", "result": "Success", "data": None}, ""),
        ({"reason": ["x"], "other": {"reason": "y"}}, ""),
        ({"data": {"reason": "x", "data": {"reason": "y"}}}, "; it says: x"),
        ({"errors": ["x", {"reason": "y"}, "z"]}, "; it says: x; z"),
        ({"Error": {"detail": "x"}, "status": "y"}, "; it says: x; y"),
        ({"detail": "x", "data": {"message": "y"}}, "; it says: y; x"),
        (["x", ["y"], 5, "z"], "; it says: x; z"),
        ({"a": "x", "b": "x", "c": " "}, "; it says: x"),
        # Fields of day records may hold ids.
        ({"name": "Anna", "id": "7", "folder": "A", "date": "20261123", "duration": "0:01:00", "Mitarbeiter": "B"}, ""),
        ({"data": {"name": "Anna", "reason": "x"}}, "; it says: x"),
        (5, ""),
        (None, ""),
    ],
)
def test_what_a_response_says_at_its_top_and_in_wrappers(body: Any, expected: str) -> None:
    assert explained(body) == expected


def test_what_an_object_says_comes_first() -> None:
    inside = {"reason": "not read here", "message": "x", "errors": 5}
    assert explained({"detail": "y", "message": "x"}, inside) == "; it says: x; y"


@pytest.mark.parametrize(
    "body", [b'{"reason":"x","y":[' + b"0," * 40_000 + b"0]}", b'{"reason":"x","y":1e999}', b"[" * 5000 + b"]" * 5000]
)
def test_a_response_that_is_not_decoded_says_nothing(body: bytes) -> None:
    assert explanation({}, Raw(body), Layouts()) == ""


def test_a_response_with_day_records_says_only_what_is_wrong() -> None:
    assert explanation({"reason": Raw(b'"x"'), "error": Raw(b'"y"')}, None, Layouts()) == "; it says: y"


@pytest.mark.parametrize(
    ("key", "value", "empty", "fails"),
    [
        ("error", "x", False, True),
        ("E-rrors", 1, False, True),
        ("error", "", True, False),
        ("error", 0, True, False),
        ("status", "failed", False, False),
        ("status", "failed", True, True),
        ("status", "OK", True, False),
        ("message", "Success", True, False),
        ("success", True, True, False),
        ("success", False, True, True),
        ("code", 200, True, False),
        ("code", 404, True, True),
        ("count", 0.0, True, False),
    ],
)
def test_a_value_next_to_lists_and_objects_may_be_a_failure(key: str, value: Any, *, empty: bool, fails: bool) -> None:
    assert is_failure(key, value, empty=empty) == fails
