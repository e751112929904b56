from datetime import date, datetime

import pytest

from exporter.simulator.daterange import DateRange, parse

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("20261120", "2026-11-20 00:00:00", "2026-11-20 23:59:59"),
        ("20261120-20261121", "2026-11-20 00:00:00", "2026-11-21 23:59:59"),
        ("20261120-", "2026-11-20 00:00:00", "2026-11-23 23:59:59"),
        ("-20261120", "1900-01-01 00:00:00", "2026-11-20 23:59:59"),
        ("-", "1900-01-01 00:00:00", "2026-11-23 23:59:59"),
        ("20261120093000-20261120101500", "2026-11-20 09:30:00", "2026-11-20 10:15:00"),
        ("20261120093000", "2026-11-20 09:30:00", "2026-11-20 23:59:59"),
    ],
)
def test_a_range(text: str, start: str, end: str) -> None:
    assert parse(text, TODAY) == DateRange(datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize(
    "text", ["", "today", "2026-11-20", "20260230", "20261121-20261120", "20261124-", "2026112009"]
)
def test_what_is_not_a_range(text: str) -> None:
    assert parse(text, TODAY) is None
