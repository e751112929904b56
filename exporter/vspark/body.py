"""A response's body, taken in with a limit that holds after decompression."""

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
"""The encodings that `read_body` undoes, as a request header names them."""


async def read_body(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """Read the body of a response whose session does not decompress, and undo its Content-Encoding.

    Never holds much more than `limit_bytes`, whatever the body unpacks to, and lets the event loop go on in between.
    Raises BodyError, and what aiohttp raises where the connection fails.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        if (response.content_length or 0) > limit_bytes:
            raise _too_large(limit_bytes)
        inflation = None
    elif encoding in _WINDOW_BITS:
        inflation = _Inflation(encoding)
    else:
        # Not quoted: whoever sent it may have echoed the URL, and here nobody knows the token to mask.
        raise BodyError(
            "bad_encoding",
            f"the answer has another Content-Encoding than {ACCEPT_ENCODING}, which alone were asked for: "
            "look at the proxy before V-Spark",
        )
    pieces: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        for piece in inflation.pieces(chunk) if inflation else (chunk,):
            size += len(piece)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            pieces.append(piece)
            await asyncio.sleep(0)
    if inflation:
        inflation.finish()
    return b"".join(pieces)


def _too_large(limit_bytes: int) -> BodyError:
    return BodyError(
        "too_large",
        f"the answer is larger than {limit_bytes} bytes: raise vspark.max_response_size, or list the org's folders, "
        "so that each is asked for by itself",
    )


class _Inflation:
    """Undoes gzip, of one member or several, and deflate, piece by piece."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._bits = _WINDOW_BITS[encoding]
        self._stream = zlib.decompressobj(self._bits)
        self._inside = False
        self._ended = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` unpacks to, at most `_PIECE_BYTES` at a time; raises BodyError."""
        while data:
            if not self._inside:
                self._begin(data)
            piece = self._unpack(data)
            while piece:  # until none is left: zlib may hold back output when it has taken all of its input
                yield piece
                piece = self._unpack(self._stream.unconsumed_tail)
            data = self._stream.unused_data
            self._inside = not self._stream.eof

    def finish(self) -> None:
        """Raise BodyError where the body ended too early."""
        if self._inside:
            raise self._bad("it ends too early")

    def _begin(self, data: bytes) -> None:
        if self._encoding == "deflate":
            if self._ended:
                raise self._bad("more comes after its end")
            if data[0] & 0x0F != zlib.DEFLATED:  # some servers leave the zlib header out
                self._bits = -zlib.MAX_WBITS
        self._stream = zlib.decompressobj(self._bits)
        self._ended = True

    def _unpack(self, data: bytes) -> bytes:
        try:
            return self._stream.decompress(data, _PIECE_BYTES)
        except zlib.error:
            raise self._bad("it is damaged") from None

    def _bad(self, what: str) -> BodyError:
        return BodyError(
            "bad_encoding",
            f"the answer cannot be unpacked by its Content-Encoding {self._encoding}, {what}: "
            "look at the proxy before V-Spark",
        )
