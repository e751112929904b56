"""The blocks of one family, compressed. A block is the finished text of one folder's, or target's, samples in it.

Small blocks share one piece, because deflate compresses a few samples badly.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from exporter.exposition.deflate import Piece

Key = tuple[str, ...]
"""The labels that a block belongs to: (company, org) or (company, org, folder)."""

_LARGEST_GROUP: Final = 32 * 1024
_LARGEST_PENDING: Final = 16 * _LARGEST_GROUP


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


class BlockEditor:
    """Makes new `FamilyBlocks` from old ones. Compresses as it goes if blocks are put in ascending order of keys."""

    def __init__(self, blocks: FamilyBlocks) -> None:
        self._start(blocks)

    def _start(self, blocks: FamilyBlocks) -> None:
        self._old = blocks
        self._last_keys = [group.keys[-1] for group in blocks]
        self._new: list[BlockGroup] = []
        self._open = 0
        """The index of the old group that the pending blocks belong to."""
        self._pending: dict[Key, bytes] = {}
        self._pending_size = 0

    def put(self, key: Key, text: bytes) -> None:
        """Replace the block of `key`; an empty text removes it."""
        if self._new and key <= self._new[-1].keys[-1]:
            self._start(self.finish())
        # A key behind all others joins the last group. Otherwise blocks put one by one would get a group each.
        index = min(bisect_left(self._last_keys, key, self._open), max(len(self._old) - 1, self._open))
        if index > self._open:
            self._close_group()
            self._new += self._old[self._open : index]
            self._open = index
        self._pending[key] = text
        self._pending_size += len(text)
        if self._pending_size > _LARGEST_PENDING:
            self._close_group()

    def finish(self) -> FamilyBlocks:
        """Return the new blocks."""
        self._close_group()
        return (*self._new, *self._old[self._open :])

    def _close_group(self) -> None:
        """Replace the open group by groups with the pending blocks merged in."""
        if not self._pending:
            return
        blocks: dict[Key, bytes] = {}
        if self._open < len(self._old):
            group = self._old[self._open]
            self._open += 1
            if not self._pending.keys() >= set(group.keys):
                blocks.update(group.blocks())
        blocks |= self._pending
        self._pending = {}
        self._pending_size = 0
        self._new += _groups({key: text for key, text in sorted(blocks.items()) if text})


def _groups(blocks: Mapping[Key, bytes]) -> Iterator[BlockGroup]:
    """Divide the blocks into groups of about the same size; only a single block may exceed the limit."""
    total = sum(map(len, blocks.values()))
    enough = total / max(1, -(-total // _LARGEST_GROUP))
    keys: list[Key] = []
    texts: list[bytes] = []
    size = 0
    for key, text in blocks.items():
        if texts and size + len(text) > _LARGEST_GROUP:
            yield _group(keys, texts)
            keys, texts, size = [], [], 0
        keys.append(key)
        texts.append(text)
        size += len(text)
        if size >= enough:
            yield _group(keys, texts)
            keys, texts, size = [], [], 0
    if texts:
        yield _group(keys, texts)


def _group(keys: list[Key], texts: list[bytes]) -> BlockGroup:
    return BlockGroup(tuple(keys), tuple(map(len, texts)), Piece.of(b"".join(texts)))
