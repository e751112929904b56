import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, field

from exporter.config.convert import Block, convert, suggestion
from exporter.config.schema import load_config
from exporter.errors import ConfigError


def lower(name: str) -> None:
    if not name.islower():
        raise ValueError("a name is written in small letters")


class Seat(Block, frozen=True):
    row: Annotated[int, Meta(ge=1)]
    names: tuple[str, ...] = ()


class Room(Block, frozen=True):
    seats: tuple[Seat, ...]
    door_open: bool = field(name="open", default=False)
    best: Seat | None = None


@pytest.mark.parametrize("key", ["row:s3cret", "row=s3cret", "s3cret", "s3cret: row", "s" * 65, "s3\ncret", "3"])
def test_a_key_that_may_be_a_token_is_not_shown(key: str) -> None:
    _, errors = convert({"row": 1, key: None}, Seat, {})
    assert [str(error) for error in errors] == [
        "key 2 is unknown; it is not shown, for it may be a token: is the space behind a colon missing?"
    ]


def test_every_problem_is_found() -> None:
    data = {"seats": [{"row": 0, "names": ["a", 5]}, "b", {"rows": 2}], "open": 1, "best": {}, 7: 8}
    _, errors = convert(data, Room, {})
    assert [str(error) for error in errors] == [
        "seats[0].row: expected int >= 1",
        "seats[0].names[1]: expected text, got a whole number; put it in quotes",
        "seats[1]: expected a mapping, got text",
        "seats[2].rows: unknown key; did you mean 'row'?",
        "seats[2].row: is missing",
        "open: expected true or false, got a whole number",
        "best.row: is missing",
        "expected text as a key, got a whole number; put it in quotes",
    ]


def test_what_is_right_is_converted() -> None:
    data = {"seats": [{"row": 1, "names": ["a"]}], "open": True, "best": None}
    assert convert(data, Room, {}) == (Room(seats=(Seat(row=1, names=("a",)),), door_open=True), [])


class Grade(str):
    __slots__ = ()
    numbers = True


class Register(Block, frozen=True):
    grades: Mapping[Annotated[str, lower], Grade]
    notes: Mapping[str, str] | None = None


def test_a_mapping_of_any_names() -> None:
    data = {"grades": {"ann": "b", "bob": 2}}
    assert convert(data, Register, {Grade: Grade}) == (Register(grades={"ann": Grade("b"), "bob": Grade("2")}), [])


def test_every_problem_of_a_mapping_is_found_and_no_bad_name_quoted() -> None:
    data = {"grades": {"ann": True, "Bob": "b", 7: "c", "a b": None, "x": []}, "notes": ["x"]}
    assert [str(error) for error in convert(data, Register, {Grade: Grade})[1]] == [
        "grades.ann: expected text, got true or false; put it in quotes",
        "grades: a name is written in small letters",
        "grades: expected text as a key, got a whole number; put it in quotes",
        'grades["a b"]: expected text, got nothing',
        "grades.x: expected text, got a list",
        "notes: expected a mapping, got a list",
    ]
    assert [str(error) for error in convert({}, Register, {Grade: Grade})[1]] == ["grades: is missing"]


def test_a_suggestion_is_made_where_something_is_close() -> None:
    assert suggestion("foldrs", ["name", "folders"]) == "; did you mean 'folders'?"
    assert suggestion("x", ["name", "folders"]) == ""
    assert suggestion("folders" * 100, ["folders" * 100]) == ""


KEYS = st.sampled_from(
    ["token_file", "tls", "cert_file", "interval", "stale_after", "include", "max_per_folder", "calls", "<<", "no", "1"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.binary(max_size=3)
    | st.text(max_size=8)
    | st.sampled_from(
        ["http://x", "https://x", "30s", "1ms", "64MiB", "UTC", "A", "(", ".", "/", "\0", "token", "calls"]
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.integers() | st.none(), inner, max_size=5),
    max_leaves=25,
)
ORGS = st.lists(
    st.fixed_dictionaries({"name": LEAVES}, optional={"timezone": VALUES, "folders": VALUES, "interval": VALUES}),
    max_size=3,
)
FILES = st.fixed_dictionaries(
    {
        "vspark": VALUES
        | st.fixed_dictionaries({"url": LEAVES, "token": VALUES}, optional={"tls": VALUES, "timeout": LEAVES}),
        "companies": VALUES
        | st.lists(
            st.fixed_dictionaries({"name": LEAVES, "orgs": VALUES | ORGS}, optional={"token_env": VALUES}), max_size=3
        ),
    },
    optional={"poll": VALUES, "agents": VALUES, "stats_fields": VALUES},
)


def load(text: bytes) -> None:
    """Load, and let nothing through but a group of ConfigErrors, each of which is one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_bytes(text)
        try:
            load_config(path, {})
        except ExceptionGroup as group:
            assert all(type(error) is ConfigError for error in group.exceptions)  # noqa: PT017 # no error is no failure
            assert all("\n" not in str(error) for error in group.exceptions)  # noqa: PT017 # same


@given(VALUES | FILES)
@settings(deadline=None)
def test_whatever_stands_in_the_file_is_loaded_or_refused(document: Any) -> None:
    load(yaml.safe_dump(document, allow_unicode=True).encode())


@given(st.text("abc:-[]{}&*!<>|#%@'\"\\ \n\t0159.~?,=").map(str.encode) | st.binary())
@settings(deadline=None)
def test_what_is_no_yaml_is_loaded_or_refused(text: bytes) -> None:
    load(text)
