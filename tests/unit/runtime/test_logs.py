import ast
import asyncio
import json
import logging
import math
import re
import sys
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from exporter.runtime import logs
from exporter.runtime.logs import json_line, logfmt, plain
from tests.support.logfmt import parse
from tests.support.repository import ROOT

_TIME = re.compile(r'(\bts(?:=|": "))([^" ]+)')


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Restore the logging of the process."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(capture=False)
    logging.raiseExceptions = True
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines on standard error, each valid time replaced by NOW."""
    out, errors = capsys.readouterr()
    assert out == ""
    for _, time in _TIME.findall(errors):
        assert datetime.fromisoformat(time).tzname() == "UTC"
    return _TIME.sub(r"\1NOW", errors).splitlines()


def test_logfmt(capsys: pytest.CaptureFixture[str]) -> None:
    log = logs.configure("info", "logfmt")
    log.info(
        "listening", version="1.0", addresses="http://[::1]:80 http://x", targets=2, nothing=None, quote='a "b"\nc=d'
    )
    log.debug("not_shown")
    log.warning("poll_failed", target="Süd/Org", reason="dns")
    assert lines_of(capsys) == [
        (
            'ts=NOW level=info event=listening version=1.0 addresses="http://[::1]:80 http://x" targets=2 nothing= '
            r'quote="a \"b\"\nc=d"'
        ),
        "ts=NOW level=warn event=poll_failed target=Süd/Org reason=dns",
    ]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    log = logs.configure("debug", "json")
    log.debug("listening", version="1.0", targets=2, nothing=None, quote='a "b"\nc=d')
    assert [json.loads(line) for line in lines_of(capsys)] == [
        {
            "ts": "NOW",
            "level": "debug",
            "event": "listening",
            "version": "1.0",
            "targets": 2,
            "nothing": None,
            "quote": 'a "b"\nc=d',
        }
    ]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(level: str, shown: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    log = logs.configure(level, "json")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("ours")
        getattr(logging.getLogger("aiohttp.server"), name)("theirs")
    lines = [json.loads(line) for line in lines_of(capsys)]
    assert [(line["level"], line["event"]) for line in lines] == [
        (name, event) for name in shown for event in ("ours", "library_message")
    ]


def test_a_librarys_line_names_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "logfmt")
    logging.getLogger("asyncio").warning("slow %d", 3)
    assert lines_of(capsys) == ['ts=NOW level=warn event=library_message logger=asyncio message="slow 3"']


@pytest.mark.parametrize("form", logs.FORMATS)
def test_a_traceback_is_one_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = logs.configure("info", form)
    try:
        int("ours")
    except ValueError:
        log.exception("bug")
        logging.getLogger("asyncio").exception("theirs")
    lines = lines_of(capsys)
    assert len(lines) == 2
    assert all("Traceback (most recent call last)" in line and "ValueError: invalid literal" in line for line in lines)


def test_configured_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logs.configure("info", "logfmt").info("once")
    assert lines_of(capsys) == ["ts=NOW level=info event=once"]


async def test_what_a_task_leaves_behind_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    asyncio.get_running_loop().call_soon(int, "of the loop")
    await asyncio.sleep(0)
    (line,) = [json.loads(line) for line in lines_of(capsys)]
    assert (line["level"], line["event"], line["logger"]) == ("error", "library_message", "asyncio")
    assert "'of the loop'" in line["exception"]


def test_a_librarys_line_that_cannot_be_formatted_is_no_raw_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "logfmt")
    logging.getLogger("asyncio").warning("%d", "x")
    assert lines_of(capsys) == []


def test_warnings_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "logfmt")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    (line,) = lines_of(capsys)
    assert line.startswith("ts=NOW level=warn event=library_message logger=py.warnings message=")


# How a line looks


keys = st.from_regex("[a-z][a-z_]{0,9}", fullmatch=True)
texts = st.one_of(
    st.text(),
    st.text(st.sampled_from('ab ="\\\n\r\t\x00\x1b[31m\x7f\x85\u2028\u202e\ufeff\ud800\U0001f600ü')),
)
values = st.one_of(texts, st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.binary())


class Level(StrEnum):
    HIGH = "high"


def written(value: object) -> tuple[str, str]:
    """Return a line with this value in both formats."""
    fields = plain(None, "", {"x": value})
    return logfmt(None, "", dict(fields)), json_line(None, "", dict(fields))


@pytest.mark.parametrize(
    ("value", "as_logfmt", "as_json"),
    [
        ("plain", "x=plain", '{"x": "plain"}'),
        ("Süd/Org", "x=Süd/Org", r'{"x": "S\u00fcd/Org"}'),
        ("", 'x=""', '{"x": ""}'),
        (None, "x=", '{"x": null}'),
        (True, "x=true", '{"x": true}'),
        (False, "x=false", '{"x": false}'),
        (3, "x=3", '{"x": 3}'),
        (0.25, "x=0.25", '{"x": 0.25}'),
        (math.inf, "x=inf", '{"x": "inf"}'),
        (math.nan, "x=nan", '{"x": "nan"}'),
        (Level.HIGH, "x=high", '{"x": "high"}'),
        (["a b"], "x=\"['a b']\"", '{"x": "[\'a b\']"}'),
        ("a b=c", 'x="a b=c"', '{"x": "a b=c"}'),
        ('a"b', r'x="a\"b"', r'{"x": "a\"b"}'),
        ("a\\nb", r'x="a\\nb"', r'{"x": "a\\nb"}'),
        ("a\nlevel=error", r'x="a\nlevel=error"', r'{"x": "a\nlevel=error"}'),
        ("\x1b[2J\x07", r'x="\u001b[2J\u0007"', r'{"x": "\u001b[2J\u0007"}'),
        ("\x7f", r'x="\u007f"', r'{"x": "\u007f"}'),
        ("a\u2028b\x85c\r", r'x="a\u2028b\u0085c\r"', r'{"x": "a\u2028b\u0085c\r"}'),
        ("\u202eevil", r'x="\u202eevil"', r'{"x": "\u202eevil"}'),
        ("\ud800", r'x="\ud800"', r'{"x": "\ud800"}'),
    ],
)
def test_how_a_value_is_written(value: object, as_logfmt: str, as_json: str) -> None:
    assert written(value) == (as_logfmt, as_json)


@given(fields=st.dictionaries(keys, values, max_size=6))
def test_a_record_is_one_line_that_says_the_same(fields: dict[str, Any]) -> None:
    plainly = plain(None, "", dict(fields))
    line, json_text = logfmt(None, "", dict(plainly)), json_line(None, "", dict(plainly))
    for text in (line, json_text):
        assert text.isprintable()
        assert len(text.splitlines()) <= 1
    assert re.sub(r"[ -~]", "", json_text) == ""
    assert json.loads(json_text) == dict(plainly)
    assert parse(line) == {key: text_of(value) for key, value in plainly.items()}


def text_of(value: str | float | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def test_the_order_of_the_fields() -> None:
    fields = {"z": 1, "event": "e", "a": 2, "level": "info", "ts": "t"}
    assert logfmt(None, "", dict(plain(None, "", fields))) == "ts=t level=info event=e z=1 a=2"


# What is documented


Event = tuple[str, str]
"""A name and the level it has."""


def events_of_the_code() -> dict[Event, tuple[set[str], bool]]:
    """Return the fields of each event in the code, and whether it may have more."""
    found: defaultdict[Event, tuple[set[str], bool]] = defaultdict(lambda: (set(), False))
    for path in (ROOT / "exporter").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func.value).endswith(("log", "logger"))
                and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical")
            ):
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno}: the event's name is no constant"
                event = str(name.value)
                level = {"warning": "warn", "exception": "error"}.get(node.func.attr, node.func.attr)
                fields, more = found[event, level]
                given = {"exception" if keyword.arg == "exc_info" else keyword.arg for keyword in node.keywords}
                found[event, level] = (fields | {field for field in given if field}, more or None in given)
    return dict(found)


def test_every_event_is_documented() -> None:
    text = (ROOT / "docs" / "status.md").read_text("utf-8").partition("| event | level |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    documented = {(name.strip("`"), level): set(re.findall("`([a-z_]+)`", fields)) for name, level, fields, *_ in rows}
    assert documented.pop(("library_message", "of the library")) == {"logger", "message", "exception"}
    code = events_of_the_code()
    assert sorted(documented) == sorted(code)
    for event, (fields, more) in code.items():
        assert documented[event] == fields or (more and documented[event] > fields), event
