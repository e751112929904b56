"""The simulated calls: a pure function of seed and instant that never goes down within a day."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from exporter.simulator import Folder, Org, Site, demo_site, wide_site
from exporter.simulator.calls import FolderCalls, midnight
from exporter.simulator.responses import stats

SITE = Site(())
NOW = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("US/Eastern", date(2026, 11, 1), 25),
        ("US/Eastern", date(2026, 3, 8), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Asia/Kolkata", date(2026, 11, 23), 24),
        ("Pacific/Auckland", date(2026, 9, 27), 23),
        ("America/Havana", date(2026, 11, 1), 25),  # its midnight comes twice
    ],
)
def test_counts_start_at_midnight_and_never_go_down(zone: str, day: date, hours: int) -> None:
    folders = (
        Folder("office", 900, ("a", "b", "c"), weekend_share=0.9),
        Folder("always", 2000, ("a", "b", "c", "d"), around_the_clock=True),
        Folder("nobody", 500, around_the_clock=True),
    )
    org = Org("Co-Org", zone, folders)
    begin = midnight(ZoneInfo(zone), day)
    for folder in folders:
        assert stats(SITE, org, (folder,), begin, None) == []
        seen = []
        for minutes in range(5, hours * 60, 5):
            seen += stats(SITE, org, (folder,), begin + timedelta(minutes=minutes), None)
        assert {one.day for one in seen} == {day}
        for before, after in pairwise(seen):
            assert before.calls <= after.calls
            assert before.seconds <= after.seconds
            now = {agent.agent: agent.calls for agent in after.agents}
            assert all(agent.calls <= now[agent.agent] for agent in before.agents)
        assert seen[-1].calls > 100
        assert stats(SITE, org, (folder,), begin + timedelta(hours=hours), None) == []


def test_a_folder_is_the_sum_of_its_agents() -> None:
    site = demo_site()
    found = [
        day
        for company in site.companies
        for org in company.orgs
        for day in stats(site, org, org.folders, NOW, "20261116-20261123")
    ]
    with_agents = [day for day in found if day.agents]
    assert 60 < len(with_agents) < len(found)
    for day in with_agents:
        assert day.calls == sum(agent.calls for agent in day.agents)
        assert day.seconds == sum(agent.seconds for agent in day.agents)


def test_somewhere_in_the_demo_calls_arrive_at_any_hour_of_the_week() -> None:
    site = demo_site()

    def calls(instant: datetime) -> list[int]:
        return [
            sum(day.calls for day in stats(site, org, org.folders, instant, None))
            for company in site.companies
            for org in company.orgs
        ]

    for hour in range(24):
        instant = NOW + timedelta(hours=hour)
        assert calls(instant) != calls(instant + timedelta(minutes=1)), instant
    for hour in range(0, 7 * 24, 5):
        instant = NOW + timedelta(hours=hour)
        assert calls(instant) != calls(instant + timedelta(minutes=5)), instant


def test_the_curve_has_its_humps_by_day() -> None:
    org = demo_site().companies[1].orgs[0]  # Europe/Berlin
    begin = midnight(org.zone, date(2026, 11, 24))
    total = [sum(d.calls for d in stats(SITE, org, org.folders, begin + timedelta(hours=h), None)) for h in range(24)]
    hourly = [after - before for before, after in pairwise(total)]
    assert hourly[10] > 2 * hourly[7] > 4 * hourly[3]
    assert hourly[14] > 2 * hourly[18] > 2 * hourly[22]


def test_same_seed_same_numbers_other_seed_other_numbers() -> None:
    def numbers(seed: int) -> list[FolderCalls]:
        site = demo_site(seed)
        return [day for org in site.companies[0].orgs for day in stats(site, org, org.folders, NOW, None)]

    assert numbers(1) == numbers(1)
    assert numbers(1) != numbers(2)


def test_wide_site_has_everybody_on_the_phone() -> None:
    site = wide_site(2, 3, 50)
    (company,) = site.companies
    assert [org.name for org in company.orgs] == ["WideCo-Org001", "WideCo-Org002"]
    evening = datetime(2026, 11, 22, 21, tzinfo=UTC)  # a Sunday
    found = stats(site, company.orgs[0], company.orgs[0].folders, evening, None)
    assert [(day.folder, len(day.agents)) for day in found] == [("Folder001", 50), ("Folder002", 50), ("Folder003", 50)]
