import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime

import pytest
import structlog

from exporter import logs

_TIME = re.compile(r'(\bts(?:=|": "))([^" ]+)')


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Give what was written to standard error, the times, which have to be times, replaced."""
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
        (name, event) for name in shown for event in ("ours", "theirs")
    ]


def test_a_librarys_line_names_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "logfmt")
    logging.getLogger("asyncio").warning("slow %d", 3)
    assert lines_of(capsys) == ['ts=NOW level=warn event="slow 3" logger=asyncio']


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
