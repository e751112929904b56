"""A page: what a scrape returns in one format, as compressed pieces."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Final

from msgspec import Struct

from exporter.exposition.deflate import GZIP_END_SIZE, GZIP_HEAD, Piece, checksum, gzip_end

_TEXT_CHUNK_SIZE: Final = 128 * 1024
_GZIP_CHUNK_SIZE: Final = 512 * 1024
"""Larger: it is in memory already, and each system call wakes up the reader."""

Buffer = bytes | memoryview


class Page(Struct, frozen=True, dict=True):
    """A page in one format; the sizes in bytes are those of all pieces, compressed and as text."""

    pieces: tuple[Piece, ...] = ()
    data_size: int = 0
    text_size: int = 0

    # The first scrape computes both: most pages are replaced before anyone scrapes them.
    @cached_property
    def _crc(self) -> int:
        return checksum(self.pieces)

    @cached_property
    def _packed(self) -> bytes:
        """The compressed pieces behind the header of a gzip stream."""
        return b"".join([GZIP_HEAD, *(piece.data for piece in self.pieces)])

    def gzip(self, more: bytes = b"") -> tuple[int, Iterator[Buffer]]:
        """Return size and bytes of one gzip member with the page and the text `more` after it."""
        last = Piece.of(more)
        end = gzip_end(checksum([last], self._crc), self.text_size + last.size)
        size = len(GZIP_HEAD) + self.data_size + len(last.data) + GZIP_END_SIZE
        return size, _chunks([self._packed, last.data, end], _GZIP_CHUNK_SIZE)

    def text(self, more: bytes = b"") -> tuple[int, Iterator[Buffer]]:
        """Return the same as text. It is decompressed piece by piece, so it is never in memory as a whole."""
        texts = (text for piece in self.pieces for text in piece.texts(_TEXT_CHUNK_SIZE))
        return self.text_size + len(more), _chunks(chain(texts, [more]), _TEXT_CHUNK_SIZE)


def _chunks(parts: Iterable[bytes], most: int) -> Iterator[Buffer]:
    """Join small parts and cut large ones, so that a slow reader holds up one chunk, not a whole large folder.

    A chunk that is a part of a part is not copied.
    """
    chunk: list[Buffer] = []
    size = 0
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), most):
            piece = view[start : start + most]
            chunk.append(piece)
            size += len(piece)
            if size >= most:
                yield piece if len(chunk) == 1 else b"".join(chunk)
                chunk, size = [], 0
    yield b"".join(chunk)
