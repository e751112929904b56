"""What is published: the blocks of each family, and from them one page for each format."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from exporter.exposition.blocks import BlockEditor, FamilyBlocks, Key
from exporter.exposition.deflate import GZIP_END_SIZE, GZIP_HEAD, Piece, checksum, gzip_end
from exporter.exposition.families import FAMILIES, Family
from exporter.exposition.text_format import Format, header

_Value = TypeVar("_Value")

_CHUNK_SIZE: Final = 128 * 1024

_BlocksId = tuple[str, Format | None]
"""A family's name and the format that its blocks are for; None if both formats share them."""


class Page(Struct, frozen=True, dict=True):
    """A page in one format; the sizes in bytes are those of all pieces, compressed and as text."""

    pieces: tuple[Piece, ...] = ()
    data_size: int = 0
    text_size: int = 0

    @cached_property
    def _crc(self) -> int:
        # Computed by the first scrape: most pages are replaced before anyone scrapes them.
        return checksum(self.pieces)

    def gzip(self, more: bytes = b"") -> tuple[int, Iterator[bytes]]:
        """Return size and bytes of one gzip member with the page and the text `more` after it."""
        last = Piece.of(more)
        end = gzip_end(checksum([last], self._crc), self.text_size + last.size)
        parts = chain([GZIP_HEAD], (piece.data for piece in self.pieces), [last.data, end])
        return len(GZIP_HEAD) + self.data_size + len(last.data) + GZIP_END_SIZE, _chunks(parts)

    def text(self, more: bytes = b"") -> tuple[int, Iterator[bytes]]:
        """Return the same as text. It is decompressed piece by piece, so it is never in memory as a whole."""
        texts = (text for piece in self.pieces for text in piece.texts(_CHUNK_SIZE))
        return self.text_size + len(more), _chunks(chain(texts, [more]))


def _chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Join small parts and cut large ones, so that a slow reader holds up one chunk, not a whole large folder."""
    chunk: list[bytes] = []
    size = 0
    for part in parts:
        for start in range(0, len(part), _CHUNK_SIZE):
            piece = part[start : start + _CHUNK_SIZE]
            chunk.append(piece)
            size += len(piece)
            if size >= _CHUNK_SIZE:
                yield b"".join(chunk)
                chunk, size = [], 0
    yield b"".join(chunk)


class Store:
    """Holds the published pages. `pages` is replaced as a whole, by `Draft.publish`."""

    def __init__(self) -> None:
        self._headers = {(family, form): Piece.of(header(family, form)) for family in FAMILIES for form in Format}
        self.blocks: dict[_BlocksId, FamilyBlocks] = {}
        self.pages: Mapping[Format, Page] = {form: Page() for form in Format}

    def draft(self) -> "Draft":
        """Begin a change of what is published now. Only one draft may be open at a time."""
        return Draft(self)

    def replace(self, blocks: Mapping[_BlocksId, FamilyBlocks]) -> None:
        """Publish new blocks for some families."""
        self.blocks = {**self.blocks, **blocks}
        self.pages = {form: self._page(form) for form in Format}

    def _page(self, form: Format) -> Page:
        pieces: list[Piece] = []
        for family in FAMILIES:
            blocks = self.blocks.get((family.name, form if family.created else None))
            if blocks:
                pieces.append(self._headers[family, form])
                pieces += [group.piece for group in blocks]
        return Page(tuple(pieces), sum(len(piece.data) for piece in pieces), sum(piece.size for piece in pieces))


class Publisher(Protocol[_Value]):
    """An object that remembers, as one immutable value, what it has published."""

    published: _Value


class Draft:
    """The next page: changed blocks, and the values of publishers that are replaced together with the page.

    A draft that is dropped has changed nothing, so there is nothing to undo.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._editors: dict[_BlocksId, BlockEditor] = {}
        self._values: dict[Any, Any] = {}

    def latest(self, publisher: Publisher[_Value]) -> _Value:
        """Return the publisher's value as this draft has left it so far."""
        value: _Value = self._values.get(publisher, publisher.published)
        return value

    def replace(self, publisher: Publisher[_Value], value: _Value) -> None:
        """Replace the publisher's value when this draft is published."""
        self._values[publisher] = value

    def put(self, family: Family, key: Key, text: str, openmetrics: str = "") -> None:
        """Replace the block of `key` in a family; an empty text removes it.

        `openmetrics` is the block's text in OpenMetrics, for a `created` family only: other families share one text.
        """
        if family.created:
            self._put((family.name, Format.TEXT), key, text)
            self._put((family.name, Format.OPENMETRICS), key, openmetrics)
        else:
            self._put((family.name, None), key, text)

    def _put(self, blocks_id: _BlocksId, key: Key, text: str) -> None:
        editor = self._editors.get(blocks_id)
        if editor is None:
            editor = self._editors[blocks_id] = BlockEditor(self._store.blocks.get(blocks_id, ()))
        editor.put(key, text.encode())

    def publish(self) -> None:
        """Replace the pages, then the values."""
        self._store.replace({blocks_id: editor.finish() for blocks_id, editor in self._editors.items()})
        for publisher, value in self._values.items():
            publisher.published = value
