"""What a backfill has read by now, on disk: an interrupted one continues, and memory does not grow with the range.

It is a SQLite database. Agents are in it as the configuration shows them: with a hash key, no id of V-Spark's is. There
is no token in it.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Final, Self

import msgspec
from msgspec import Struct

from exporter.backfill.days import Span
from exporter.config.targets import Target
from exporter.errors import ExporterError
from exporter.stats.model import AgentDays

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS begun (arguments TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS target (id INTEGER PRIMARY KEY, company TEXT, org TEXT, folder TEXT,
    UNIQUE (company, org, folder));
CREATE TABLE IF NOT EXISTS day_read (target INTEGER, day INTEGER, PRIMARY KEY (target, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS folder_day (target INTEGER, folder TEXT, day INTEGER, calls INTEGER, average_seconds REAL,
    PRIMARY KEY (target, folder, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agent_day (target INTEGER, folder TEXT, agent TEXT, day INTEGER, calls INTEGER,
    PRIMARY KEY (target, folder, agent, day)) WITHOUT ROWID;
"""
_WHOLE_ORG: Final = ""
"""Stands for no folder: SQLite takes every NULL for another value."""


class JournalError(ExporterError):
    """The journal cannot be used: it belongs to another backfill, to one that is running, or to none."""


class FolderDayRow(Struct, frozen=True):
    """What a folder's samples of one day need; `agents` are the ones to show."""

    day: date
    folder: str
    calls: int
    average_seconds: float | None
    agents: AgentDays


class Journal:
    """A journal in a file, for one process at a time. A context manager.

    `begun_at` is the Unix time at which the backfill began, `continued` whether that was in an earlier process. Raises
    JournalError if `arguments`, texts by their names, differ from those with which it began, or if another process uses
    it; sqlite3.Error if the file cannot be read or written, here and in every method.
    """

    def __init__(self, path: Path, arguments: Mapping[str, str], now: float) -> None:
        self._database = sqlite3.connect(path, timeout=0)
        try:
            self.continued, self.begun_at = self._begin(path, arguments, now)
        except BaseException:
            self._database.close()
            raise
        self._ids: dict[Target, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def _begin(self, path: Path, arguments: Mapping[str, str], now: float) -> tuple[bool, float]:
        database = self._database
        try:
            # The lock is held until the database is closed.
            database.executescript("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            with database:
                database.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise JournalError(f"another backfill is writing {path.parent}; wait until it has ended") from None
            raise
        row = database.execute("SELECT arguments, at FROM begun").fetchone()
        if row is None:
            with database:
                database.execute("INSERT INTO begun VALUES (?, ?)", (msgspec.json.encode(arguments).decode(), now))
            return False, now
        before = msgspec.json.decode(row[0], type=dict[str, str])
        differing = [name for name in {**before, **arguments} if before.get(name) != arguments.get(name)]
        if differing:
            raise JournalError(
                f"{path.parent} has the days of a backfill that was interrupted, which had other values of "
                f"{', '.join(differing)}: start it with the same arguments and configuration to continue, or delete "
                "that directory"
            )
        return True, row[1]

    def add(self, target: Target, days: Span, found: Iterable[FolderDayRow]) -> None:
        """Record that days of a target have been read, with what was found."""
        number = self._id(target)
        database = self._database
        with database:
            for row in found:
                day = row.day.toordinal()
                values = (number, row.folder, day, row.calls, row.average_seconds)
                database.execute("INSERT OR REPLACE INTO folder_day VALUES (?, ?, ?, ?, ?)", values)
                agents = zip(row.agents.agents, row.agents.calls, strict=True)
                database.executemany(
                    "INSERT OR REPLACE INTO agent_day VALUES (?, ?, ?, ?, ?)",
                    ((number, row.folder, agent, day, calls) for agent, calls in agents),
                )
            numbers = ((number, day.toordinal()) for day in days)
            database.executemany("INSERT OR REPLACE INTO day_read VALUES (?, ?)", numbers)

    def days_read(self, target: Target, days: Span) -> Sequence[date]:
        """Return the days of `days` that have been read, sorted."""
        rows = self._database.execute(
            "SELECT day FROM day_read WHERE target = ? AND day BETWEEN ? AND ? ORDER BY day",
            (self._id(target), days.first.toordinal(), days.last.toordinal()),
        )
        return [date.fromordinal(day) for (day,) in rows]

    def folders(self, target: Target) -> frozenset[str]:
        """Return the folders that any response of a target has named."""
        rows = self._database.execute("SELECT DISTINCT folder FROM folder_day WHERE target = ?", (self._id(target),))
        return frozenset(folder for (folder,) in rows)

    def folder_days(self, target: Target, folder: str) -> Mapping[date, tuple[int, float | None]]:
        """Return the calls of a folder and their mean duration by day, for the days that have any record."""
        rows = self._database.execute(
            "SELECT day, calls, average_seconds FROM folder_day WHERE target = ? AND folder = ?",
            (self._id(target), folder),
        )
        return {date.fromordinal(day): (calls, average) for day, calls, average in rows}

    def agent_days(self, target: Target, folder: str) -> Iterator[tuple[str, date, int]]:
        """Yield the agents of a folder, each with its days and calls, sorted by agent and day."""
        query = "SELECT agent, day, calls FROM agent_day WHERE target = ? AND folder = ? ORDER BY agent, day"
        with closing(self._database.cursor()) as cursor:
            for agent, day, calls in cursor.execute(query, (self._id(target), folder)):
                yield agent, date.fromordinal(day), calls

    def _id(self, target: Target) -> int:
        known = self._ids.get(target)
        if known is None:
            names = (target.company, target.org, target.folder or _WHOLE_ORG)
            with self._database:
                self._database.execute("INSERT OR IGNORE INTO target (company, org, folder) VALUES (?, ?, ?)", names)
            query = "SELECT id FROM target WHERE (company, org, folder) = (?, ?, ?)"
            (known,) = self._database.execute(query, names).fetchone()
            self._ids[target] = known
        return int(known)
