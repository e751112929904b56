"""Pieces of text that are compressed once and joined to one gzip stream."""

import zlib
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.deflate import GZIP_END_SIZE, GZIP_HEAD, Piece, checksum, gzip_end


@given(texts=st.lists(st.binary(max_size=2000), max_size=5), split=st.integers(0, 5))
def test_pieces_are_one_gzip_member_and_nothing_more(texts: Sequence[bytes], split: int) -> None:
    pieces = [Piece.of(text) for text in texts]
    assert [piece.text() for piece in pieces] == texts
    assert [piece.size for piece in pieces] == list(map(len, texts))
    crc = checksum(pieces[split:], checksum(pieces[:split]))
    assert crc == checksum(pieces) == zlib.crc32(b"".join(texts))
    end = gzip_end(crc, sum(map(len, texts)))
    assert len(end) == GZIP_END_SIZE
    unpacking = zlib.decompressobj(wbits=31)
    assert unpacking.decompress(GZIP_HEAD + b"".join(piece.data for piece in pieces) + end) == b"".join(texts)
    assert (unpacking.eof, unpacking.unused_data) == (True, b"")


def test_the_size_of_more_than_four_gigabytes_is_told_by_its_lower_half() -> None:
    assert gzip_end(1, 2**32 + 7) == b"\x03\x00" + b"\x01\x00\x00\x00" + b"\x07\x00\x00\x00"


def test_the_same_text_is_the_same_piece() -> None:
    assert Piece.of(b"x 1\n") == Piece.of(b"x 1\n")


@given(text=st.binary(max_size=5000), repeated=st.integers(1, 300), size=st.integers(1, 100_000))
def test_a_piece_is_unpacked_in_parts(text: bytes, repeated: int, size: int) -> None:
    parts = list(Piece.of(text * repeated).texts(size))
    assert b"".join(parts) == text * repeated
    assert all(0 < len(part) <= size for part in parts)
