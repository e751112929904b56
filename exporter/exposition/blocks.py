"""The blocks of one family, compressed. A block is the finished text of one folder's, or target's, samples in it.

Small blocks share one piece, because deflate compresses a few samples badly.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from itertools import accumulate, chain, compress
from operator import not_
from typing import Final

from msgspec import Struct

from exporter.exposition.deflate import Piece
from exporter.runtime.steps import Steps

Key = tuple[str, ...]
"""The labels that a block belongs to: (company, org) or (company, org, folder)."""

_LARGEST_GROUP: Final = 32 * 1024
_LARGEST_RUN: Final = 8 * _LARGEST_GROUP
"""The size in bytes of groups that are changed together, which takes about a millisecond."""
_BLOCKS_PER_SEARCH: Final = 8
"""How many blocks are looked at in the time in which one is searched for and cut out."""
LARGEST_TEXT: Final = 16 * _LARGEST_GROUP
"""The size in bytes from which on text that waits to be merged should be, because it takes much memory."""


class BlockGroup(Struct, frozen=True, gc=False):
    """Blocks with adjacent keys, compressed together; `sizes` are the sizes of their texts in bytes."""

    keys: tuple[Key, ...]
    sizes: tuple[int, ...]
    piece: Piece

    def texts(self) -> Iterator[bytes]:
        """Yield the text of each block, in the order of the keys."""
        return map(BytesIO(self.piece.text()).read, self.sizes)


FamilyBlocks = tuple[BlockGroup, ...]
"""All blocks of a family, in ascending order of their keys."""


def merged(blocks: FamilyBlocks, puts: Mapping[Key, bytes]) -> Steps[FamilyBlocks]:
    """Return the blocks with those of `puts`, in whatever order, in their places; an empty text removes a block."""
    last_keys = [group.keys[-1] for group in blocks]
    keys = sorted(puts)  # each group is taken apart at most once
    new: list[BlockGroup] = []
    kept = begin = 0
    while begin < len(keys):
        # A key behind all others joins the last group. Otherwise blocks put one by one would get a group each.
        index = min(bisect_left(last_keys, keys[begin], kept), max(len(blocks) - 1, 0))
        end = len(keys) if index + 1 >= len(blocks) else bisect_right(keys, last_keys[index], begin)
        new += blocks[kept:index]
        contents, some = _Contents(), {key: puts[key] for key in keys[begin:end]}
        if blocks:
            contents.merge(blocks[index], some)
        else:
            contents.add(some)
        yield from contents.compressed(new)
        kept, begin = index + 1, end
    return (*new, *blocks[kept:])


class _Contents:
    """The blocks of a group, or of several, before they are compressed."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._sizes: list[int] = []
        self._texts: list[bytes] = []

    def add(self, blocks: Mapping[Key, bytes]) -> None:
        """Add blocks, except those without text."""
        for key, text in blocks.items():
            if text:
                self._keys.append(key)
                self._sizes.append(len(text))
                self._texts.append(text)

    def add_remaining(self, group: BlockGroup, remains: Sequence[bool]) -> None:
        """Add those blocks of `group` that remain."""
        self._keys += compress(group.keys, remains)
        self._sizes += compress(group.sizes, remains)
        self._texts += compress(group.texts(), remains)

    def merge(self, group: BlockGroup, puts: Mapping[Key, bytes]) -> None:
        """Add the blocks of `group` with `puts`, which ascend, in their places."""
        keys, sizes, done = group.keys, group.sizes, 0
        if len(puts) >= len(keys) and puts.keys() >= set(keys):
            self.add(puts)
            return
        # The text between two puts stays in one part: to cut it into its blocks would cost more than to compress it.
        text, starts = group.piece.text(), [0, *accumulate(sizes)]
        for key, put in puts.items():
            index = bisect_left(keys, key, done)
            if done < index:
                self._keys += keys[done:index]
                self._sizes += sizes[done:index]
                self._texts.append(text[starts[done] : starts[index]])
            done = index
            if index < len(keys) and keys[index] == key:
                key, done = keys[index], index + 1  # noqa: PLW2901 # an equal object, which other blocks share
            if put:
                self._keys.append(key)
                self._sizes.append(len(put))
                self._texts.append(put)
        self._keys += keys[done:]
        self._sizes += sizes[done:]
        self._texts.append(text[starts[done] :])

    def compressed(self, groups: list[BlockGroup]) -> Steps[None]:
        """Append the blocks to `groups`, in groups of about the same size; only a single block may exceed the limit."""
        text, ends = b"".join(self._texts), [*accumulate(self._sizes)]
        enough = len(text) / max(1, -(-len(text) // _LARGEST_GROUP))
        first = begun = 0
        while first < len(ends):
            last = min(bisect_left(ends, begun + enough, first), len(ends) - 1)
            if last > first and ends[last] - begun > _LARGEST_GROUP:
                last -= 1
            end, after = ends[last], last + 1
            piece = Piece.of(text[begun:end])
            groups.append(BlockGroup(tuple(self._keys[first:after]), tuple(self._sizes[first:after]), piece))
            yield
            first, begun = after, end


class Removal:
    """Removes blocks from one family after another. That pays for many blocks only, because it checks every key.

    Most families have blocks of the same keys, so which ones remain is remembered from one family to the next.
    """

    def __init__(self) -> None:
        self._removed: list[Key] = []
        self._known: list[Key] = []
        self._remains: list[bool] = []

    @staticmethod
    def pays(blocks: FamilyBlocks, number: int) -> bool:
        """Return whether so many blocks are removed that it is cheaper to look at each than to search for these."""
        return number * _BLOCKS_PER_SEARCH >= sum([len(group.keys) for group in blocks])

    def steps(self, blocks: FamilyBlocks, removed: Mapping[Key, object]) -> Steps[FamilyBlocks]:
        """Return the blocks without those of the keys in `removed`."""
        remains = self._look_up([*chain.from_iterable([group.keys for group in blocks])], removed)
        new: list[BlockGroup] = []
        contents, size, begin = _Contents(), 0, 0
        for group in blocks:
            end = begin + len(group.keys)
            some, begin = remains[begin:end], end
            if size and (size + group.piece.size > _LARGEST_RUN or all(some)):
                yield from contents.compressed(new)
                contents, size = _Contents(), 0
            if all(some):
                new.append(group)
            elif any(some):
                contents.add_remaining(group, some)
                size += group.piece.size
        yield from contents.compressed(new)
        return tuple(new)

    def _look_up(self, known: list[Key], removed: Mapping[Key, object]) -> list[bool]:
        """Return for each key whether its block remains."""
        keys = [*removed]
        if known != self._known or keys != self._removed:
            self._known, self._removed = known, keys
            self._remains = [*map(not_, map(removed.__contains__, known))]
        return self._remains
