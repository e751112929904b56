import errno
import os
from pathlib import Path

import pytest

from exporter.runtime import files
from exporter.runtime.files import open_regular, read_secret, read_start


def test_the_start_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    assert read_start(path, 10) == b"x" * 10
    assert len(read_start(path, 10_000_000)) == 3_000_000


def test_a_pipe_without_a_writer_is_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_start(tmp_path / "pipe", 10) == b""


def test_a_pipe_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "PIPE_SECONDS", 0.01)
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "pipe").open("r+b", buffering=0) as writer:
        writer.write(b"abc")
        with pytest.raises(OSError, match=r"it is a pipe, and its writer has not closed it within 0\.01 s") as caught:
            read_start(tmp_path / "pipe", 10)
        assert caught.value.errno == errno.ETIMEDOUT


def test_only_a_regular_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"x"
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"it is not a regular file|Is a directory"):
            open_regular(path)


def test_a_secret_is_small(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x" * 64 * 1024)
    assert read_secret(path) == b"x" * 64 * 1024
    path.write_bytes(b"x" * (64 * 1024 + 1))
    with pytest.raises(OSError, match="it is larger than 64 KiB"):
        read_secret(path)


def test_a_name_with_a_nul(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="null byte"):
        read_secret(tmp_path / "a\0b")
