"""Compressed bodies: each is decompressed as zlib does it at once, or rejected.

The first byte of an input chooses the encoding and the limit, the second the size of the pieces that arrive.
"""

import asyncio
import zlib
from types import SimpleNamespace
from typing import Any, Final

from exporter.errors import BodyError
from exporter.vspark.body import read_body

WORDS: Final = ("\x1f", "\x08", "\x00\x00")
_ENCODINGS: Final = ("gzip", "deflate", "x-gzip", "", "identity", "br")
_LIMITS: Final = (1, 1000, 2**20)


def check(data: bytes) -> None:
    """Decompress the body as it arrives from the network, in pieces and at once."""
    if len(data) < 2:
        return
    encoding, limit_bytes = _ENCODINGS[data[0] % len(_ENCODINGS)], _LIMITS[data[0] // len(_ENCODINGS) % len(_LIMITS)]
    packed = data[2:]
    size = data[1] + 1
    found = _unpacked(encoding, limit_bytes, [packed[start : start + size] for start in range(0, len(packed), size)])
    at_once = _unpacked(encoding, limit_bytes, [packed])
    # A body that is both damaged and too large may be rejected for either.
    assert found == at_once or (isinstance(found, str) and isinstance(at_once, str)), (found, at_once)
    if isinstance(found, bytes):
        assert len(found) <= limit_bytes
        assert found == _by_zlib(encoding, packed)
    elif found == "bad_encoding":
        assert _by_zlib(encoding, packed) is None
    else:
        assert found == "too_large"


class _Pieces:
    """A body like one of aiohttp."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)

    def iter_any(self) -> "_Pieces":
        return self

    def __aiter__(self) -> "_Pieces":
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def _unpacked(encoding: str, limit_bytes: int, pieces: list[bytes]) -> bytes | str:
    response: Any = SimpleNamespace(
        headers={"Content-Encoding": encoding}, content_length=None, content=_Pieces(pieces)
    )
    try:
        return _loop.run_until_complete(read_body(response, limit_bytes))
    except BodyError as error:
        return error.reason


_loop: Final = asyncio.new_event_loop()


def _by_zlib(encoding: str, packed: bytes) -> bytes | None:
    """Decompress at once; return None if the body is damaged or truncated."""
    try:
        match encoding:
            case "" | "identity":
                return packed
            case "gzip" | "x-gzip":
                return _members(packed)
            case "deflate" if not packed:
                return b""
            case "deflate":
                stream = zlib.decompressobj(zlib.MAX_WBITS if packed[0] & 15 == zlib.DEFLATED else -zlib.MAX_WBITS)
                text = stream.decompress(packed)
                return text if stream.eof and not stream.unused_data else None
            case _:
                return None
    except zlib.error:
        return None


def _members(packed: bytes) -> bytes | None:
    """Decompress the gzip members one by one, as gzip.decompress ignores zeros behind them, which no RFC allows."""
    text = b""
    while packed:
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        text += stream.decompress(packed)
        if not stream.eof:
            return None
        packed = stream.unused_data
    return text
