import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, field

from exporter.config.convert import UNREAD, Block, Decoders, Document, about, check, suggestion
from exporter.config.loaded import load_config
from exporter.errors import ConfigError


def lower(name: str) -> None:
    if not name.islower():
        raise ValueError("a name must be in lower case")


class Seat(Block, frozen=True):
    row: Annotated[int, about("Counted from the front.", 1, ge=1)]
    names: tuple[str, ...] = ()


class Room(Block, frozen=True):
    seats: tuple[Seat, ...]
    door_open: bool = field(name="open", default=False)
    best: Seat | None = None


class Grade(str):
    __slots__ = ()


class Register(Block, frozen=True):
    grades: Mapping[Annotated[str, check(lower)], Annotated[Grade, Meta(extra={"numbers": True})]]
    notes: Mapping[str, str] | None = None
    teachers: Annotated[tuple[str, ...], Meta(min_length=1)] | None = None


DECODERS: Decoders = {Grade: Grade}


def document(folder: Path, text: str, *, blank_is_null: bool = False) -> Document:
    path = folder / "a.yaml"
    path.write_text(text)
    return Document(path, DECODERS, blank_is_null=blank_is_null)


def rejections(folder: Path, text: str, kind: type[Block]) -> list[str]:
    """Read a file that is rejected, and return every message after the name of the file."""
    with pytest.raises(ExceptionGroup) as caught:
        document(folder, text).read(kind)
    return [str(error).removeprefix(f"{folder}/a.yaml:") for error in caught.value.exceptions]


@pytest.mark.parametrize("key", ["row:s3cret", "row=s3cret", "s3cret", "s3cret row", "s" * 65, '"s3\\ncret"', "'3'"])
def test_a_key_that_may_be_a_token_is_not_shown(tmp_path: Path, key: str) -> None:
    assert rejections(tmp_path, f"row: 1\n{key}: \n", Seat) == [
        "2: unknown key, not shown because it may be a token; is a space missing after a colon?"
    ]


def test_every_problem_is_found_with_its_line(tmp_path: Path) -> None:
    text = """\
seats:
  - row: 0
    names: [a,
      5]
  - b
  -
    rows: 2
open: 1
best: {}
7: 8
"""
    assert rejections(tmp_path, text, Room) == [
        "2: seats[0].row: must be at least 1",
        "4: seats[0].names[1]: expected text, got a whole number; put it in quotes",
        "5: seats[1]: expected a mapping, got text",
        "7: seats[2].rows: unknown key; did you mean 'row'?",
        "8: open: expected true or false, got a whole number",
        "9: best.row: is missing",
        "10: expected text as a key, got a whole number; put it in quotes",
    ]


def test_a_good_file_is_converted(tmp_path: Path) -> None:
    text = "seats: [{row: 1, names: [a]}]\nopen: true\nbest:\n"
    assert document(tmp_path, text).read(Room) == Room(seats=(Seat(row=1, names=("a",)),), door_open=True)


def test_an_anchor_has_the_lines_of_its_definition(tmp_path: Path) -> None:
    text = "seats:\n- &seat\n  row: 1\n  names: a\n- *seat\n- <<: *seat\n  row: 2\n"
    assert rejections(tmp_path, text, Room) == [
        "4: seats[0].names: expected a list, got text",
        "4: seats[1].names: expected a list, got text",
        "4: seats[2].names: expected a list, got text",
    ]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("!s3cret 1", "expected a whole number, got another type"),
        ("!!python/name:os.system x", "expected a whole number, got another type"),
        ("!!int s3cret", "is not a valid number or boolean; put text in quotes"),
        ("0x_", "is not a valid number or boolean; put text in quotes"),
        ("9" * 5000, "is not a valid number or boolean; put text in quotes"),
        ("2024-13-45", "expected a whole number, got a date"),
        ("!!map [a]", "expected a whole number, got another type"),
        ("!!int {a: b}", "expected a whole number, got another type"),
    ],
)
def test_a_tag_is_no_way_around_the_types(tmp_path: Path, value: str, problem: str) -> None:
    assert rejections(tmp_path, f"row: {value}", Seat) == [f"1: row: {problem}"]


def test_a_mapping_of_any_names(tmp_path: Path) -> None:
    text = "grades: {ann: b, bob: 2}"
    assert document(tmp_path, text).read(Register) == Register(grades={"ann": Grade("b"), "bob": Grade("2")})


def test_every_problem_of_a_mapping_is_found_and_no_bad_name_quoted(tmp_path: Path) -> None:
    text = """\
grades:
  ann: true
  Bob: b
  7: c
  a b:
  x: []
notes: [x]
teachers: []
"""
    assert rejections(tmp_path, text, Register) == [
        "2: grades.ann: expected text, got true or false; put it in quotes",
        "3: grades: a name must be in lower case",
        "4: grades: expected text as a key, got a whole number; put it in quotes",
        '5: grades["a b"]: expected text, got nothing',
        "6: grades.x: expected text, got a list",
        "7: notes: expected a mapping, got a list",
        "8: teachers: must not be empty",
    ]
    assert rejections(tmp_path, "{}", Register) == ["1: grades: is missing"]


def test_an_empty_text_can_count_as_nothing(tmp_path: Path) -> None:
    text = "grades: {}\nnotes: ''\n"
    assert document(tmp_path, text, blank_is_null=True).read(Register) == Register(grades={})
    assert rejections(tmp_path, text, Register) == ["2: notes: expected a mapping, got text"]


class Range(Block, frozen=True):
    low: int
    high: int
    names: tuple[str, ...] = ()
    grades: Mapping[str, str] | None = None
    seat: Seat | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        yield (
            "",
            repr(
                [
                    *("unread" if each is UNREAD else each for each in (self.low, self.high)),
                    *(self.names, self.grades, self.seat and self.seat.row is UNREAD),
                ]
            ),
        )


def test_a_check_between_keys_sees_which_values_were_rejected(tmp_path: Path) -> None:
    assert rejections(tmp_path, "low: 1\nhigh: 2\nnames: [a]", Range) == ["1: [1, 2, ('a',), None, None]"]
    text = "low: a\nnames: a\ngrades: []\nseat: 5"
    assert rejections(tmp_path, text, Range)[-1] == "4: seat: expected a mapping, got a whole number"
    assert "1: ['unread', 'unread', (), {}, True]" in rejections(tmp_path, text, Range)


def test_an_error_that_is_found_later_has_the_line_of_its_key(tmp_path: Path) -> None:
    read = document(tmp_path, "open: true\nseats:\n- row: 1\n")
    read.read(Room)
    lines = [read.error(path, "").line for path in ("", "open", "seats[0].row", "seats[0].names", "best.row")]
    assert lines == [1, 1, 3, 3, 1]


def test_a_suggestion_is_made_if_something_is_close() -> None:
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
    """Load a file; accept nothing but a group of ConfigErrors, each of which is one line."""
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
def test_any_document_is_loaded_or_rejected(document: Any) -> None:
    load(yaml.safe_dump(document, allow_unicode=True).encode())


@given(st.text("abc:-[]{}&*!<>|#%@'\"\\ \n\t0159.~?,=").map(str.encode) | st.binary())
@settings(deadline=None)
def test_any_text_is_loaded_or_rejected(text: bytes) -> None:
    load(text)
