import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from exporter.config.checks import (
    ambiguous,
    check_key,
    check_name,
    check_pattern,
    check_url,
    check_zone,
    existing_file,
    token_file,
)

A_KEY = "a key has at least 16: make one by `openssl rand -hex 32`"


def message(check: Callable[..., object], value: object) -> str:
    """Check what must be refused, and say with which message."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the callers compare the whole message
        check(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "a URL has to begin with http:// or https://"),
        ("localhost:3000", "a URL has to begin with http:// or https://"),
        ("ftp://localhost", "a URL has to begin with http:// or https://"),
        ("http:/localhost", "the URL names no host"),
        ("http://:3000", "the URL names no host"),
        ("http://localhost:http", "no URL: its host or its port cannot be read"),
        ("http://localhost:65536", "no URL: its host or its port cannot be read"),
        ("http://localhost:0", "a URL cannot have port 0"),
        ("http://[::1", "no URL: its host or its port cannot be read"),
        ("http://s3cret@localhost", "a URL cannot hold a user or a password here"),
        ("http://admin:s3cret@localhost", "a URL cannot hold a user or a password here"),
        ("http://localhost/?token=s3cret", "a URL cannot have a query or a fragment here"),
        ("http://localhost?", "a URL cannot have a query or a fragment here"),
        ("http://localhost/#s3cret", "a URL cannot have a query or a fragment here"),
        ("http://local host", "a URL cannot hold white space or control characters"),
        ("http://localhost\n", "a URL cannot hold white space or control characters"),
    ],
)
def test_a_url_that_cannot_be(url: str, why: str) -> None:
    assert message(check_url, url) == why


@pytest.mark.parametrize(
    "url", ["http://localhost", "HTTPS://v.example.com:3000/", "http://[::1]:80/a/b", "https://bücher.example/x"]
)
def test_a_url_that_can_be(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("zone", ["posix/x/../../UTC", "tzdata.zi", "zone.tab", "__init__.py", ".", "Ünïx", "x" * 999])
def test_a_time_zone_that_cannot_be(zone: str) -> None:
    assert message(check_zone, zone) == f"unknown time zone {zone!r}"


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[[a]", "Possible nested set at position 1"),
        ("a{1,99999999999}", "the repetition number is too large"),
        ("*", "nothing to repeat at position 0"),
    ],
)
def test_a_regular_expression_that_cannot_be(pattern: str, why: str) -> None:
    assert message(check_pattern, pattern) == f"{pattern!r} is no regular expression: {why}"


def test_half_of_a_character_is_no_name() -> None:
    assert message(check_name, "a\ud800") == "'a\\ud800' holds a control character or half of a character"


@pytest.mark.parametrize("name", ["a/b", " ", "...", "100 %", "Ünï😀", "a?b#c", "." * 3])
def test_a_name_that_can_be(name: str) -> None:
    check_name(name)


def test_a_file_is_there_and_a_key_is_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert message(existing_file, path) == f"cannot read '{path}': No such file or directory"
    path.touch()
    assert existing_file(path) == path
    assert message(check_key, path) == f"'{path}' holds 0 bytes; {A_KEY}"
    path.write_text(" " * 15 + "k" * 15 + "\n")
    assert message(check_key, path) == f"'{path}' holds 15 bytes; {A_KEY}"
    path.write_text("k" * 16)
    check_key(path)
    path.write_text("k" * (64 * 1024 + 1))
    assert message(check_key, path) == f"cannot read '{path}': it is larger than 64 KiB"
    path.unlink()
    os.mkfifo(path)
    assert message(existing_file, path) == f"cannot read '{path}': it is not a regular file"


def test_names_that_the_reader_knows_may_be_moved_within_their_meaning() -> None:
    names = {"calls": ["Call Volume"], "average_duration": ["avg_length"], "agents": ["by-agent"]}
    assert list(ambiguous(names)) == []


@pytest.mark.parametrize("name", ["s3cret", "s3cret" * 100, "s3cret\0"])
def test_a_token_in_place_of_its_file_is_not_shown(tmp_path: Path, name: str) -> None:
    assert (
        message(partial(token_file, tmp_path), name)
        == "there is no such file; its name is not shown, for it may be the token itself"
    )


@pytest.mark.parametrize("name", ["shut/token", "token.txt"])
def test_a_token_in_a_folder_that_is_shut(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("s3cret-canary")
    path.parent.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # to root nothing is shut
            os.seteuid(65534)
        assert message(lambda text: token_file(tmp_path, text), name) == f"cannot read '{path}': Permission denied"
    finally:
        os.seteuid(user)
        path.parent.chmod(0o700)
