"""Log lines of a process that crashes."""

import json
import subprocess
import sys

import pytest

from exporter.runtime import logs
from tests.support.logfmt import parse
from tests.support.repository import ROOT

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


def test_an_interrupt_is_not_a_crash() -> None:
    code = "from exporter.runtime import logs; logs.configure('info', 'json'); raise KeyboardInterrupt"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 # our own
    assert "KeyboardInterrupt" in done.stderr
    assert "crashed" not in done.stderr
