"""Files that the configuration names: whatever stands there, none makes the exporter wait or fills its memory."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

LARGEST_CONFIG: Final = 16 * 1024**2
"""Bytes: what is larger is another file by mistake, and would take many times its size in memory."""
_LARGEST: Final = 64 * 1024
"""Bytes: far beyond any token or key; what is larger is another file by mistake."""


def open_now(path: Path) -> BinaryIO:
    """Open a file for reading; OSError, or ValueError for a NUL in its name, where that cannot be done.

    A pipe that nobody writes to is read as empty, where opening it would wait for ever.
    """
    return open(path, "rb", opener=_open)  # pathlib's knows no opener


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file, symbolic links followed; OSError or ValueError as `open_now`, and for all other kinds."""
    file = open_now(path)
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


def _open(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor
