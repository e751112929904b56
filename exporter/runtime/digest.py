"""Digests of bodies, to find out whether one has changed without keeping it."""

import hashlib
from typing import Final

from exporter.runtime.steps import Steps

_CHUNK_BYTES: Final = 1024 * 1024


def digest_of(body: bytes) -> Steps[bytes]:
    """Return 16 bytes that are the same for the same body only."""
    digest = hashlib.blake2b(digest_size=16)
    for start in range(0, len(body), _CHUNK_BYTES):
        digest.update(memoryview(body)[start : start + _CHUNK_BYTES])
        yield
    return digest.digest()
