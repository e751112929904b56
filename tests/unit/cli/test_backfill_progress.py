import io
from datetime import UTC, datetime

from exporter.cli.backfill_progress import ProgressBar, ProgressLines, make_progress
from tests.support.fake_clock import FakeClock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_elsewhere() -> None:
    errors, clock = io.StringIO(), FakeClock(datetime(2026, 11, 25, tzinfo=UTC))
    progress = make_progress(errors, clock)
    assert isinstance(progress, ProgressLines)
    progress.begin(110, done=10)
    for _ in range(5):
        clock.advance(10)
        progress.advance(10)
    clock.advance(40)
    progress.advance(20)
    progress.write()
    progress.close()
    assert errors.getvalue() == (
        "40 of 110 days read, about 0:01:10 left\n"
        "80 of 110 days read, about 0:00:39 left\n"
        "all 110 days read, writing the file\n"
    )


def test_no_line_for_what_is_quick() -> None:
    errors, clock = io.StringIO(), FakeClock(datetime(2026, 11, 25, tzinfo=UTC))
    progress = make_progress(errors, clock)
    progress.begin(2, done=0)
    progress.advance(2)
    progress.write()
    assert errors.getvalue() == ""


def test_a_bar_on_a_terminal() -> None:
    errors = Terminal()
    progress = make_progress(errors, FakeClock(datetime(2026, 11, 25, tzinfo=UTC)))
    assert isinstance(progress, ProgressBar)
    progress.begin(20, done=5)
    progress.advance(15)
    progress.write()
    text = errors.getvalue()
    assert "reading:  25%" in text
    assert "5/20" in text
    assert "writing: 100%" in text
    assert "20/20" in text
    progress.close()
    assert errors.getvalue().endswith("\r")
