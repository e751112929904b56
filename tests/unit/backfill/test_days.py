from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.backfill.days import Rejected, Span, plan, sample_times, spans
from tests.support.fake_clock import target_of

LONG_AFTER = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
HOUR = 3600


def local(zone: str, text: str, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp())


@pytest.mark.parametrize(
    ("zone", "day", "first", "last", "hours"),
    [
        ("Europe/Berlin", "2026-11-23", "2026-11-24T00:00", "2026-11-24T23:00", 24),
        ("Europe/Berlin", "2026-10-24", "2026-10-25T00:00", "2026-10-25T23:00", 25),
        ("US/Eastern", "2026-03-07", "2026-03-08T00:00", "2026-03-08T23:00", 23),
        ("Asia/Kolkata", "2026-03-07", "2026-03-08T00:00", "2026-03-08T23:00", 24),
        ("America/Santiago", "2026-09-05", "2026-09-06T01:00", "2026-09-06T23:00", 23),  # midnight is skipped
        ("America/Havana", "2026-10-31", "2026-11-01T00:00", "2026-11-01T23:00", 25),  # 0:00 to 1:00 comes twice
    ],
)
def test_samples_from_one_midnight_to_the_next(zone: str, day: str, first: str, last: str, hours: int) -> None:
    times = sample_times(ZoneInfo(zone), date.fromisoformat(day), HOUR, LONG_AFTER)
    assert (times[0], times[-1], len(times)) == (local(zone, first), local(zone, last), hours)


def test_a_day_that_the_calendar_skips_has_no_samples() -> None:
    """Samoa had no December 30 in 2011, so the 29th is the previous day of the 31st, as in live polling."""
    zone = ZoneInfo("Pacific/Apia")
    before, skipped, after = (sample_times(zone, date(2011, 12, day), HOUR, LONG_AFTER) for day in (29, 30, 31))
    assert (before[0], before[-1]) == (
        local("Pacific/Apia", "2011-12-31T00:00"),
        local("Pacific/Apia", "2011-12-31T23:00"),
    )
    assert list(skipped) == []
    assert after[0] == local("Pacific/Apia", "2012-01-01T00:00")


def test_the_samples_of_two_days_do_not_meet() -> None:
    zone = ZoneInfo("Europe/Berlin")
    one, other = (sample_times(zone, date(2026, 11, day), 7 * HOUR, LONG_AFTER) for day in (22, 23))
    assert list(one) == [local("Europe/Berlin", f"2026-11-23T{hour:02}:00") for hour in (0, 7, 14, 21)]
    assert other[0] == local("Europe/Berlin", "2026-11-24T00:00")


def test_no_sample_of_the_last_three_hours() -> None:
    now = local("UTC", "2026-11-25T12:00")
    times = sample_times(ZoneInfo("UTC"), date(2026, 11, 24), HOUR, now)
    assert (times[0], times[-1]) == (local("UTC", "2026-11-25T00:00"), local("UTC", "2026-11-25T08:00"))


TOO_NEW = "it ended less than three hours ago, and Prometheus must not load samples that are so new"


@pytest.mark.parametrize(
    ("now", "last", "written", "rejected"),
    [
        ("2026-11-25T12:00", None, "2026-11-20 to 2026-11-24", []),
        ("2026-11-25T03:01", None, "2026-11-20 to 2026-11-24", []),
        ("2026-11-25T03:00", None, "2026-11-20 to 2026-11-23", []),
        ("2026-11-25T12:00", "2026-11-24", "2026-11-20 to 2026-11-24", []),
        ("2026-11-25T12:00", "2026-11-21", "2026-11-20 to 2026-11-21", []),
        ("2026-11-25T12:00", "2026-11-20", "2026-11-20", []),
        ("2026-11-25T12:00", "2026-11-25", "2026-11-20 to 2026-11-24", ["2026-11-25: the day is not over in UTC"]),
        (
            "2026-11-25T02:00",
            "2026-11-26",
            "2026-11-20 to 2026-11-23",
            [f"2026-11-24: {TOO_NEW}", "2026-11-25 to 2026-11-26: the day is not over in UTC"],
        ),
        ("2026-11-20T12:00", None, None, ["2026-11-20: the day is not over in UTC"]),
        ("2026-11-21T01:00", None, None, [f"2026-11-20: {TOO_NEW}"]),
        ("2026-11-01T12:00", "2026-11-21", None, ["2026-11-20 to 2026-11-21: the day is not over in UTC"]),
    ],
)
def test_days_that_are_over(now: str, last: str | None, written: str | None, rejected: list[str]) -> None:
    target = target_of("UTC")
    end = date.fromisoformat(last) if last else None
    planned, left_out = plan([target], date(2026, 11, 20), end, local("UTC", now))
    assert [f"{each.days}" for each in planned] == ([written] if written else [])
    assert [f"{each.days}: {each.reason}" for each in left_out] == rejected


def test_each_org_has_its_own_yesterday() -> None:
    now = datetime(2026, 11, 25, 10, 30, tzinfo=UTC).timestamp()
    targets = [
        target_of("Pacific/Auckland", org="NZ"),
        target_of("US/Eastern", "F", org="US"),
        target_of("US/Eastern", "G", org="US"),
        target_of(None, "A", org="No"),
        target_of(None, "B", org="No"),
    ]
    planned, rejected = plan(targets, date(2026, 11, 25), date(2026, 11, 25), now)
    assert (planned, [(each.org, each.reason[:22]) for each in rejected]) == (
        [],
        [("C/NZ", "the day is not over in"), ("C/US", "the day is not over in"), ("C/No", "its time zone is unkno")],
    )
    planned, rejected = plan(targets, date(2026, 11, 20), None, now)
    assert [f"{each.target.name}: {each.days}" for each in planned] == [
        "C/NZ: 2026-11-20 to 2026-11-24",
        "C/US/F: 2026-11-20 to 2026-11-24",
        "C/US/G: 2026-11-20 to 2026-11-24",
    ]
    no_zone = "its time zone is unknown, so its days have no beginning: set companies[].orgs[].timezone"
    assert rejected == [Rejected("C/No", Span(date(2026, 11, 20), date(2026, 11, 20)), no_zone)]


def test_spans() -> None:
    assert [str(each) for each in spans([date(2026, 11, day) for day in (1, 3, 4, 5, 9)])] == [
        "2026-11-01",
        "2026-11-03 to 2026-11-05",
        "2026-11-09",
    ]
    assert spans([]) == []
