"""How far a backfill is: a bar on a terminal, an occasional line elsewhere."""

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn, TextIO

from exporter.runtime.clock import Clock

if TYPE_CHECKING:
    from tqdm import tqdm

_LINE_SECONDS: Final = 30.0


class ProgressLines:
    """Writes a line every 30 seconds: to a log, or to the mail of a cron job."""

    def __init__(self, errors: TextIO, clock: Clock) -> None:
        self._errors = errors
        self._clock = clock
        self._days = self._done = self._done_at_start = 0
        self._begun = self._written = clock.monotonic()

    def begin(self, days: int, *, done: int) -> None:
        """Count from `done`, which an earlier process has read, to `days`."""
        self._days, self._done, self._done_at_start = days, done, done
        self._begun = self._written = self._clock.monotonic()

    def advance(self, days: int) -> None:
        """Count more days, and write a line if the last one is 30 seconds old."""
        self._done += days
        now = self._clock.monotonic()
        if now - self._written >= _LINE_SECONDS:
            self._written = now
            each = (now - self._begun) / (self._done - self._done_at_start)
            left = timedelta(seconds=round(each * (self._days - self._done)))
            self._line(f"{self._done} of {self._days} days read, about {left} left")

    def write(self) -> None:
        """Write a line if reading took so long that there have been others."""
        if self._written > self._begun:
            self._line(f"all {self._days} days read, writing the file")

    def close(self) -> None:
        """Do nothing: every line is complete."""

    def _line(self, text: str) -> None:
        self._errors.write(f"{text}\n")
        self._errors.flush()


class ProgressBar:
    """Draws a bar with an estimate of the time that is left."""

    def __init__(self, errors: TextIO) -> None:
        self._errors = errors
        self._bar: tqdm[NoReturn] | None = None

    def begin(self, days: int, *, done: int) -> None:
        """Count from `done`, which an earlier process has read, to `days`."""
        from tqdm import tqdm  # noqa: PLC0415 # nothing else needs it

        tqdm.monitor_interval = 0  # no thread that redraws forgotten bars
        columns, lines = shutil.get_terminal_size()  # some terminals say 0 and 0, with which tqdm draws nothing
        self._bar = tqdm(
            desc="reading",
            total=days,
            initial=done,
            unit="day",
            file=self._errors,
            leave=False,
            ncols=columns,
            nrows=lines,
        )

    def advance(self, days: int) -> None:
        """Count more days."""
        if self._bar is not None:
            self._bar.update(days)

    def write(self) -> None:
        """Show that the file is being written."""
        if self._bar is not None:
            self._bar.set_description("writing")

    def close(self) -> None:
        """Remove the bar, so that what follows begins a line."""
        if self._bar is not None:
            self._bar.close()


def make_progress(errors: TextIO, clock: Clock) -> ProgressBar | ProgressLines:
    """Return what shows progress on `errors`."""
    return ProgressBar(errors) if errors.isatty() else ProgressLines(errors, clock)
