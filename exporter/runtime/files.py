"""Files that the configuration names: whatever stands there, none makes the exporter wait or fills its memory."""

import errno
import os
import select
import stat
import time
from pathlib import Path
from typing import BinaryIO, Final

LARGEST_CONFIG: Final = 16 * 1024**2
"""Bytes: what is larger is another file by mistake, and would take many times its size in memory."""
PIPE_SECONDS: Final = 50.0
"""How long a pipe's writer is waited for; less than a reload waits, so that it is told which file is the pipe."""
_PIECE: Final = 1024**2
_LARGEST: Final = 64 * 1024
"""Bytes: far beyond any token or key; what is larger is another file by mistake."""


def read_start(path: Path, most: int) -> bytes:
    """Give the first `most` bytes of a file; OSError, for a pipe that does not end too, and ValueError.

    The latter is for a NUL in its name. A pipe that nobody writes to is read as empty.
    """
    end = time.monotonic() + PIPE_SECONDS
    data = bytearray()
    with _open_now(path) as file:
        while len(data) < most and (piece := _read_until(end, file.fileno(), most - len(data))):
            data += piece
    return bytes(data)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file, symbolic links followed; OSError, for all other kinds too, or ValueError for a NUL."""
    file = _open_now(path)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file")
    return file


def read_secret(path: Path) -> bytes:
    """Give the content of a regular file of at most 64 KiB; OSError or ValueError where that cannot be done."""
    with open_regular(path) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {_LARGEST // 1024} KiB")
    return content


def _read_until(end: float, descriptor: int, most: int) -> bytes:
    """Give what is there to be read, after waiting for it; empty at the file's end."""
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    while True:
        try:
            return os.read(descriptor, min(most, _PIECE))
        except BlockingIOError:  # asked first: of a pipe that nobody has written to yet, poll sees no end
            if not ready.poll(max(0.0, end - time.monotonic()) * 1000):
                waited = f"a pipe whose writer has not come to its end within {PIPE_SECONDS:.3g} s"
                raise OSError(errno.ETIMEDOUT, waited) from None


def _open_now(path: Path) -> BinaryIO:
    """Open a file; a pipe that nobody writes to is empty then, where opening it would wait for ever."""
    return open(path, "rb", opener=_open)  # pathlib's knows no opener


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
