import zlib

import pytest

from exporter.exposition.deflate import Piece
from exporter.exposition.page import Page


def page_of(*texts: bytes) -> Page:
    pieces = tuple(map(Piece.of, texts))
    return Page(pieces, sum(len(piece.data) for piece in pieces), sum(map(len, texts)))


TEXTS = [b"".join(b"%d %d\n" % (number, line) for line in range(1500)) for number in range(200)]


@pytest.mark.parametrize("texts", [[], [b"a\n"], TEXTS], ids=["empty", "small", "large"])
@pytest.mark.parametrize("more", [b"", b"more\n"])
def test_both_forms_of_a_page(texts: list[bytes], more: bytes) -> None:
    page, expected = page_of(*texts), b"".join([*texts, more])
    for _ in range(2):  # what the first scrape has computed serves the second
        size, chunks = page.gzip(more)
        packed = b"".join(chunks)
        assert (len(packed), zlib.decompress(packed, wbits=31)) == (size, expected)
        size, chunks = page.text(more)
        text = b"".join(chunks)
        assert (size, text) == (len(expected), expected)


def test_chunks_are_worth_a_system_call_and_not_the_whole_page() -> None:
    page = page_of(*10 * TEXTS)
    for chunk, (size, chunks) in ((128 * 1024, page.text(b"more")), (512 * 1024, page.gzip(b"more"))):
        *chunk_sizes, last = map(len, chunks)
        assert sum([*chunk_sizes, last]) == size > 2 * chunk
        assert all(chunk <= each < chunk + chunk // 4 for each in chunk_sizes)
        assert last < chunk


def test_the_compressed_page_is_joined_once_and_only_if_it_is_scraped() -> None:
    page = page_of(*10 * TEXTS)
    assert "_packed" not in vars(page)
    first, *_ = page.gzip(b"1")[1]
    joined = vars(page)["_packed"]
    second, *_ = page.gzip(b"2")[1]
    assert vars(page)["_packed"] is joined
    assert first == second == joined[: len(first)]


def test_the_chunks_of_a_large_compressed_page_are_views_of_it() -> None:
    page = page_of(*10 * TEXTS)
    *chunks, last = page.gzip(b"more")[1]
    packed = vars(page)["_packed"]
    assert chunks
    assert all(isinstance(each, memoryview) and each.obj is packed for each in chunks)
    assert isinstance(last, bytes)
