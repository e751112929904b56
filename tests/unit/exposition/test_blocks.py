from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.exposition.blocks import FamilyBlocks, Key, Removal, merged
from tests.support.finished_steps import finished, step_seconds

LIMIT = 32 * 1024
"""The size of a group of several blocks."""


def text_of(size: int, number: int) -> bytes:
    return (b"%d " % number * size)[:size]


def edited(compressed: FamilyBlocks, puts: Sequence[tuple[Key, bytes]]) -> FamilyBlocks:
    return finished(merged(compressed, dict(puts)))


def assert_is(compressed: FamilyBlocks, model: dict[Key, bytes]) -> None:
    """Check all that holds for the compressed blocks of `model`."""
    assert [block for group in compressed for block in zip(group.keys, group.texts(), strict=True)] == sorted(
        model.items()
    )
    assert b"".join(group.piece.text() for group in compressed) == b"".join(model[key] for key in sorted(model))
    for group in compressed:
        assert group.keys
        assert group.piece.size == sum(group.sizes)
        assert group.piece.size <= LIMIT or len(group.keys) == 1


keys = st.tuples(st.sampled_from("abcd"), st.integers(0, 9).map(str))
sizes = st.one_of(
    st.just(0),
    st.integers(1, 300),
    st.integers(1, 2 * LIMIT),
    st.sampled_from([LIMIT - 1, LIMIT, LIMIT + 1, 200_000]),
)
edits = st.dictionaries(keys, sizes, max_size=40).map(lambda blocks: [*blocks.items()])


@settings(deadline=None)
@given(st.lists(edits, max_size=6))
@example(  # large blocks amid a group, before one, and behind the last
    [
        [(("b", "0"), 9), (("c", "9"), 9)],
        [(("b", str(number)), 200_000) for number in range(1, 9)] + [(("c", "0"), 9)],
        [(("a", str(number)), 200_000) for number in range(9)] + [(("b", "0"), 8)],
        [(("d", str(number)), 200_000) for number in range(9)],
    ]
)
@example([[(("a", str(number)), 200_000) for number in range(9)], [(("a", "4"), 0), (("b", "0"), 1), (("a", "2"), 0)]])
def test_the_blocks_are_those_that_were_put(rounds: Sequence[Sequence[tuple[Key, int]]]) -> None:
    compressed: FamilyBlocks = ()
    model: dict[Key, bytes] = {}
    number = 0
    for puts in rounds:
        before, kept = compressed, dict(model)
        numbered = []
        for key, size in puts:
            number += 1
            numbered.append((key, text_of(size, number)))
        compressed = edited(compressed, numbered)
        model |= dict(numbered)
        model = {key: text for key, text in model.items() if text}
        assert_is(compressed, model)
        assert_is(before, kept)


@pytest.mark.parametrize("order", ["ascending", "descending", "mixed"])
def test_blocks_put_one_by_one_share_groups(order: str) -> None:
    names: list[Key] = [(f"{number:04}",) for number in range(1000)]
    if order == "descending":
        names.reverse()
    elif order == "mixed":
        Random(1).shuffle(names)  # noqa: S311 # always the same order
    compressed: FamilyBlocks = ()
    for key in names:
        compressed = edited(compressed, [(key, text_of(200, 1))])
    assert_is(compressed, dict.fromkeys(names, text_of(200, 1)))
    assert 200_000 / LIMIT < len(compressed) <= 14
    assert all(size > 0.9 * LIMIT for size in map(sum, pairwise(group.piece.size for group in compressed)))


def test_blocks_put_in_order_fill_their_groups() -> None:
    blocks: dict[Key, bytes] = {(f"{number:04}",): text_of(1000, number) for number in range(1000)}
    compressed = edited((), list(blocks.items()))
    assert_is(compressed, blocks)
    assert len(compressed) <= 1_000_000 / LIMIT * 1.1


def test_other_groups_stay_the_same() -> None:
    blocks: dict[Key, bytes] = {(f"{number:03}",): text_of(10_000, number) for number in range(30)}
    before = edited((), list(blocks.items()))
    after = edited(before, [(("013",), b"new")])
    assert len(after) == len(before)
    assert sum(old is new for old, new in zip(before, after, strict=True)) == len(before) - 1


def test_nothing_put_changes_nothing() -> None:
    compressed = edited((), [(("a",), b"1")])
    assert edited(compressed, []) == compressed
    assert edited((), [(("a",), b"")]) == ()
    assert edited(compressed, [(("a",), b"")]) == ()
    assert edited(compressed, [(("b",), b""), (("0",), b"")]) == compressed


def test_a_changed_block_keeps_the_object_of_its_key() -> None:
    """The keys of a group are shared by the families; with keys of its own, each change would cost memory."""
    before = edited((), [((f"{number:04}",), text_of(70, number)) for number in range(400)])
    (group,) = before
    (after,) = edited(before, [((f"{123:04}",), b"new")])
    assert all(new is old for new, old in zip(after.keys, group.keys, strict=True))
    assert [key for key, text in zip(after.keys, after.texts(), strict=True) if text == b"new"] == [("0123",)]


@settings(deadline=None)
@given(st.lists(edits, min_size=1, max_size=4), st.lists(keys, max_size=40), st.sampled_from(["same keys", "own keys"]))
@example(
    [[(("a", str(number)), 30_000) for number in range(10)]] * 2, [("a", "3"), ("a", "4"), ("z", "z")], "same keys"
)
@example([[(("a", str(number)), 15_000) for number in range(8)]], [("z", "z"), ("a", "0"), ("a", "4")], "same keys")
def test_what_a_removal_leaves_are_the_other_blocks(
    families: Sequence[Sequence[tuple[Key, int]]], removed: Sequence[Key], blocks: str
) -> None:
    removal = Removal()
    for number, puts in enumerate(families):
        model = {key: text_of(size, number) for key, size in (families[0] if blocks == "same keys" else puts) if size}
        before = edited((), [*model.items()])
        # The last one loses other blocks than those that are remembered from the one before.
        gone = dict.fromkeys(removed if number + 1 < len(families) else removed[1:], b"")
        after = finished(removal.steps(before, gone))
        assert_is(after, {key: text for key, text in model.items() if key not in gone})
        assert_is(before, model)
        untouched = [group for group in before if not gone.keys() & set(group.keys)]
        assert [group for group in after if any(group is each for each in before)] == untouched


def test_what_is_left_of_several_groups_shares_one() -> None:
    names: list[Key] = [(f"{number:05}",) for number in range(6000)]
    before = edited((), [(key, text_of(90, number)) for number, key in enumerate(names)])
    gone = dict.fromkeys(Random(1).sample(names, 5000), b"")  # noqa: S311 # always the same
    after = finished(Removal().steps(before, gone))
    assert_is(after, {key: text_of(90, number) for number, key in enumerate(names) if key not in gone})
    assert (len(before), len(after)) == (17, 5)


def test_a_removal_that_leaves_no_block_decompresses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    before = edited((), [((f"{number:04}",), text_of(90, number)) for number in range(1000)])
    monkeypatch.setattr("exporter.exposition.deflate.Piece.text", None)
    assert finished(Removal().steps(before, dict.fromkeys(key for group in before for key in group.keys))) == ()


def test_a_step_of_a_removal_is_short() -> None:
    names: list[Key] = [("company", "org", f"{number:05}") for number in range(10_000)]
    before = edited((), [(key, text_of(2000, 1)) for key in names])
    assert max(step_seconds(Removal().steps(before, dict.fromkeys(names[::2])))) < 0.01
