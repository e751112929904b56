"""A configuration file is loaded and compared, whatever is at its path."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config.loaded import LoadedConfig, checksum, differences
from exporter.errors import ConfigError

CONFIG = """\
vspark: {url: "http://127.0.0.1:1", token: a-token}
companies: [{name: C, orgs: [{name: O, timezone: UTC}]}]
"""


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_a_configuration_from_a_pipe(name: str) -> None:
    """As with `--config.file <(sops -d config.yaml)`."""
    reading, writing = os.pipe()
    os.write(writing, CONFIG.encode())
    os.close(writing)
    try:
        assert [target.name for target in LoadedConfig.load(Path(name.format(reading))).targets()] == ["C/O"]
    finally:
        os.close(reading)


def loop(path: Path) -> None:
    path.symlink_to(path)


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(16 * 1024**2 + 1)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda _: None, "{}: cannot read the file: No such file or directory"),
        (Path.mkdir, "{}: cannot read the file: Is a directory"),
        (loop, "{}: cannot read the file: Too many levels of symbolic links"),
        (os.mkfifo, "{}: the file is empty"),
        (lambda path: path.symlink_to("/dev/null"), "{}: the file is empty"),
        (lambda path: path.symlink_to("/dev/zero"), "{}: the file is larger than 16 MiB"),
        (large, "{}: the file is larger than 16 MiB"),
    ],
    ids=["nothing", "folder", "loop", "pipe", "null", "zero", "large"],
)
def test_other_kinds_of_files_are_rejected_without_waiting(
    tmp_path: Path, make: Callable[[Path], None], problem: str
) -> None:
    make(path := tmp_path / "config.yaml")
    assert bool(checksum(path)) == (make is large)
    with pytest.raises(ExceptionGroup) as refused:
        LoadedConfig.load(path)
    (error,) = refused.value.exceptions
    assert isinstance(error, ConfigError)
    assert str(error) == problem.format(path)


def test_a_checksum_is_that_of_the_content(tmp_path: Path) -> None:
    path, link = tmp_path / "config.yaml", tmp_path / "link"
    path.write_text(CONFIG)
    link.symlink_to(path)
    before = checksum(path)
    assert before == checksum(link) != checksum(tmp_path / "none") == ""
    os.utime(path, (0, 0))
    assert checksum(path) == before
    path.write_text(CONFIG + "\n")
    assert checksum(path) == checksum(link) != before


def test_only_the_beginning_of_a_large_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    large(path)
    before = checksum(path)
    with path.open("ab") as file:
        file.write(b"more")
    assert checksum(path) == before
    path.write_bytes(b"#" * (16 * 1024**2))
    assert checksum(path) not in ("", before)


def test_differences_are_sections_and_the_files_that_they_name(tmp_path: Path) -> None:
    path, key = tmp_path / "config.yaml", tmp_path / "key"
    key.write_text("a key of 16 bytes or more")
    path.write_text(CONFIG)
    plain = LoadedConfig.load(path)
    path.write_text(f"{CONFIG}agents: {{hash_key_file: key}}\npoll: {{interval: 30s}}\n")
    hashed = LoadedConfig.load(path)
    key.write_text("another key, as long as it")
    other_key = LoadedConfig.load(path)
    assert differences(plain, LoadedConfig.load(path)) == ("poll", "agents")
    assert differences(plain, plain) == differences(hashed, hashed) == ()
    assert differences(hashed, other_key) == (str(key),)
    assert differences(hashed, plain) == ("poll", "agents")
