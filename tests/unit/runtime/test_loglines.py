import json
import math
import re
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.runtime.loglines import json_line, logfmt, plain
from tests.support.logfmt import parse

keys = st.from_regex("[a-z][a-z_]{0,9}", fullmatch=True)
texts = st.one_of(
    st.text(),
    st.text(st.sampled_from('ab ="\\\n\r\t\x00\x1b[31m\x7f\x85\u2028\u202e\ufeff\ud800\U0001f600ü')),
)
values = st.one_of(texts, st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.binary())


class Level(StrEnum):
    HIGH = "high"


def written(value: object) -> tuple[str, str]:
    """Give a value in both forms."""
    fields = plain(None, "", {"x": value})
    return logfmt(None, "", dict(fields)), json_line(None, "", dict(fields))


@pytest.mark.parametrize(
    ("value", "as_logfmt", "as_json"),
    [
        ("plain", "x=plain", '{"x": "plain"}'),
        ("Süd/Org", "x=Süd/Org", r'{"x": "S\u00fcd/Org"}'),
        ("", 'x=""', '{"x": ""}'),
        (None, "x=", '{"x": null}'),
        (True, "x=true", '{"x": true}'),
        (False, "x=false", '{"x": false}'),
        (3, "x=3", '{"x": 3}'),
        (0.25, "x=0.25", '{"x": 0.25}'),
        (math.inf, "x=inf", '{"x": "inf"}'),
        (math.nan, "x=nan", '{"x": "nan"}'),
        (Level.HIGH, "x=high", '{"x": "high"}'),
        (["a b"], "x=\"['a b']\"", '{"x": "[\'a b\']"}'),
        ("a b=c", 'x="a b=c"', '{"x": "a b=c"}'),
        ('a"b', r'x="a\"b"', r'{"x": "a\"b"}'),
        ("a\\nb", r'x="a\\nb"', r'{"x": "a\\nb"}'),
        ("a\nlevel=error", r'x="a\nlevel=error"', r'{"x": "a\nlevel=error"}'),
        ("\x1b[2J\x07", r'x="\u001b[2J\u0007"', r'{"x": "\u001b[2J\u0007"}'),
        ("\x7f", r'x="\u007f"', r'{"x": "\u007f"}'),
        ("a\u2028b\x85c\r", r'x="a\u2028b\u0085c\r"', r'{"x": "a\u2028b\u0085c\r"}'),
        ("\u202eevil", r'x="\u202eevil"', r'{"x": "\u202eevil"}'),
        ("\ud800", r'x="\ud800"', r'{"x": "\ud800"}'),
    ],
)
def test_values(value: object, as_logfmt: str, as_json: str) -> None:
    assert written(value) == (as_logfmt, as_json)


@given(fields=st.dictionaries(keys, values, max_size=6))
def test_a_record_is_one_line_that_says_the_same(fields: dict[str, Any]) -> None:
    plainly = plain(None, "", dict(fields))
    line, json_text = logfmt(None, "", dict(plainly)), json_line(None, "", dict(plainly))
    for text in (line, json_text):
        assert text.isprintable()
        assert len(text.splitlines()) <= 1
    assert re.sub(r"[ -~]", "", json_text) == ""
    assert json.loads(json_text) == dict(plainly)
    assert parse(line) == {key: text_of(value) for key, value in plainly.items()}


def text_of(value: str | float | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def test_the_order_of_the_fields() -> None:
    fields = {"z": 1, "event": "e", "a": 2, "level": "info", "ts": "t"}
    assert logfmt(None, "", dict(plain(None, "", fields))) == "ts=t level=info event=e z=1 a=2"
