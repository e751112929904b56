"""What is published now: a shelf of blocks for each family, and a page for each format, replaced whole."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import Final

from msgspec import Struct

from exporter.exposition.blocks import Edit, Key, Shelf
from exporter.exposition.deflate import GZIP_END_SIZE, GZIP_HEAD, Piece, checksum, gzip_end
from exporter.exposition.families import FAMILIES, Family
from exporter.exposition.text_format import Format, header

_WRITTEN_AT_ONCE: Final = 128 * 1024

_Slot = tuple[str, Format | None]
"""A family's name, and the format that has a text of its own; None: the formats share it."""


class Page(Struct, frozen=True, dict=True):
    """A page in one format, compressed; the sizes in bytes are those of the data and of the text of all pieces."""

    pieces: tuple[Piece, ...] = ()
    data_size: int = 0
    text_size: int = 0

    @cached_property
    def _crc(self) -> int:
        # At the first scrape that wants it: more pages are published than scraped.
        return checksum(self.pieces)

    def gzip(self, more: bytes = b"") -> tuple[int, Iterator[bytes]]:
        """Give the size of the page, and then `more`, as one gzip member, and its bytes, many at a time."""
        last = Piece.of(more)
        end = gzip_end(checksum([last], self._crc), self.text_size + last.size)
        parts = chain([GZIP_HEAD], (piece.data for piece in self.pieces), [last.data, end])
        return len(GZIP_HEAD) + self.data_size + len(last.data) + GZIP_END_SIZE, _chunks(parts)

    def text(self, more: bytes = b"") -> tuple[int, Iterator[bytes]]:
        """Give the same as text, unpacked along the way, so that it never stands in memory whole."""
        texts = (text for piece in self.pieces for text in piece.texts(_WRITTEN_AT_ONCE))
        return self.text_size + len(more), _chunks(chain(texts, [more]))


def _chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Join what is small and cut what is large: a slow reader keeps one piece waiting, whatever a folder's size."""
    chunk: list[bytes] = []
    size = 0
    for part in parts:
        for start in range(0, len(part), _WRITTEN_AT_ONCE):
            piece = part[start : start + _WRITTEN_AT_ONCE]
            chunk.append(piece)
            size += len(piece)
            if size >= _WRITTEN_AT_ONCE:
                yield b"".join(chunk)
                chunk, size = [], 0
    yield b"".join(chunk)


class Store:
    """Holds what is published; `pages` is one reference that is replaced whole by `Draft.publish`."""

    def __init__(self) -> None:
        self._headers = {(family, form): Piece.of(header(family, form)) for family in FAMILIES for form in Format}
        self.shelves: dict[_Slot, Shelf] = {}
        self.pages: Mapping[Format, Page] = {form: Page() for form in Format}

    def draft(self) -> "Draft":
        """Begin a change. One draft at a time: it starts from what is published now."""
        return Draft(self)

    def replace(self, shelves: Mapping[_Slot, Shelf]) -> None:
        """Publish new shelves for some families."""
        self.shelves = {**self.shelves, **shelves}
        self.pages = {form: self._page(form) for form in Format}

    def _page(self, form: Format) -> Page:
        pieces: list[Piece] = []
        for family in FAMILIES:
            shelf = self.shelves.get((family.name, form if family.created else None))
            if shelf:
                pieces.append(self._headers[family, form])
                pieces += [member.piece for member in shelf]
        return Page(tuple(pieces), sum(len(piece.data) for piece in pieces), sum(piece.size for piece in pieces))


class Draft:
    """Changes to what is published, which nobody sees before `publish`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._edits: dict[_Slot, Edit] = {}

    def put(self, family: Family, key: Key, text: str, openmetrics: str = "") -> None:
        """Let `text` be the block of `key` in a family, nothing where it is empty.

        `openmetrics` is that format's text, for a family that is `created` and so has one of its own.
        """
        if family.created:
            self._put((family.name, Format.TEXT), key, text)
            self._put((family.name, Format.OPENMETRICS), key, openmetrics)
        else:
            self._put((family.name, None), key, text)

    def _put(self, slot: _Slot, key: Key, text: str) -> None:
        edit = self._edits.get(slot)
        if edit is None:
            edit = self._edits[slot] = Edit(self._store.shelves.get(slot, ()))
        edit.put(key, text.encode())

    def publish(self) -> None:
        """Let everybody see the changes, all at once."""
        self._store.replace({slot: edit.finish() for slot, edit in self._edits.items()})
