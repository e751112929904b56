import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from exporter.config.checks import (
    ambiguous,
    check_key,
    check_name,
    check_pattern,
    check_previous_day_for,
    check_url,
    check_zone,
    existing_file,
    token_file,
)

A_KEY = "a key needs 16; create one: openssl rand -hex 32"


def message(check: Callable[..., object], value: object) -> str:
    """Check a value that is rejected, and return the message."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the callers compare the whole message
        check(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "a URL must begin with http:// or https://"),
        ("localhost:3000", "a URL must begin with http:// or https://"),
        ("ftp://localhost", "a URL must begin with http:// or https://"),
        ("http:/localhost", "the URL has no host"),
        ("http://:3000", "the URL has no host"),
        ("http://localhost:http", "is not a URL: its host or its port is invalid"),
        ("http://localhost:65536", "is not a URL: its host or its port is invalid"),
        ("http://localhost:0", "the URL must not have port 0"),
        ("http://[::1", "is not a URL: its host or its port is invalid"),
        ("http://s3cret@localhost", "the URL must not contain a user or a password"),
        ("http://admin:s3cret@localhost", "the URL must not contain a user or a password"),
        ("http://localhost/?token=s3cret", "the URL must not have a query or a fragment"),
        ("http://localhost?", "the URL must not have a query or a fragment"),
        ("http://localhost/#s3cret", "the URL must not have a query or a fragment"),
        ("http://local host", "a URL must not contain white space or control characters"),
        ("http://localhost\n", "a URL must not contain white space or control characters"),
    ],
)
def test_urls_that_are_rejected(url: str, why: str) -> None:
    assert message(check_url, url) == why


@pytest.mark.parametrize(
    "url", ["http://localhost", "HTTPS://v.example.com:3000/", "http://[::1]:80/a/b", "https://bücher.example/x"]
)
def test_urls_that_are_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("zone", ["posix/x/../../UTC", "tzdata.zi", "zone.tab", "__init__.py", ".", "Ünïx", "x" * 999])
def test_time_zones_that_are_rejected(zone: str) -> None:
    assert message(check_zone, zone) == f"unknown time zone {zone!r}; expected a name such as 'US/Eastern'"


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        *((zone, "did you mean 'US/Eastern'?") for zone in ("EST5", "est5", "EDT", "ET", "Eastern", "Eastern Time")),
        ("EST5EDT,M3.2.0,M11.1.0", "did you mean 'US/Eastern'?"),
        ("Eastern Standard Time", "did you mean 'US/Eastern'?"),
        ("PST", "did you mean 'US/Pacific'?"),
        ("CST6", "did you mean 'US/Central'?"),
        ("CEST", "did you mean 'Europe/Berlin'?"),
        ("IST", "did you mean 'Asia/Kolkata'?"),
        ("US/Estern", "did you mean 'US/Eastern'?"),
        ("Pacific/Aukland", "did you mean 'Pacific/Auckland'?"),
        ("Utc", "did you mean 'UTC'?"),
        *(
            (offset, "an offset has no summer time: use the name of a place, such as 'Europe/Berlin'")
            for offset in ("GMT+1", "UTC+01:00", "utc-5", "+0530", "-5", "1")
        ),
    ],
)
def test_a_time_zone_that_is_suggested(zone: str, hint: str) -> None:
    assert message(check_zone, zone) == f"unknown time zone {zone!r}; {hint}"


@pytest.mark.parametrize("zone", ["ESX", "EST/", "PRD", "Central European Time", "GBB", "Standard Time", "MST7MDTX"])
def test_an_abbreviation_is_not_suggested(zone: str) -> None:
    said = message(check_zone, zone)
    assert said.startswith(f"unknown time zone {zone!r}")
    assert not re.search("did you mean '[A-Z0-9]+'", said)


@pytest.mark.parametrize("zone", ["UTC", "EST5EDT", "Etc/GMT+5", "Japan"])
def test_time_zones_that_are_accepted(zone: str) -> None:
    check_zone(zone)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[[a]", "Possible nested set at position 1"),
        ("a{1,99999999999}", "the repetition number is too large"),
        ("*", "nothing to repeat at position 0"),
    ],
)
def test_regular_expressions_that_are_rejected(pattern: str, why: str) -> None:
    assert message(check_pattern, pattern) == f"{pattern!r} is not a regular expression: {why}"


def test_the_previous_day_is_polled_for_a_day_at_most() -> None:
    check_previous_day_for(0)
    check_previous_day_for(86400)
    assert message(check_previous_day_for, 86400.001).startswith("must be at most 1d, ")


def test_a_lone_surrogate_is_not_a_name() -> None:
    assert message(check_name, "a\ud800") == "'a\\ud800' contains a control character or a lone surrogate"


@pytest.mark.parametrize("name", ["a/b", " ", "...", "100 %", "Ünï😀", "a?b#c", "." * 3])
def test_names_that_are_accepted(name: str) -> None:
    check_name(name)


def test_a_file_exists_and_a_key_is_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert message(existing_file, path) == f"cannot read '{path}': No such file or directory"
    path.touch()
    assert existing_file(path) == path
    assert message(check_key, path) == f"'{path}' contains 0 bytes, but {A_KEY}"
    path.write_text(" " * 15 + "k" * 15 + "\n")
    assert message(check_key, path) == f"'{path}' contains 15 bytes, but {A_KEY}"
    path.write_text("k" * 16)
    check_key(path)
    path.write_text("k" * (64 * 1024 + 1))
    assert message(check_key, path) == f"cannot read '{path}': it is larger than 64 KiB"
    path.unlink()
    os.mkfifo(path)
    assert message(existing_file, path) == f"cannot read '{path}': it is not a regular file"


def test_a_built_in_name_may_be_repeated_with_its_meaning() -> None:
    names = {"calls": ["Call Volume"], "average_duration": ["avg_length"], "agents": ["by-agent"]}
    assert list(ambiguous(names)) == []


@pytest.mark.parametrize("name", ["s3cret", "s3cret" * 100, "s3cret\0"])
def test_a_token_in_place_of_its_file_is_not_shown(tmp_path: Path, name: str) -> None:
    assert (
        message(partial(token_file, tmp_path), name)
        == "the file does not exist; its name is not shown because it may be the token itself"
    )


@pytest.mark.parametrize("name", ["shut/token", "token.txt"])
def test_a_token_in_a_directory_without_permission(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("s3cret-canary")
    path.parent.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # root may read everything
            os.seteuid(65534)
        assert message(lambda text: token_file(tmp_path, text), name) == f"cannot read '{path}': Permission denied"
    finally:
        os.seteuid(user)
        path.parent.chmod(0o700)
