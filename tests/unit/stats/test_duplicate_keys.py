"""Compared with Python's `json`, whose `object_pairs_hook` sees every member."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from exporter.stats.duplicate_keys import has_duplicate_key, may_have_duplicate_member, may_have_duplicate_record

ENDS = ("", " ", "\n\t", "  \r\n ")
CHARACTERS = 'ab0",:{}[]\\/ \u00fc\U0001f600\n\x1f'


def duplicated(text: str) -> bool:
    """Return whether the outermost object has a key more than once."""
    last: list[bool] = []

    def hook(pairs: list[tuple[str, Any]]) -> None:
        last[:] = [len(dict(pairs)) < len(pairs)]

    json.loads(text, object_pairs_hook=hook)
    return last[0]


def found(text: str) -> bool:
    raw = Raw(text.encode())
    return has_duplicate_key(raw, msgspec.json.decode(raw, type=dict[str, Raw]))


@st.composite
def strings(draw: st.DrawFn) -> str:
    """Write a text in JSON; each character as it is or as an escape, if there is one."""
    return '"' + "".join(draw(st.sampled_from(ways(each))) for each in draw(st.text(CHARACTERS, max_size=4))) + '"'


def ways(character: str) -> list[str]:
    escaped = json.dumps(character)[1:-1]
    units = character.encode("utf-16-be")
    by_number = "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
    plain = json.dumps(character, ensure_ascii=False)[1:-1]
    return [plain, escaped, by_number, by_number.upper().replace("\\U", "\\u")]


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """Write an object; a key may be a former one, in the same spelling or another."""
    space = st.sampled_from(ENDS)
    members, keys = [], list[str]()
    for value in draw(st.lists(values, max_size=5)):
        key = draw(st.sampled_from(keys)) if keys and draw(st.integers(0, 4)) == 0 else draw(strings())
        if draw(st.booleans()):
            key = '"' + "".join(draw(st.sampled_from(ways(each))) for each in json.loads(key)) + '"'
        keys.append(key)
        members.append(f"{draw(space)}{key}{draw(space)}:{draw(space)}{value}{draw(space)}")
    return "{" + ",".join(members) + draw(space) * (not members) + "}"


LEAVES = st.sampled_from(["null", "true", "0", "-1.5e3", '""', "[]", "{}"]) | strings()
VALUES = st.recursive(
    LEAVES,
    lambda below: objects(below) | st.lists(below, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
    max_leaves=5,
)


@given(objects(VALUES))
def test_a_duplicated_key_is_found_however_it_is_written(text: str) -> None:
    assert found(text) == duplicated(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", False),
        ("{ }", False),
        ('{"a":1}', False),
        ('{"a":1,"a":1}', True),
        ('{"":0,"":0}', True),
        ('{"a":{"a":1,"a":2}}', False),
        ('{"a":1,"\\u0061":1}', True),
        ('{"a" : 1 , "b" : 2}', False),
        ('{"\\u0022":1,"a":1,"a":1}', True),
        ('{"\\"":1,"\\u0022":1}', True),
        ('{"\\\\":"\\"","\\\\\\"":"\\\\"}', False),
        ('{"ü":1,"\\u00fc":1}', True),
        ('{"long key":1,"a":"a value that is longer than a member","a":0}', True),
    ],
)
def test_duplicated_keys(text: str, expected: bool) -> None:  # noqa: FBT001 # one of two outcomes
    assert (found(text), duplicated(text)) == (expected, expected)


records = st.fixed_dictionaries({"calls": st.integers(0, 9)}, optional={"duration": st.sampled_from(["1:00", 5])})


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "calls"]), records), max_size=5), st.sampled_from(["", " "]))
def test_a_duplicated_record_is_never_overlooked(pairs: list[tuple[str, Any]], space: str) -> None:
    text = "{" + f",{space}".join(f'"{key}":{space}{json.dumps(record)}' for key, record in pairs) + "}"
    suspected = may_have_duplicate_record(Raw(text.encode()), len(dict(pairs)), 1)
    assert suspected or len(dict(pairs)) == len(pairs)
    assert not suspected or len(dict(pairs)) < len(pairs)


def members_suspected(text: str) -> bool:
    """Return whether a duplicate is suspected among members that are plain, or objects of two fields."""
    kept = json.loads(text)
    commas = sum(isinstance(value, dict) for value in kept.values())
    return may_have_duplicate_member(Raw(text.encode()), kept, commas)


MEMBERS = st.sampled_from(["1", '"x"', '", "', "null", '{"calls": 1, "duration": "0:01:00"}'])


@given(objects(MEMBERS))
def test_a_duplicated_member_is_never_overlooked(text: str) -> None:
    assert members_suspected(text) or not duplicated(text)


@pytest.mark.parametrize(
    ("text", "suspected"),
    [
        ('{"a": 1}', False),
        ('{"a": {"x": 1, "y": 2}, "n": 1, "b": {"x": 1, "y": 2}}', False),
        ('{"Doe, J": {"x": 1, "y": 2}, "Roe, R, Dr": {"x": 1, "y": ","}}', True),
        ('{"Doe, J": {"x": 1, "y": 2}, "Roe, R, Dr": {"x": 1, "y": 2}, "\\u002c": 1}', True),
        ('{"Doe, J": {"x": 1, "y": 2}, "Roe, R, Dr": {"x": 1, "y": 2}}', False),
        ('{"n": 2, "n": 2, "a": {"x": 1, "y": 2}}', True),
        ('{"\\u002c": 2, "\\u002c": {"x": 1, "y": 2}}', True),
        ('{"a": {"x": 1, "x": 1, "y": 2}}', True),
        ('{"a": {"x": [1, 2], "y": 2}}', True),
    ],
)
def test_a_duplicated_member_is_suspected_if_there_are_more_commas(text: str, *, suspected: bool) -> None:
    assert members_suspected(text) == suspected
