import json
from datetime import date
from typing import Any

import pytest

from exporter.errors import DecodeError
from exporter.runtime.steps import Steps
from exporter.stats.field_names import Layouts
from exporter.stats.model import FolderDay
from exporter.stats.parser import Parser, Requested
from exporter.stats.several_days import read_days
from tests.support.finished_steps import finished

MON, TUE, WED, THU = (date(2026, 11, day) for day in (23, 24, 25, 26))


def read(body: Any, first: date = MON, last: date = WED, folder: str | None = None) -> list[tuple[date, str, int]]:
    found: list[tuple[date, str, int]] = []

    def put(day: date, folder_day: FolderDay) -> Steps[None]:
        found.append((day, folder_day.folder, folder_day.calls))
        yield

    requested = Requested("Co", "Org", folder, first)
    finished(read_days(Parser(Layouts()), json.dumps(body).encode(), requested, last, put))
    return sorted(found)


def record(day: date | None, folder: str | None, calls: Any) -> dict[str, Any]:
    fields = {"date": day and f"{day:%Y%m%d}", "folder": folder, "calls": calls}
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize(
    "body",
    [
        [record(MON, "A", 1), record(TUE, "A", 2), record(TUE, "B", 3)],
        {"A": {"20261123": {"calls": 1}, "2026-11-24": {"calls": 2}}, "B": {"20261124": {"calls": 3}}},
        {"20261123": {"A": {"calls": 1}}, "20261124": {"A": {"calls": 2}, "B": {"calls": 3}}},
    ],
)
def test_days_and_folders(body: Any) -> None:
    assert read(body) == [(MON, "A", 1), (TUE, "A", 2), (TUE, "B", 3)]


def test_records_of_one_folder_and_day_add_up() -> None:
    assert read([record(MON, "A", 1), record(TUE, "A", 2), record(MON, "A", 4)]) == [(MON, "A", 5), (TUE, "A", 2)]


def test_other_days_and_folders_are_left_out() -> None:
    body = [record(MON, "A", 1), record(THU, "A", 2), record(TUE, "B", 3)]
    assert read(body, folder="A") == [(MON, "A", 1)]
    assert read(body, TUE, TUE) == [(TUE, "B", 3)]


@pytest.mark.parametrize("body", [[], {}, {"stats": []}])
def test_no_calls(body: Any) -> None:
    assert read(body) == []


def test_a_record_without_a_date_is_of_the_only_day_that_is_requested() -> None:
    body = {"A": {"calls": 1}}
    assert read(body, MON, MON) == [(MON, "A", 1)]
    with pytest.raises(DecodeError) as caught:
        read(body)
    assert str(caught.value) == ("$.A: this day record has no date, so it could be of any of the requested days")


NEGATIVE = "$[1].calls: expected a number of calls, found a negative number"


@pytest.mark.parametrize(
    ("body", "folder", "message"),
    [
        (
            [record(MON, "B", 1)],
            "A",
            "$: no day record is of the requested folder; check its name in the configuration",
        ),
        ([record(MON, "A", 1), record(THU, "A", -1)], None, NEGATIVE),
        (
            [record(THU, "A", 1), record(MON, "B", 1)],
            "A",
            "$: no day record is of the requested days, so whether they had calls is unknown",
        ),
        (
            [record(THU, "A", 1)],
            None,
            "$: no day record is of the requested days, so whether they had calls is unknown",
        ),
    ],
)
def test_rejected(body: Any, folder: str | None, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read(body, folder=folder)
    assert str(caught.value) == message


def test_a_day_has_to_be_requested() -> None:
    nothing = Requested("Co", "Org", None, None)
    with pytest.raises(ValueError, match=r"^no day is requested$"):
        finished(read_days(Parser(Layouts()), b"[]", nothing, MON, lambda *_: iter(())))  # type: ignore[arg-type]
