import sqlite3
from datetime import date
from pathlib import Path

import pytest

from exporter.backfill.days import Span
from exporter.backfill.journal import FolderDayRow, Journal, JournalError
from exporter.stats.model import AgentDay, AgentDays
from tests.support.fake_clock import target_of
from tests.support.raw_servers import CANARY

MON, TUE, WED = (date(2026, 11, day) for day in (23, 24, 25))
WEEK = Span(date(2026, 11, 22), date(2026, 11, 28))
WHOLE, ONE = target_of("UTC"), target_of("UTC", "F", org="P")
AGENTS = AgentDays.of([AgentDay("b", 2), AgentDay("a", 1)])


def opened(folder: Path, now: float = 5.0, **arguments: str) -> Journal:
    return Journal(folder / "journal", arguments, now)


def fill(journal: Journal) -> None:
    journal.add(
        WHOLE, Span(MON, TUE), [FolderDayRow(TUE, "G", 3, 1.5, AGENTS), FolderDayRow(MON, "F", 1, None, AGENTS)]
    )
    journal.add(ONE, Span(WED, WED), [])
    journal.add(WHOLE, Span(WED, WED), [FolderDayRow(WED, "G", 4, 2.5, AgentDays.of([AgentDay("a", 4)]))])


def test_what_was_read(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        fill(journal)
    with opened(tmp_path, 99.0) as journal:
        assert (journal.continued, journal.begun_at) == (True, 5.0)
        assert journal.days_read(WHOLE, WEEK) == [MON, TUE, WED]
        assert journal.days_read(WHOLE, Span(TUE, TUE)) == [TUE]
        assert journal.days_read(ONE, WEEK) == [WED]
        assert journal.folders(WHOLE) == {"F", "G"}
        assert journal.folders(ONE) == frozenset()
        assert journal.folder_days(WHOLE, "G") == {TUE: (3, 1.5), WED: (4, 2.5)}
        assert journal.folder_days(WHOLE, "F") == {MON: (1, None)}
        assert list(journal.agent_days(WHOLE, "G")) == [("a", TUE, 1), ("a", WED, 4), ("b", TUE, 2)]
        assert list(journal.agent_days(ONE, "F")) == []


def test_a_new_one(tmp_path: Path) -> None:
    with opened(tmp_path, 7.0) as journal:
        assert (journal.continued, journal.begun_at) == (False, 7.0)
        assert journal.days_read(WHOLE, WEEK) == []


def test_a_day_that_is_read_again_counts_once(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        fill(journal)
        fill(journal)
        assert journal.days_read(WHOLE, WEEK) == [MON, TUE, WED]
        assert journal.folder_days(WHOLE, "G") == {TUE: (3, 1.5), WED: (4, 2.5)}


def test_other_arguments(tmp_path: Path) -> None:
    with opened(tmp_path, first="1", last="2"):
        pass
    with pytest.raises(JournalError) as caught:
        opened(tmp_path, first="3", agents="yes")
    assert str(caught.value) == (
        f"{tmp_path} has the days of a backfill that was interrupted, which had other values of first, last, agents: "
        "start it with the same arguments and configuration to continue, or delete that directory"
    )
    with opened(tmp_path, last="2", first="1") as journal:
        assert journal.continued


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(JournalError) as caught:
        opened(tmp_path)
    assert str(caught.value) == f"another backfill is writing {tmp_path}; wait until it has ended"


def test_a_file_that_is_not_a_journal(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"something else" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="file is not a database"):
        opened(tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        opened(tmp_path / "missing")


def test_there_is_no_token_in_it(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        fill(journal)
    assert [path for path in tmp_path.iterdir() if CANARY.encode() in path.read_bytes()] == []
