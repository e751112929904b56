from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from exporter.simulator import Company, Folder, Org, Site
from exporter.simulator.responses import Rejection, access, config_of, stats

NOON = datetime(2026, 11, 23, 17, tzinfo=UTC)  # a Monday, 12:00 in US/Eastern
ORG = Org("A-Org", "US/Eastern", (Folder("Test01", 100, ("a1", "a2")), Folder("Test02", 50)), long_name="Org of A")
A, B = Company("A", "token-a", (ORG,)), Company("B", "token-b", (Org("B-Org", "UTC", ()),))
SITE = Site((A, B), root_token="root-token")


def test_a_companys_token_is_valid_for_its_own_orgs() -> None:
    allowed = access(SITE, "token-a")
    assert allowed.companies == (A,)
    assert allowed.company("A") is A
    assert allowed.org("A", "A-Org") is ORG
    assert allowed.folder("A", "A-Org", "Test02").name == "Test02"


def test_the_root_token_is_valid_for_every_company() -> None:
    assert access(SITE, "root-token").companies == (A, B)


@pytest.mark.parametrize(
    ("token", "path", "status", "text"),
    [
        (None, ("A",), 400, 'Missing "token" field'),
        ("", ("A",), 400, 'Missing "token" field'),
        ("other", ("A",), 400, "Invalid token was provided"),
        ("token-a", ("B",), 400, "Auth token doesn't match"),
        ("token-a", ("C",), 404, "Company not found"),
        ("token-a", ("A", "x"), 404, "Organization x not found"),
        ("token-a", ("A", "A-Org", "x"), 404, "Folder x not found"),
    ],
)
def test_what_is_rejected(token: str | None, path: tuple[str, ...], status: int, text: str) -> None:
    def find() -> object:
        allowed = access(SITE, token)
        return (allowed.company, allowed.org, allowed.folder)[len(path) - 1](*path)

    with pytest.raises(Rejection) as caught:
        find()
    assert (caught.value.status, caught.value.text) == (status, text)


def test_without_a_range_it_is_today_in_the_time_zone_of_the_org() -> None:
    today = stats(SITE, ORG, ORG.folders, NOON, None)
    assert [(f"{day.day}", day.folder) for day in today] == [("2026-11-23", "Test01"), ("2026-11-23", "Test02")]
    assert today == stats(SITE, ORG, ORG.folders, NOON, "20261123")
    assert stats(SITE, ORG, ORG.folders, NOON.replace(hour=5), None) == []


def test_a_range_ends_now_and_begins_with_the_org() -> None:
    days = stats(SITE, ORG, ORG.folders[:1], NOON, "20261120-20261130")
    assert [f"{day.day}" for day in days] == ["2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"]
    assert stats(SITE, ORG, ORG.folders, NOON, "20100101-20100131") == []
    assert stats(SITE, ORG, ORG.folders, NOON, "no range") == []


def test_calls_are_counted_once_they_are_transcribed() -> None:
    late = replace(SITE, transcription=timedelta(hours=2))
    folders = ORG.folders[:1]
    midnight = datetime(2026, 11, 24, 5, tzinfo=UTC)

    def monday(site: Site, now: datetime) -> int:
        return sum(day.calls for day in stats(site, ORG, folders, now, "20261123-20261123"))

    assert monday(late, NOON) == monday(SITE, NOON - timedelta(hours=2)) < monday(SITE, NOON)
    evening = midnight - timedelta(hours=3.5)
    assert monday(late, evening) < monday(late, midnight) == monday(SITE, midnight - timedelta(hours=2))
    assert monday(late, midnight + timedelta(hours=2)) == monday(SITE, midnight)
    assert stats(late, ORG, folders, midnight + timedelta(hours=1), None) == []


def test_the_configuration_names_the_time_zone() -> None:
    assert config_of(A) == {
        "A-Org": {
            "company": "A",
            "created": "2017-05-18",
            "name": "Org of A",
            "retention": -1,
            "status": "OK",
            "timezone": "US/Eastern",
        }
    }
