"""The finished text of one family, compressed: blocks in the order of their keys, small ones sharing a member."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from exporter.exposition.deflate import Piece

Key = tuple[str, ...]
"""Whose block it is: (company, org), (company, org, folder) and so on."""

_LARGEST_SHARED: Final = 32 * 1024
_LARGEST_PENDING: Final = 16 * _LARGEST_SHARED


class Member(Struct, frozen=True):
    """Blocks that are compressed together, and whose they are; `sizes` are those of their text in bytes."""

    keys: tuple[Key, ...]
    sizes: tuple[int, ...]
    piece: Piece

    def blocks(self) -> Iterator[tuple[Key, bytes]]:
        """Give each block's key and text."""
        text, start = self.piece.text(), 0
        for key, size in zip(self.keys, self.sizes, strict=True):
            yield key, text[start : start + size]
            start += size


Shelf = tuple[Member, ...]
"""The members of a family, by ascending keys; never changed, only replaced."""


class Edit:
    """A new shelf in the making: what is put in ascending order of keys is compressed along the way."""

    def __init__(self, shelf: Shelf) -> None:
        self._start(shelf)

    def _start(self, shelf: Shelf) -> None:
        self._old = shelf
        self._last_keys = [member.keys[-1] for member in shelf]
        self._new: list[Member] = []
        self._open = 0
        self._changes: dict[Key, bytes] = {}
        self._pending_size = 0
        self._cursor: Key = ()

    def put(self, key: Key, text: bytes) -> None:
        """Let `text` be the block of `key`; an empty one takes the block away."""
        if key <= self._cursor:
            self._start(self.finish())
        self._cursor = key
        # A key behind the last one joins the last member, so that single puts do not make a member each.
        index = min(bisect_left(self._last_keys, key, self._open), max(len(self._old) - 1, self._open))
        if index > self._open:
            self._close()
            self._new += self._old[self._open : index]
            self._open = index
        self._changes[key] = text
        self._pending_size += len(text)
        if self._pending_size > _LARGEST_PENDING:
            self._relieve(key)

    def finish(self) -> Shelf:
        """Give the new shelf."""
        self._close()
        return (*self._new, *self._old[self._open :])

    def _relieve(self, key: Key) -> None:
        """Compress what has been put, where it does not stand amid a member that is still to be merged."""
        if self._open == len(self._old) or key > self._last_keys[self._open]:
            self._close()
        elif key < self._old[self._open].keys[0]:
            self._make({})

    def _close(self) -> None:
        """Make the members that take the place of the open one."""
        if not self._changes:
            return
        blocks: dict[Key, bytes] = {}
        if self._open < len(self._old):
            member = self._old[self._open]
            self._open += 1
            if not self._changes.keys() >= set(member.keys):
                blocks.update(member.blocks())
        self._make(blocks)

    def _make(self, blocks: dict[Key, bytes]) -> None:
        blocks |= self._changes
        self._changes = {}
        self._pending_size = 0
        self._new += _members({key: text for key, text in sorted(blocks.items()) if text})


def _members(blocks: Mapping[Key, bytes]) -> Iterator[Member]:
    """Share the blocks out among members of about the same size, none larger than allowed unless by one block alone."""
    total = sum(map(len, blocks.values()))
    enough = total / max(1, -(-total // _LARGEST_SHARED))
    keys: list[Key] = []
    texts: list[bytes] = []
    size = 0
    for key, text in blocks.items():
        if texts and size + len(text) > _LARGEST_SHARED:
            yield _member(keys, texts)
            keys, texts, size = [], [], 0
        keys.append(key)
        texts.append(text)
        size += len(text)
        if size >= enough:
            yield _member(keys, texts)
            keys, texts, size = [], [], 0
    if texts:
        yield _member(keys, texts)


def _member(keys: list[Key], texts: list[bytes]) -> Member:
    return Member(tuple(keys), tuple(map(len, texts)), Piece.of(b"".join(texts)))
