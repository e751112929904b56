from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.exposition.blocks import Edit, Key, Shelf

LIMIT = 32 * 1024
"""What blocks may share."""


def text_of(size: int, number: int) -> bytes:
    return (b"%d " % number * size)[:size]


def edited(shelf: Shelf, puts: Sequence[tuple[Key, bytes]]) -> Shelf:
    edit = Edit(shelf)
    for key, text in puts:
        edit.put(key, text)
    return edit.finish()


def assert_is(shelf: Shelf, model: dict[Key, bytes]) -> None:
    """Check everything that can be said of a shelf that holds the blocks of `model`."""
    assert [block for member in shelf for block in member.blocks()] == sorted(model.items())
    assert b"".join(member.piece.text() for member in shelf) == b"".join(model[key] for key in sorted(model))
    for member in shelf:
        assert member.keys
        assert member.piece.size == sum(member.sizes)
        assert member.piece.size <= LIMIT or len(member.keys) == 1


keys = st.tuples(st.sampled_from("abcd"), st.integers(0, 9).map(str))
sizes = st.one_of(
    st.just(0),
    st.integers(1, 300),
    st.integers(1, 2 * LIMIT),
    st.sampled_from([LIMIT - 1, LIMIT, LIMIT + 1, 200_000]),
)
edits = st.lists(st.tuples(keys, sizes), max_size=25)
ordered_edits = st.dictionaries(keys, sizes, max_size=40).map(lambda blocks: sorted(blocks.items()))


@settings(deadline=None)
@given(st.lists(edits | ordered_edits, max_size=6))
@example([[(("a", "1"), 200_000)] * 4])  # the same key, after what was put has been compressed
@example(  # more than is kept pending amid a member, before one, and behind the last
    [
        [(("b", "0"), 9), (("c", "9"), 9)],
        [(("b", str(number)), 200_000) for number in range(1, 9)] + [(("c", "0"), 9)],
        [(("a", str(number)), 200_000) for number in range(9)] + [(("b", "0"), 8)],
        [(("d", str(number)), 200_000) for number in range(9)],
    ]
)
@example([[(("a", str(number)), 200_000) for number in range(9)], [(("a", "4"), 0), (("b", "0"), 1), (("a", "2"), 0)]])
def test_a_shelf_holds_what_was_put(rounds: Sequence[Sequence[tuple[Key, int]]]) -> None:
    shelf: Shelf = ()
    model: dict[Key, bytes] = {}
    number = 0
    for puts in rounds:
        before, kept = shelf, dict(model)
        numbered = []
        for key, size in puts:
            number += 1
            numbered.append((key, text_of(size, number)))
        shelf = edited(shelf, numbered)
        model |= dict(numbered)
        model = {key: text for key, text in model.items() if text}
        assert_is(shelf, model)
        assert_is(before, kept)


@pytest.mark.parametrize("order", ["ascending", "descending", "mixed"])
def test_single_puts_share_members(order: str) -> None:
    names: list[Key] = [(f"{number:04}",) for number in range(1000)]
    if order == "descending":
        names.reverse()
    elif order == "mixed":
        Random(1).shuffle(names)  # noqa: S311 # always the same order
    shelf: Shelf = ()
    for key in names:
        shelf = edited(shelf, [(key, text_of(200, 1))])
    assert_is(shelf, dict.fromkeys(names, text_of(200, 1)))
    assert 200_000 / LIMIT < len(shelf) <= 14
    assert all(size > 0.9 * LIMIT for size in map(sum, pairwise(member.piece.size for member in shelf)))


def test_blocks_put_in_order_fill_their_members() -> None:
    blocks: dict[Key, bytes] = {(f"{number:04}",): text_of(1000, number) for number in range(1000)}
    shelf = edited((), list(blocks.items()))
    assert_is(shelf, blocks)
    assert len(shelf) <= 1_000_000 / LIMIT * 1.1


def test_what_is_not_touched_is_the_same_member() -> None:
    blocks: dict[Key, bytes] = {(f"{number:03}",): text_of(10_000, number) for number in range(30)}
    before = edited((), list(blocks.items()))
    after = edited(before, [(("013",), b"new")])
    assert len(after) == len(before)
    assert sum(old is new for old, new in zip(before, after, strict=True)) == len(before) - 1


def test_nothing_put_changes_nothing() -> None:
    shelf = edited((), [(("a",), b"1")])
    assert edited(shelf, []) == shelf
    assert edited((), [(("a",), b"")]) == ()
    assert edited(shelf, [(("a",), b"")]) == ()
    assert edited(shelf, [(("b",), b""), (("0",), b"")]) == shelf
