"""Reading a response's body within a size limit that holds after decompression."""

import asyncio
import zlib
from collections.abc import Iterator

import aiohttp

from exporter.errors import BodyError

_PIECE_BYTES = 256 * 1024
_WINDOW_BITS = {
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}
ACCEPT_ENCODING = "gzip, deflate"
"""The encodings that `read_body` decodes, as a request header names them."""


async def read_body(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """Return the decompressed body of a response whose session does not decompress.

    Never holds much more than `limit_bytes`, however large the decompressed body is, and yields to the event loop.
    Raises BodyError, and what aiohttp raises if the connection fails.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        if (response.content_length or 0) > limit_bytes:
            raise _too_large(limit_bytes)
        decompressor = None
    elif encoding in _WINDOW_BITS:
        decompressor = _Decompressor(encoding)
    else:
        # Not quoted: the sender may have echoed the URL, and the token to mask is not known here.
        raise BodyError(
            "bad_encoding",
            f"the response has another Content-Encoding than {ACCEPT_ENCODING}, the only ones requested: "
            "check the proxy in front of V-Spark",
        )
    pieces: list[bytes] = []
    size = yielded = 0
    async for chunk in response.content.iter_any():
        for piece in decompressor.pieces(chunk) if decompressor else (chunk,):
            size += len(piece)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            pieces.append(piece)
            if size - yielded >= _PIECE_BYTES:
                yielded = size
                await asyncio.sleep(0)
    if decompressor:
        decompressor.finish()
    return b"".join(pieces)


def _too_large(limit_bytes: int) -> BodyError:
    return BodyError(
        "too_large",
        f"the response is larger than {limit_bytes} bytes: raise vspark.max_response_size, or list the org's folders, "
        "so that each gets its own request",
    )


class _Decompressor:
    """Decompresses gzip, of one member or several, and deflate, piece by piece."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._bits = _WINDOW_BITS[encoding]
        self._stream = zlib.decompressobj(self._bits)
        self._begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the decompressed `data`, at most `_PIECE_BYTES` at a time; raises BodyError."""
        while data:
            if not self._begun or self._stream.eof:
                self._begin(data)
            piece = self._decompress(data)
            while piece:  # until none is left: zlib may hold back output when it has taken all of its input
                yield piece
                piece = self._decompress(self._stream.unconsumed_tail)
            data = self._stream.unused_data

    def finish(self) -> None:
        """Raise BodyError if the body ended too early."""
        if self._begun and not self._stream.eof:
            raise self._error("it ends too early")

    def _begin(self, data: bytes) -> None:
        if self._encoding == "deflate":
            if self._begun:
                raise self._error("more data follows its end")
            if data[0] & 0x0F != zlib.DEFLATED:  # some servers omit the zlib header
                self._bits = -zlib.MAX_WBITS
        self._stream = zlib.decompressobj(self._bits)
        self._begun = True

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._stream.decompress(data, _PIECE_BYTES)
        except zlib.error:
            raise self._error("it is damaged") from None

    def _error(self, problem: str) -> BodyError:
        return BodyError(
            "bad_encoding",
            f"the response cannot be decompressed by its Content-Encoding {self._encoding}, {problem}: "
            "check the proxy in front of V-Spark",
        )
