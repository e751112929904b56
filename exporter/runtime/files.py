"""Reading of files that the configuration names. No file blocks the exporter for ever or fills its memory."""

import errno
import os
import select
import stat
import time
from pathlib import Path
from typing import BinaryIO, Final

LARGEST_CONFIG: Final = 16 * 1024**2
"""In bytes. A larger file is there by mistake, and would take many times its size in memory."""
PIPE_SECONDS: Final = 50.0
"""The wait for a pipe's writer. A reload waits longer, so its message can name the file that is a pipe."""
_PIECE: Final = 1024**2
_LARGEST_SECRET: Final = 64 * 1024
"""In bytes, far beyond any token or key. A larger file is there by mistake."""


def read_start(path: Path, most: int) -> bytes:
    """Return the first `most` bytes of a file; a pipe without a writer is empty.

    Raises OSError, also for a pipe that does not end in time, and ValueError for a NUL in the name.
    """
    end = time.monotonic() + PIPE_SECONDS
    data = bytearray()
    with _open_now(path) as file:
        while len(data) < most and (piece := _read_until(end, file.fileno(), most - len(data))):
            data += piece
    return bytes(data)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file, symbolic links followed; raises OSError, also for any other kind of file, and ValueError."""
    file = _open_now(path)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file")
    return file


def read_secret(path: Path) -> bytes:
    """Return the content of a regular file of at most 64 KiB; raises OSError or ValueError."""
    with open_regular(path) as file:
        content = file.read(_LARGEST_SECRET + 1)
    if len(content) > _LARGEST_SECRET:
        raise OSError(errno.EFBIG, f"it is larger than {_LARGEST_SECRET // 1024} KiB")
    return content


def _read_until(end: float, descriptor: int, most: int) -> bytes:
    """Return what can be read, after a wait for it; empty at the end of the file."""
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    while True:
        try:
            return os.read(descriptor, min(most, _PIECE))
        except BlockingIOError:  # read first: poll does not report the end of a pipe that never had a writer
            if not ready.poll(max(0.0, end - time.monotonic()) * 1000):
                message = f"it is a pipe, and its writer has not closed it within {PIPE_SECONDS:.3g} s"
                raise OSError(errno.ETIMEDOUT, message) from None


def _open_now(path: Path) -> BinaryIO:
    """Open a file without a wait: opening a pipe would otherwise block until it has a writer."""
    return open(path, "rb", opener=_open)  # Path.open has no opener


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
