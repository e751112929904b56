"""The blocks of one family, compressed. A block is the finished text of one folder's, or target's, samples in it.

Small blocks share one piece, because deflate compresses a few samples badly.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

from exporter.exposition.deflate import Piece
from exporter.runtime.steps import Steps

Key = tuple[str, ...]
"""The labels that a block belongs to: (company, org) or (company, org, folder)."""

_LARGEST_GROUP: Final = 32 * 1024
LARGEST_TEXT: Final = 16 * _LARGEST_GROUP
"""The size in bytes from which on text that waits to be merged should be, because it takes much memory."""


class BlockGroup(Struct, frozen=True, gc=False):
    """Blocks with adjacent keys, compressed together; `sizes` are the sizes of their texts in bytes."""

    keys: tuple[Key, ...]
    sizes: tuple[int, ...]
    piece: Piece

    def blocks(self) -> Iterator[tuple[Key, bytes]]:
        """Yield each block's key and text."""
        text, start = self.piece.text(), 0
        for key, size in zip(self.keys, self.sizes, strict=True):
            yield key, text[start : start + size]
            start += size


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
        contents, some = _Contents(), {key: puts[key] for key in keys[begin:end]}
        if blocks:
            new += blocks[kept:index]
            contents.merge(blocks[index], some)
        else:
            contents.add(some)
        for group in contents.groups():
            new.append(group)
            yield
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

    def merge(self, group: BlockGroup, puts: Mapping[Key, bytes]) -> None:
        """Add the blocks of `group` with `puts`, which ascend, in their places."""
        keys, done = group.keys, 0
        if len(puts) >= len(keys) and puts.keys() >= set(keys):
            self.add(puts)
            return
        # The text between two puts stays in one part: to cut it into its blocks would cost more than to compress it.
        text, starts = group.piece.text(), [0, *accumulate(group.sizes)]
        for key, put in puts.items():
            index = bisect_left(keys, key, done)
            self._take(group, text, starts, done, index)
            done = index
            if index < len(keys) and keys[index] == key:
                key, done = keys[index], index + 1  # noqa: PLW2901 # an equal object, which other blocks share
            if put:
                self._keys.append(key)
                self._sizes.append(len(put))
                self._texts.append(put)
        self._take(group, text, starts, done, len(keys))

    def _take(self, group: BlockGroup, text: bytes, starts: Sequence[int], begin: int, end: int) -> None:
        """Add a part of the group's blocks as they are."""
        if begin < end:
            self._keys += group.keys[begin:end]
            self._sizes += group.sizes[begin:end]
            self._texts.append(text[starts[begin] : starts[end]])

    def groups(self) -> Iterator[BlockGroup]:
        """Divide the blocks into groups of about the same size; only a single block may exceed the limit."""
        text, total = b"".join(self._texts), sum(self._sizes)
        enough = total / max(1, -(-total // _LARGEST_GROUP))
        first = begun = end = 0
        for index, size in enumerate(self._sizes):
            if first < index and end - begun + size > _LARGEST_GROUP:
                yield self._group(text, first, index, begun, end)
                first, begun = index, end
            end += size
            if end - begun >= enough:
                yield self._group(text, first, index + 1, begun, end)
                first, begun = index + 1, end
        if begun < end:
            yield self._group(text, first, len(self._keys), begun, end)

    def _group(self, text: bytes, first: int, last: int, begin: int, end: int) -> BlockGroup:
        return BlockGroup(tuple(self._keys[first:last]), tuple(self._sizes[first:last]), Piece.of(text[begin:end]))
