import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from exporter.stats import raw_json
from exporter.stats.raw_json import elements, members, pieces
from tests.support.finished_steps import finished

TEXTS = st.text('ab",:{}[]\\ \u00fc\U0001f600', max_size=8)
VALUES = st.recursive(
    st.none() | st.integers(0, 99) | TEXTS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_json, "_LARGEST_WHOLE", 24)
    monkeypatch.setattr(raw_json, "_PIECE_BYTES", 24)
    monkeypatch.setattr(raw_json, "_PROBE_BYTES", 24)


def written(value: Any, *, spaced: bool, plain: bool) -> Raw:
    separators = (", ", " : ") if spaced else (",", ":")
    return Raw(json.dumps(value, separators=separators, ensure_ascii=not plain).encode())


@pytest.mark.usefixtures("_small_pieces")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.lists(VALUES, max_size=20) | st.dictionaries(TEXTS, VALUES, max_size=20),
    ways=st.tuples(*[st.booleans()] * 2),
)
def test_pieces_have_every_member_once_and_in_turn(value: Any, ways: tuple[bool, bool]) -> None:
    whole = written(value, spaced=ways[0], plain=ways[1])
    parts = [json.loads(bytes(piece)) for piece in pieces(whole)]
    if isinstance(value, list):
        assert [each for part in parts for each in part] == value
        assert [json.loads(bytes(each)) for each in finished(elements(whole, "$"))] == value
    else:
        assert [pair for part in parts for pair in part.items()] == list(value.items())
        found = {key: json.loads(bytes(each)) for key, each in finished(members(whole, "$")).items()}
        assert found == {key: each for key, each in value.items() if each is not None}


@pytest.mark.usefixtures("_small_pieces")
def test_a_large_list_comes_in_many_small_pieces() -> None:
    whole = Raw(b"[" + b",".join(b'{"a":%d,"b":"},"}' % number for number in range(100)) + b"]")
    assert len(list(pieces(whole))) == 100


@pytest.mark.usefixtures("_small_pieces")
@pytest.mark.parametrize(
    "text", [b'{"a":"' + b"," * 99 + b'"}', b"[[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5],1]", b"[1,2,x,y" * 9]
)
def test_what_cannot_be_cut_comes_whole(text: bytes) -> None:
    assert [bytes(piece) for piece in pieces(Raw(text))] == [text]
