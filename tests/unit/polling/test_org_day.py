from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.exposition.families import ORG_VALUES, Family
from exporter.exposition.store import Store
from exporter.polling.org_day import OrgSeries, ZoneDays, midnight, previous_day
from tests.support.fake_clock import target_of
from tests.support.finished_steps import publish
from tests.support.zone_changes import ZONES, check_changes

MOMENTS = st.integers(
    int(datetime(2011, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2037, 1, 1, tzinfo=UTC).timestamp())
)


def utc(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("zone", "day", "begins", "hours"),
    [
        ("US/Eastern", date(2026, 3, 7), "2026-03-07 05:00:00", 24),
        ("US/Eastern", date(2026, 3, 8), "2026-03-08 05:00:00", 23),
        ("US/Eastern", date(2026, 3, 9), "2026-03-09 04:00:00", 24),
        ("US/Eastern", date(2026, 11, 1), "2026-11-01 04:00:00", 25),
        ("US/Eastern", date(2026, 11, 2), "2026-11-02 05:00:00", 24),
        ("Asia/Kolkata", date(2026, 11, 23), "2026-11-22 18:30:00", 24),
        ("Pacific/Auckland", date(2026, 4, 5), "2026-04-04 11:00:00", 25),
        ("Pacific/Auckland", date(2026, 9, 27), "2026-09-26 12:00:00", 23),
        ("Pacific/Auckland", date(2026, 9, 28), "2026-09-27 11:00:00", 24),
        # Midnight is skipped: the day begins at 1:00.
        ("America/Santiago", date(2025, 9, 7), "2025-09-07 04:00:00", 23),
        ("Asia/Beirut", date(2025, 3, 30), "2025-03-29 22:00:00", 23),
        ("Africa/Cairo", date(2025, 4, 25), "2025-04-24 22:00:00", 23),
        ("America/Havana", date(2025, 3, 9), "2025-03-09 05:00:00", 23),
        # It comes twice: the day begins at the first, and goes on at the second.
        ("America/Havana", date(2025, 11, 2), "2025-11-02 04:00:00", 25),
        # The clocks reach midnight, and go back to 23:00 of the same day.
        ("America/Santiago", date(2025, 4, 5), "2025-04-05 03:00:00", 25),
        ("Asia/Beirut", date(2025, 10, 25), "2025-10-24 21:00:00", 25),
        ("Africa/Cairo", date(2025, 10, 30), "2025-10-29 21:00:00", 25),
        # They go three hours forward, at 0:01.
        ("Antarctica/Casey", date(2020, 10, 4), "2020-10-03 16:00:00", 21),
        # Half an hour forward, and back.
        ("Australia/Lord_Howe", date(2026, 10, 4), "2026-10-03 13:30:00", 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04 13:00:00", 24.5),
        ("Asia/Kathmandu", date(2027, 1, 1), "2026-12-31 18:15:00", 24),
        # They went back at 0:01, and the day goes on: it has begun.
        ("America/St_Johns", date(2010, 11, 6), "2010-11-06 02:30:00", 24),
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07 02:30:00", 25),
        # Samoa crossed the date line: there was no 30 December.
        ("Pacific/Apia", date(2011, 12, 29), "2011-12-29 10:00:00", 24),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30 10:00:00", 24),
    ],
)
def test_a_day_and_its_midnights(zone: str, day: date, begins: str, hours: float) -> None:
    begin = midnight(ZoneInfo(zone), day)
    end = begin + hours * 3600
    assert utc(begin) == begins
    days = ZoneDays()
    moments = (begin, begin + 1800, begin + 5400, (begin + end) / 2, end - 3600, end - 0.001)
    assert {days.today(ZoneInfo(zone), moment) for moment in moments} == {day}
    assert {days.next_midnight(ZoneInfo(zone), moment) for moment in moments} == {end}
    assert days.today(ZoneInfo(zone), begin - 0.001) < day < days.today(ZoneInfo(zone), end)


@given(
    zone=st.sampled_from(ZONES), moments=st.lists(MOMENTS, min_size=1, max_size=5), step=st.integers(-90_000, 90_000)
)
@settings(deadline=None)
def test_every_moment_is_in_its_day(zone: str, moments: list[int], step: int) -> None:
    days, place = ZoneDays(), ZoneInfo(zone)
    for now in [*moments, *(moment + step for moment in moments)]:
        today = days.today(place, now)
        assert today == ZoneDays().today(place, now) == datetime.fromtimestamp(now, UTC).astimezone(place).date()
        assert midnight(place, today) <= now < days.next_midnight(place, now)


@pytest.mark.parametrize(("first", "last"), [(2004, 2010), (2011, 2040)])
def test_around_every_change_a_day_ends_where_the_next_one_begins(first: int, last: int) -> None:
    """Some zones; tests/integration/test_every_zone.py has all of them."""
    unusual = {"Africa/Cairo", "America/Havana", "America/St_Johns", "Antarctica/Casey", "Asia/Beirut", "Pacific/Apia"}
    check_changes(sorted({*ZONES[::20], *unusual}), first, last)


def test_each_zone_has_its_own_day() -> None:
    days = ZoneDays()
    now = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
    zones = ("Pacific/Auckland", "US/Eastern", "Pacific/Auckland", "US/Eastern")
    assert [days.today(ZoneInfo(zone), now) for zone in zones] == 2 * [date(2026, 11, 24), date(2026, 11, 23)]


@pytest.mark.parametrize("zone", ["US/Eastern", None])
def test_the_figures_of_an_org_are_published_whenever_they_change(
    zone: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = Family("folders", "gauge", "Folders of an org.", ("company", "org"))
    monkeypatch.setitem(ORG_VALUES, family, lambda org: org.folders)
    monkeypatch.setattr("exporter.exposition.store._FEW_TEXTS", -1)
    store, series, day = Store(), OrgSeries(), date(2026, 11, 23) if zone else None
    published = []
    before: dict[str | None, int | None] = {}
    for folder, folders in (("A", 1), ("A", 1), (None, 40), ("A", None), (None, 41), (None, None)):
        draft = store.draft()
        series.put(target_of(zone, folder), day if folders else None, before.get(folder), folders, draft)
        publish(store, draft)
        before[folder] = folders
        blocks = store.blocks((family.name, None))
        published.append(
            "".join(text.decode() for group in blocks for _, text in zip(group.keys, group.texts(), strict=True))
        )
    sample = 'folders{company="C",org="O"} '
    assert published == [*(f"{sample}{number}.0\n" for number in (1, 1, 41, 40, 41)), ""]


@pytest.mark.parametrize(
    ("zone", "day", "before"),
    [
        ("US/Eastern", date(2026, 3, 9), date(2026, 3, 8)),
        ("US/Eastern", date(2026, 11, 2), date(2026, 11, 1)),
        ("America/Santiago", date(2025, 9, 7), date(2025, 9, 6)),
        ("Pacific/Apia", date(2011, 12, 31), date(2011, 12, 29)),  # there was no 30 December
    ],
)
def test_the_day_before(zone: str, day: date, before: date) -> None:
    assert previous_day(ZoneInfo(zone), day) == before
    assert midnight(ZoneInfo(zone), before) < midnight(ZoneInfo(zone), day)
