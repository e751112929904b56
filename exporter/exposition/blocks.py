"""The blocks of one family, compressed. A block is the finished text of one folder's, or target's, samples in it.

Small blocks share one piece, because deflate compresses a few samples badly.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

from exporter.exposition.deflate import Piece
from exporter.runtime.steps import Steps

Key = tuple[str, ...]
"""The labels that a block belongs to: (company, org) or (company, org, folder)."""

_LARGEST_GROUP: Final = 32 * 1024
LARGEST_PENDING: Final = 16 * _LARGEST_GROUP
"""The size in bytes of uncompressed text that is compressed at the latest."""


class BlockGroup(Struct, frozen=True):
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
    editor = BlockEditor(blocks)
    for key in sorted(puts):
        editor.put(key, puts[key])
        yield
    return editor.finish()


class BlockEditor:
    """Makes new `FamilyBlocks` from old ones. Blocks are put in ascending order of keys, and compressed along the way.

    Any other order would mean to begin again with each block, so it is an error.
    """

    def __init__(self, blocks: FamilyBlocks) -> None:
        self._old = list(blocks)
        self._last_keys = [group.keys[-1] for group in blocks]
        self._new: list[BlockGroup] = []
        self._open = 0
        """The index of the old group that the pending blocks belong to."""
        self._pending: dict[Key, bytes] = {}
        self._pending_size = 0
        self.last_key: Key = ()
        """The key of the block that was put last."""

    def put(self, key: Key, text: bytes) -> None:
        """Replace the block of `key`; an empty text removes it. Raises ValueError unless the keys ascend."""
        if key <= self.last_key:
            raise ValueError("blocks must be put in ascending order of their keys")
        self.last_key = key
        # A key behind all others joins the last group. Otherwise blocks put one by one would get a group each.
        index = min(bisect_left(self._last_keys, key, self._open), max(len(self._old) - 1, self._open))
        if index > self._open:
            self._close_group()
            self._new += self._old[self._open : index]
            self._open = index
        self._pending[key] = text
        self._pending_size += len(text)
        if self._pending_size > LARGEST_PENDING:
            self._close_group()

    def finish(self) -> FamilyBlocks:
        """Return the new blocks."""
        self._close_group()
        return (*self._new, *self._old[self._open :])

    def _close_group(self) -> None:
        """Replace the open group, up to the last pending block, by groups with the pending blocks merged in."""
        if not self._pending:
            return
        contents = _Contents()
        if self._open < len(self._old):
            rest = contents.merge(self._old[self._open], self._pending)
            if rest is None:
                self._open += 1
            else:
                self._old[self._open] = rest
        else:
            contents.add(self._pending)
        self._pending = {}
        self._pending_size = 0
        self._new += contents.groups()


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

    def merge(self, group: BlockGroup, puts: Mapping[Key, bytes]) -> BlockGroup | None:
        """Add the blocks of `group` with `puts`, which ascend, in their places.

        Returns a group of what is behind the last put, if those before it are so many that they are worth a group.
        """
        keys, sizes = group.keys, group.sizes
        if len(puts) >= len(keys) and puts.keys() >= set(keys):
            self.add(puts)
            return None
        # The text between two puts stays in one part: to cut it into its blocks would cost more than to compress it.
        text, starts, done = group.piece.text(), [0, *accumulate(sizes)], 0
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
        if done < len(keys) and sum(self._sizes) > LARGEST_PENDING:
            return BlockGroup(keys[done:], sizes[done:], Piece.of(text[starts[done] :]))
        self._take(group, text, starts, done, len(keys))
        return None

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
