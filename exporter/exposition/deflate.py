"""Pieces of text, each compressed once, that can be joined in any order to one gzip stream.

A gzip member for each piece (RFC 1952, section 2.2) would do for Prometheus, but curl and browsers read only the first.
"""

import struct
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Final, Self

from isal import isal_zlib
from msgspec import Struct

_LEVEL: Final = 2
_RAW: Final = -15
"""zlib's `wbits` for a bare deflate stream, without the header and trailer of gzip."""

GZIP_HEAD: Final = bytes([0x1F, 0x8B, isal_zlib.DEFLATED, 0, 0, 0, 0, 0, 0, 255])
"""The header of a gzip stream (RFC 1952, section 2.3), without file name, time and operating system."""

_LAST_BLOCK: Final = b"\x03\x00"
_END: Final = struct.Struct("<2sII")
GZIP_END_SIZE: Final = _END.size


class Piece(Struct, frozen=True, gc=False):
    """A compressed text: deflate blocks (RFC 1951) that end at a byte boundary, none of them marked as the last.

    `size` is the size of the text in bytes, `crc` its CRC-32.
    """

    data: bytes
    size: int
    crc: int

    @classmethod
    def of(cls, text: bytes) -> Self:
        """Return a text compressed."""
        packing = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
        data = packing.compress(text) + packing.flush(isal_zlib.Z_SYNC_FLUSH)
        return cls(data, len(text), isal_zlib.crc32(text))

    def text(self) -> bytes:
        """Return the text."""
        return isal_zlib.decompressobj(wbits=_RAW).decompress(self.data)

    def texts(self, most: int) -> Iterator[bytes]:
        """Yield the text in parts of at most `most` bytes."""
        unpacking = isal_zlib.decompressobj(wbits=_RAW)
        packed, left = self.data, self.size
        while left:
            part = unpacking.decompress(packed, most)
            packed = unpacking.unconsumed_tail
            left -= len(part)
            yield part


def checksum(pieces: Iterable[Piece], before: int = 0) -> int:
    """Return the CRC-32 of the pieces' joined texts; `before` is the CRC-32 of the text before them."""
    combine = isal_zlib.crc32_combine
    return reduce(lambda crc, piece: combine(crc, piece.crc, piece.size), pieces, before)


def gzip_end(crc: int, size: int) -> bytes:
    """Return the trailer of a gzip stream whose text has this CRC-32 and this size in bytes."""
    return _END.pack(_LAST_BLOCK, crc, size % 2**32)
