import asyncio
import html
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.tokens import EnvToken, FileToken, LiteralToken, Token, TokenSource
from exporter.errors import TokenError
from exporter.runtime.terminal import printable

CANARY = "s3cret/canary+é%2F"


def test_only_reveal_returns_the_token() -> None:
    token = Token(f" {CANARY}\r\n")
    assert token.reveal() == CANARY
    for shown in (repr(token), str(token), f"{token}", f"{token!r:>20}", f"{[token]}", repr(LiteralToken(CANARY))):
        assert "Token(***)" in shown
        assert "canary" not in shown
    assert not hasattr(token, "__dict__")


def test_tokens_of_one_text_are_equal() -> None:
    assert Token("a") == Token(" a ")
    assert hash(Token("a")) == hash(Token("a"))
    assert Token("a") != Token("b")
    assert Token("a") != "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a token must not be empty"),
        (" \n", "a token must not be empty"),
        ("canary canary", "a token must not contain white space or control characters"),
        ("canary\ncanary", "a token must not contain white space or control characters"),
        ("canary\0", "a token must not contain white space or control characters"),
        ("canary\ud800", "a token must not contain white space or control characters"),
        ("canary\u00a0canary", "a token must not contain white space or control characters"),
    ],
)
def test_a_bad_token_is_rejected_without_being_quoted(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is compared
        Token(text)
    assert str(caught.value) == message


def test_a_token_is_masked_however_it_is_encoded() -> None:
    plain = f"GET /stats?token={CANARY}&a=b"
    quoted = f"GET /stats?token={quote(CANARY, safe='')}&a=b"
    partly = f"GET /stats?token={quote(CANARY, safe='/+')}&a=b"
    assert quoted == "GET /stats?token=s3cret%2Fcanary%2B%C3%A9%252F&a=b"
    for text in (plain, quoted, quoted.replace("%C3%A9", "%c3%a9").replace("%2B", "%2b"), partly):
        assert Token(CANARY).mask(text) == "GET /stats?token=***&a=b"
    assert Token("ABC").mask("abc ABC ABCABC") == "abc *** ******"


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1), st.text(), st.text())
def test_no_form_of_a_token_survives_the_mask(text: str, before: str, after: str) -> None:
    token = Token(text)
    encoded = quote(text, safe="")
    in_utf_16 = text.encode("utf-16-le")[:-1].decode("utf-8", "replace")
    for form in (
        text,
        encoded,
        quote(encoded),
        quote(quote(encoded)),
        quote_plus(text),
        re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded),
        html.escape(text),
        html.escape(html.escape(text)),
        "".join(f"&#{ord(character)};" for character in text),
        "".join(f"&#x{ord(character):04X}" for character in text),
        "\u00ad".join(text),
        *(
            () if "\\" in text else (printable("\u200b".join(text)),)
        ),  # a backslash may begin the escape or end the token
        "<wbr>".join(text),
        *((in_utf_16,) if text.isascii() else ()),
    ):
        assert token.mask(form) == "***"
        assert "***" in token.mask(f"{before}{form}{after}")


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("00", "0\\u200b0"),
        ("00", "0\u200b0"),
        ("200b", "2\\u200b00b"),
        ("x0", "x\\x000"),
        ("b", "b"),
        ("*", "*"),
        ("0<>", "0\xad<\xad>"),
        ("a<b>c", "a<b>c"),
        ("a<b>c", "a\\u200b<b>c"),
    ],
)
def test_a_token_that_is_like_what_may_be_between_is_masked(token: str, text: str) -> None:
    assert Token(token).mask(text) == "***"


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("n" * 30 + "Z", "\\n" * 5000),
        ("A" * 30 + "Z", "\\u0041" * 5000),
        ("x08" * 10 + "Z", "\\x08" * 1000),
        ("<b>" * 10 + "Z", "<b>" * 1000),
        ("&" * 30 + "Z", "&amp;" * 5000),
        ("&" * 30 + "Z", "&" + "amp;" * 5000),
        ("%" * 30 + "Z", "%25" * 5000),
        ("%" * 30 + "Z", "%" + "25" * 5000),
        ("a" * 30 + "Z", "a" + " " * 50_000),
        ("a" * 30 + "Z", "a <" * 10_000),
    ],
)
def test_no_text_takes_long_to_mask(token: str, text: str) -> None:
    begun = process_time()
    assert Token(token).mask(text) == text
    assert process_time() - begun < 1


def test_a_literal_token() -> None:
    source = LiteralToken(CANARY)
    assert source.read() == Token(CANARY)
    assert source.origin == "the configuration file"
    assert source == LiteralToken(CANARY)
    assert source != LiteralToken("other")


def test_a_token_in_the_environment() -> None:
    source = EnvToken("VSPARK_TOKEN", {"VSPARK_TOKEN": f"{CANARY}\n"})
    assert source.read() == Token(CANARY)
    assert source.origin == "the environment variable VSPARK_TOKEN"
    assert source == EnvToken("VSPARK_TOKEN")
    assert source != EnvToken("OTHER")


def _error(source: TokenSource) -> str:
    with pytest.raises(TokenError) as caught:
        source.read()
    assert caught.value.reason == "no_token"
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_no_token_in_the_environment() -> None:
    environ = {"EMPTY": " ", "TWO": "canary canary"}
    assert _error(EnvToken("_VSPARK_T0KEN", environ)) == "the environment variable _VSPARK_T0KEN is not set"
    assert (
        _error(EnvToken("EMPTY", environ))
        == "the environment variable EMPTY contains no token: a token must not be empty"
    )
    assert (
        _error(EnvToken("TWO", environ))
        == "the environment variable TWO contains no token: a token must not contain white space or control characters"
    )


@pytest.mark.parametrize("name", ["", "canary", "CANARY-1", "0CANARY", "CANARY ", "CANARY\n", "CANÄRY", "C" * 65])
def test_a_token_in_place_of_a_variable_is_not_shown(name: str) -> None:
    assert (
        _error(EnvToken(name, {}))
        == "the environment variable is not set; its name is not shown because it may be the token itself"
    )


def test_a_token_in_the_environment_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSPARK_TOKEN", "first")
    source = EnvToken("VSPARK_TOKEN")
    first = source.read()
    assert source.read() is first
    monkeypatch.setenv("VSPARK_TOKEN", "second")
    assert source.read() == source.known == Token("second")


def test_no_token_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    source = FileToken(path)
    assert _error(source) == f"cannot read '{path}': No such file or directory"
    path.write_text(" \n")
    assert _error(source) == f"'{path}' contains no token: a token must not be empty"
    path.write_text("canary canary")
    assert _error(source) == f"'{path}' contains no token: a token must not contain white space or control characters"
    path.write_bytes(b"canary\xff")
    assert _error(source) == f"'{path}' is not UTF-8"
    path.unlink()
    path.mkdir()
    assert _error(source) == f"cannot read '{path}': Is a directory"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (lambda path: path.write_bytes(b"x" * (64 * 1024 + 1)), "it is larger than 64 KiB"),
    ],
    ids=["pipe", "zero", "large"],
)
def test_other_kinds_of_files_are_rejected_without_waiting(
    tmp_path: Path, make: Callable[[Path], None], why: str
) -> None:
    make(path := tmp_path / "token")
    assert _error(FileToken(path)) == f"cannot read '{path}': {why}"


def test_a_file_is_read_again_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"\xef\xbb\xbffirst\r\n")
    source = FileToken(path)
    first = source.read()
    assert first == Token("first")
    assert source.read() is first

    path.write_text("second")
    assert source.read() == Token("second")

    # same size and time as before: only the inode is new
    status = path.stat()
    (tmp_path / "new").write_text("third!")
    os.utime(tmp_path / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "new").replace(path)
    assert source.read() == Token("third!")

    path.write_text("")
    assert "contains no token" in _error(source)
    path.write_text("fourth")
    assert source.read() == Token("fourth")


def test_the_swap_of_a_mounted_secret_is_noticed(tmp_path: Path) -> None:
    for version, text in {"..1": "first", "..2": "other"}.items():
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(text)
        os.utime(tmp_path / version / "token", (0, 0))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    source = FileToken(tmp_path / "token")
    assert source.read() == Token("first")

    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert source.read() == Token("other")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Let every file called `hanging` hang until the end of the test, and return the files that are being read."""
    end = threading.Event()
    paths: list[Path] = []

    def read(path: Path) -> bytes:
        paths.append(path)
        if path.name == "hanging":
            end.wait()
        return path.read_bytes()

    monkeypatch.setattr("exporter.config.tokens.read_secret", read)
    yield paths
    end.set()


async def _current_error(source: TokenSource, limit_seconds: float) -> str:
    with pytest.raises(TokenError) as caught:
        await source.current(limit_seconds)
    assert caught.value.__cause__ is None
    return str(caught.value)


async def test_a_file_that_hangs_is_waited_for_once(tmp_path: Path, opened: list[Path]) -> None:
    path = tmp_path / "hanging"
    path.write_text("first")
    source = FileToken(path)
    assert await asyncio.gather(*(_current_error(source, 0.01) for _ in range(3))) == 3 * [
        f"cannot read '{path}' within 0.01 s; check its file system"
    ]
    for _ in range(100):
        assert (
            await _current_error(source, 1000)
            == f"cannot read '{path}': an earlier attempt still hangs; check its file system"
        )
    assert opened == [path]
    assert source.known is None


async def test_a_file_that_hangs_does_not_stop_another_one(tmp_path: Path, opened: list[Path]) -> None:
    for name in ("hanging", "token"):
        (tmp_path / name).write_text(CANARY)
    assert "within 0.01 s" in await _current_error(FileToken(tmp_path / "hanging"), 0.01)
    assert await FileToken(tmp_path / "token").current(10) == Token(CANARY)
    assert await asyncio.to_thread(len, opened) == 2


async def test_a_file_that_no_longer_hangs_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, end = tmp_path / "token", threading.Event()
    path.write_text("first")
    source = FileToken(path)
    assert await source.current(10) == Token("first")
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path: (end.wait(), stat(path))[1])
    path.write_text("second")
    assert "within 0.01 s" in await _current_error(source, 0.01)
    assert source.known == Token("first")
    end.set()
    async with asyncio.timeout(10):
        while not (source._reading and source._reading.done()):
            await asyncio.sleep(0)
    path.write_text("third!")
    assert await source.current(10) == Token("third!")


async def test_calls_at_the_same_time_share_a_thread_and_one_may_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, reads = threading.Event(), []

    def read(path: Path) -> bytes:
        reads.append(path)
        go.wait()
        return b"s3cret"

    monkeypatch.setattr("exporter.config.tokens.read_secret", read)
    (tmp_path / "token").touch()
    source = FileToken(tmp_path / "token")
    tasks = [asyncio.create_task(source.current(10)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks[1:]) == 2 * [Token("s3cret")]
    assert tasks[0].cancelled()
    assert len(reads) == 1


async def test_other_tokens_need_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.config.tokens._THREADS", None)
    for source in (LiteralToken(CANARY), EnvToken("NAME", {"NAME": CANARY})):
        assert await source.current(0) is source.known
        assert source.known == Token(CANARY)
    assert await _current_error(EnvToken("NAME", {}), 0) == "the environment variable NAME is not set"


def test_sources_of_one_place_are_equal(tmp_path: Path) -> None:
    source = FileToken(tmp_path / "token")
    assert source == FileToken(tmp_path / "token")
    assert hash(source) == hash(FileToken(tmp_path / "token"))
    assert source != FileToken(tmp_path / "other")
    assert source.origin == str(tmp_path / "token")
    assert repr(source) == f"FileToken('{tmp_path}/token')"


@pytest.mark.parametrize("text", ["sl/ash", 'quo"te', "back\\slash", "Süß", "😀", "plain", "100%"])
def test_a_token_in_json_is_masked(text: str) -> None:
    token = Token(text)
    for written in (json.dumps(text), json.dumps(text, ensure_ascii=False), json.dumps(text).replace("/", "\\/")):
        assert token.mask(f"<{written}>") == '<"***">'
