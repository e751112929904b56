from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.cli.zones import ZoneGroup, fitting_zones

TOKYO, EASTERN = ZoneInfo("Asia/Tokyo"), ZoneInfo("US/Eastern")


def test_india_configured_as_japan() -> None:
    """The example of a day that ends too early: it is the 24th in Tokyo, and the 23rd in India."""
    groups = fitting_zones(datetime(2026, 11, 23, 18, 0, tzinfo=UTC), date(2026, 11, 23), TOKYO)
    assert groups[:3] == (
        ZoneGroup("+05:45", ("Asia/Kathmandu",)),
        ZoneGroup("+05:30", ("Asia/Kolkata", "Asia/Colombo")),
        ZoneGroup("+05:00", ("Asia/Karachi", "Asia/Almaty", "Asia/Aqtau", "Asia/Aqtobe")),
    )


@pytest.mark.parametrize(
    ("now", "day", "first"),
    [
        # It is still the 23rd in New York, and the 24th from São Paulo on to the east.
        (datetime(2026, 11, 24, 3, tzinfo=UTC), date(2026, 11, 24), "-03:00 America/Sao_Paulo"),
        # Summer time: New York is 4 hours behind UTC.
        (datetime(2026, 7, 1, 3, 30, tzinfo=UTC), date(2026, 7, 1), "-03:00 America/Sao_Paulo"),
        (datetime(2026, 7, 1, 4, 30, tzinfo=UTC), date(2026, 6, 30), "-05:00 US/Central"),
        (datetime(2026, 11, 24, 5, 30, tzinfo=UTC), date(2026, 11, 23), "-06:00 US/Central"),
        # For an hour, there are three dates in the world.
        (datetime(2026, 11, 24, 10, 30, tzinfo=UTC), date(2026, 11, 25), "+13:45 Pacific/Chatham"),
        (datetime(2026, 11, 24, 10, 30, tzinfo=UTC), date(2026, 11, 23), "-11:00 Pacific/Pago_Pago"),
    ],
)
def test_the_nearest_offset_is_first(now: datetime, day: date, first: str) -> None:
    offset, name = first.split()
    group = fitting_zones(now, day, EASTERN)[0]
    assert (group.offset, group.names[0]) == (offset, name)


def test_a_day_that_it_is_nowhere() -> None:
    assert fitting_zones(datetime(2026, 11, 24, 3, 0, tzinfo=UTC), date(2026, 11, 20), EASTERN) == ()


@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize("day", [23, 24, 25])
def test_every_zone_fits_and_the_list_is_short(hour: int, day: int) -> None:
    now = datetime(2026, 11, 24, hour, 0, tzinfo=UTC)
    groups = fitting_zones(now, date(2026, 11, day), EASTERN)
    assert len(groups) <= 8
    assert all(1 <= len(group.names) <= 4 for group in groups)
    for group in groups:
        for name in group.names:
            moment = now.astimezone(ZoneInfo(name))
            assert moment.date() == date(2026, 11, day)
            assert f"{moment:%z}" == group.offset.replace(":", "")
