import pytest

from exporter.errors import DecodeError
from exporter.stats import values
from exporter.stats.json_path import agent_path, child_path, converted, prefixed, quotation


@pytest.mark.parametrize(
    ("key", "path"),
    [
        (0, "$[0]"),
        ("agents", "$.agents"),
        ("a_1", "$.a_1"),
        ("", '$[""]'),
        ("001", '$["001"]'),
        ("a b", '$["a b"]'),
        ("a\n", '$["a\\n"]'),
        ('"]', '$["\\"]"]'),
        ("\x00\x1b\x7f", '$["\\u0000\\u001b\\u007f"]'),
        ("Süd", '$["S\\u00fcd"]'),
        ("x" * 60, "$." + "x" * 60),
        ("x" * 61, "$[a key of 61 characters]"),
        ("\U0001f600" * 10**6, "$[a key of 1000000 characters]"),
    ],
)
def test_a_path_is_ascii_and_short(key: str | int, path: str) -> None:
    assert child_path("$", key) == path


def test_agents_are_numbered_from_1() -> None:
    assert agent_path("$.agents", 0) == "$.agents[agent 1]"


def test_a_value_that_cannot_be_converted_is_an_error_with_its_path() -> None:
    assert converted(values.count, "7", "$.A", "calls") == 7
    for key, path in (("calls", "$.A.calls"), (None, "$.A")):
        with pytest.raises(DecodeError) as caught:
            converted(values.count, -7, "$.A", key)
        assert (caught.value.reason, str(caught.value)) == (
            "unrecognized",
            f"{path}: expected a number of calls, found a negative number",
        )


@pytest.mark.parametrize("reason", DecodeError.reasons)
def test_a_prefixed_error_keeps_its_reason(reason: str) -> None:
    error = prefixed("$[0]", DecodeError(reason, ".calls", "damaged"))
    assert (error.reason, error.path, error.message) == (reason, "$[0].calls", "damaged")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Invalid company", "; it says: Invalid company"),
        ("  Invalid\n\tcompany ", "; it says: Invalid company"),
        ("\x1b[2J\u202ex", "; it says: \\x1b[2J\\u202ex"),
        ("", ""),
        (" \n", ""),
        (404, ""),
        (None, ""),
        (["x"], ""),
        ("x" * 200, f"; it says: {'x' * 200}"),
        ("x" * 201, "; it says: …"),
        (f"{'x' * 196} yyy z", f"; it says: {'x' * 196} yyy …"),
        (f"{'x' * 196} yyyy", f"; it says: {'x' * 196} …"),
        (f"x{' ' * 10**6}y", "; it says: x …"),
    ],
)
def test_a_text_is_quoted_up_to_a_white_space(value: object, expected: str) -> None:
    assert quotation(value) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), ""),
        ((None, " ", 7), ""),
        (("failed", None, "no such\norg"), "; it says: failed; no such org"),
        (("a", "b", "c", "d", "e", "f"), "; it says: a; b; c; d; e"),
        (("x" * 201, "failed"), "; it says: failed"),
        (("x" * 201, "y" * 201), "; it says: …"),
        (("x" * 190, "y" * 11, "z" * 10), f"; it says: {'x' * 190}; {'z' * 10}"),
        (("x" * 190, "yy " * 10), f"; it says: {'x' * 190}; yy yy yy …"),
    ],
)
def test_several_texts_share_the_length_of_one(values: tuple[object, ...], expected: str) -> None:
    assert quotation(*values) == expected
