from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from exporter.simulator import afternoon_site, demo_site, zone_at
from exporter.simulator.calls import FolderCalls
from exporter.simulator.responses import stats

NOW = datetime(2026, 11, 24, 20, 20, tzinfo=UTC)


@pytest.mark.parametrize("utc_hour", range(24))
def test_it_is_afternoon_in_every_org_at_any_time(utc_hour: int) -> None:
    now = datetime(2026, 7, 1, utc_hour, 59, tzinfo=UTC)
    orgs = {org.name: org for company in afternoon_site(now).companies for org in company.orgs}
    assert {name: now.astimezone(org.zone).hour for name, org in orgs.items()} == {
        "DocTestCo-DocTesting": 15,
        "DocTestCo-West": 14,
        "Nordwind-Service": 17,
        "LotusTravel-Bookings": 16,
        "KauriBank-Cards": 13,
    }


def test_the_clocks_of_its_zones_never_change() -> None:
    zones = {zone_at(hour, NOW) for hour in range(24)}
    assert len(zones) == 24
    days = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in range(3 * 365)]
    assert [zone for zone in zones if len({day.astimezone(ZoneInfo(zone)).utcoffset() for day in days}) > 1] == []


def test_all_but_the_zones_and_one_folder_is_as_in_the_demo_site() -> None:
    site, demo = afternoon_site(NOW, seed=5), demo_site(seed=5)
    assert (site.seed, site.root_token) == (5, demo.root_token)
    assert [(each.name, each.token, [org.name for org in each.orgs]) for each in site.companies] == [
        (each.name, each.token, [org.name for org in each.orgs]) for each in demo.companies
    ]
    folders = [folder for company in site.companies for org in company.orgs for folder in org.folders]
    before = [folder for company in demo.companies for org in company.orgs for folder in org.folders]
    assert [each.name for each, old in zip(folders, before, strict=True) if each != old] == ["Zentrale"]


def test_one_folder_is_silent_since_eleven() -> None:
    site = afternoon_site(NOW)
    (nordwind,) = (org for company in site.companies for org in company.orgs if org.name == "Nordwind-Service")

    def zentrale(now: datetime, day: str) -> list[FolderCalls]:
        return [each for each in stats(site, nordwind, nordwind.folders, now, day) if each.folder == "Zentrale"]

    today = f"{NOW.astimezone(nordwind.zone):%Y%m%d}"
    eleven = NOW.astimezone(nordwind.zone).replace(hour=11, minute=0)
    (before,), (at_eleven,), (now,) = (zentrale(at, today) for at in (eleven - timedelta(hours=1), eleven, NOW))
    assert 0 < before.calls < at_eleven.calls
    assert at_eleven == now
    tomorrow = NOW + timedelta(days=1)
    assert zentrale(tomorrow, f"{tomorrow.astimezone(nordwind.zone):%Y%m%d}") == []
    (yesterday,) = zentrale(NOW, f"{(NOW - timedelta(days=1)).astimezone(nordwind.zone):%Y%m%d}")
    assert yesterday.calls > now.calls
