import ast
import asyncio
import json
import logging
import re
import subprocess
import sys
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

import pytest
import structlog

from exporter.runtime import logs
from tests.support.logfmt import parse
from tests.support.repository import ROOT

_TIME = re.compile(r'(\bts(?:=|": "))([^" ]+)')


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave the process's logging as it was."""
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


# What goes wrong outside of what tells it


CRASHES = """\
import sys, threading, warnings
from exporter.runtime import logs

class Bad:
    def __del__(self):
        raise ValueError("in the end")

logs.configure("info", sys.argv[1])
warnings.warn("old\\nand gone")
Bad()
thread = threading.Thread(target=int, args=("of the thread",))
thread.start()
thread.join()
int("of the program")
"""


@pytest.mark.parametrize("form", logs.FORMATS)
def test_what_nobody_catches_is_a_line(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", CRASHES, form], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 # our own
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    found = [json.loads(line) if form == "json" else parse(line) for line in lines]
    assert [(line["level"], line["event"]) for line in found] == [
        ("warn", "library_message"),
        ("error", "exception_ignored"),
        ("error", "crashed"),
        ("error", "crashed"),
    ]
    assert "UserWarning: old\nand gone" in found[0]["message"]
    assert "ValueError: in the end" in found[1]["exception"]
    assert "'of the thread'" in found[2]["exception"]
    assert "'of the program'" in found[3]["exception"]


def test_an_interrupt_is_no_crash() -> None:
    code = "from exporter import logs; logs.configure('info', 'json'); raise KeyboardInterrupt"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 # our own
    assert "crashed" not in done.stderr


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


# What is documented


Event = tuple[str, str]
"""A name and the level it has."""


def events_of_the_code() -> dict[Event, tuple[set[str], bool]]:
    """Give the fields that stand in the code, and whether there may be more."""
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
