"""Text that is compressed once, in pieces which make one gzip stream with whatever others stand before and after them.

A gzip member for each (RFC 1952, section 2.2) would do for Prometheus, but curl and browsers read the first one only.
"""

import struct
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Final, Self

from isal import isal_zlib
from msgspec import Struct

_LEVEL: Final = 2
_RAW: Final = -15
"""zlib's number for a stream of deflate blocks (`wbits`), without what gzip puts around it."""

GZIP_HEAD: Final = bytes([0x1F, 0x8B, isal_zlib.DEFLATED, 0, 0, 0, 0, 0, 0, 255])
"""What a gzip stream begins with (RFC 1952, section 2.3): no name, no time, no word about the machine."""

_LAST_BLOCK: Final = b"\x03\x00"
_END: Final = struct.Struct("<2sII")
GZIP_END_SIZE: Final = _END.size


class Piece(Struct, frozen=True):
    """A text compressed: deflate blocks (RFC 1951) that end at a byte, none the last; its size in bytes, its CRC-32."""

    data: bytes
    size: int
    crc: int

    @classmethod
    def of(cls, text: bytes) -> Self:
        """Compress a text."""
        packing = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
        data = packing.compress(text) + packing.flush(isal_zlib.Z_SYNC_FLUSH)
        return cls(data, len(text), isal_zlib.crc32(text))

    def text(self) -> bytes:
        """Give the text."""
        return isal_zlib.decompressobj(wbits=_RAW).decompress(self.data)

    def texts(self, most: int) -> Iterator[bytes]:
        """Give the text in parts of at most `most` bytes."""
        unpacking = isal_zlib.decompressobj(wbits=_RAW)
        packed, left = self.data, self.size
        while left:
            part = unpacking.decompress(packed, most)
            packed = unpacking.unconsumed_tail
            left -= len(part)
            yield part


def checksum(pieces: Iterable[Piece], before: int = 0) -> int:
    """Give the CRC-32 of the pieces' texts one after the other; `before` is that of what stands before them."""
    combine = isal_zlib.crc32_combine
    return reduce(lambda crc, piece: combine(crc, piece.crc, piece.size), pieces, before)


def gzip_end(crc: int, size: int) -> bytes:
    """Give the GZIP_END_SIZE bytes that a gzip stream ends with; CRC-32 and size, in bytes, are those of its text."""
    return _END.pack(_LAST_BLOCK, crc, size % 2**32)
