from collections.abc import Mapping

import pytest

from exporter.errors import REASONS
from exporter.exposition.families import FolderFigures
from exporter.polling.snapshot import Health, TargetStatus
from exporter.polling.target_state import LastError
from exporter.runtime.steps import Pauses
from exporter.status.query import Sort, StatusQuery
from tests.support.target_statuses import AUTH, NOW, status_of

MANY = {f"Folder{number:05}": FolderFigures(calls=number % 777, agents=number) for number in range(3000)}
TARGETS = (
    status_of("Zentrale"),
    status_of("Süd", Health.FAILING, folders={"Süd": FolderFigures(calls=7, average_seconds=9.0, agents=1)}),
    status_of("ärger", Health.WAITING, next_poll_seconds=1.0),
    status_of(
        org="West",
        folders={"b": FolderFigures(calls=5, average_seconds=60.0, agents=2), "A": FolderFigures(calls=8, agents=1)},
        success_age_seconds=3.0,
    ),
    status_of("gone", Health.STALE, success_age_seconds=900.0),
)


async def chosen(given: Mapping[str, str], targets: tuple[TargetStatus, ...] = TARGETS) -> list[str]:
    query, problems = StatusQuery.parse(given)
    assert problems == ()
    found = []
    for each in await query.select(targets, Pauses()):
        found.append(each.status.target.name)
        if each.status.target.folder is None:
            folders = [folder for folder, _ in each.folders]
            assert len(folders) == each.folders_matching
            found += [f"  {folder}" for folder in folders]
    return found


WEST = ["C/West", "  A", "  b"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["C/O/gone", "C/O/Süd", "C/O/ärger", "C/O/Zentrale", *WEST]),
        ({"sort": "state", "order": "desc"}, ["C/O/Zentrale", *WEST, "C/O/ärger", "C/O/Süd", "C/O/gone"]),
        ({"sort": "name"}, ["C/O/gone", "C/O/Süd", "C/O/Zentrale", "C/O/ärger", *WEST]),
        (
            {"sort": "name", "order": "desc"},
            ["C/West", "  b", "  A", "C/O/ärger", "C/O/Zentrale", "C/O/Süd", "C/O/gone"],
        ),
        ({"sort": "calls"}, ["C/O/Zentrale", *WEST, "C/O/Süd", "C/O/gone", "C/O/ärger"]),
        (
            {"sort": "calls", "order": "asc"},
            ["C/O/Süd", "C/West", "  b", "  A", "C/O/Zentrale", "C/O/gone", "C/O/ärger"],
        ),
        ({"sort": "duration"}, ["C/O/Zentrale", "C/West", "  b", "  A", "C/O/Süd", "C/O/gone", "C/O/ärger"]),
        ({"sort": "agents"}, ["C/O/Zentrale", "C/West", "  b", "  A", "C/O/Süd", "C/O/gone", "C/O/ärger"]),
        ({"sort": "success"}, ["C/O/gone", "C/O/Süd", "C/O/Zentrale", *WEST, "C/O/ärger"]),
        ({"sort": "next"}, ["C/O/ärger", "C/O/gone", "C/O/Süd", "C/O/Zentrale", *WEST]),
        ({"state": "failing"}, ["C/O/Süd"]),
        ({"state": "ok"}, ["C/O/Zentrale", *WEST]),
        ({"filter": "SÜD"}, ["C/O/Süd"]),
        ({"filter": "west/a"}, ["C/West", "  A"]),
        ({"filter": " b  C/wes "}, ["C/West", "  b"]),
        ({"filter": "west"}, WEST),
        ({"filter": "west", "state": "stale"}, []),
        ({"filter": "nobody"}, []),
    ],
)
async def test_select(given: Mapping[str, str], expected: list[str]) -> None:
    assert await chosen(given) == expected


async def test_only_what_fails_for_a_reason() -> None:
    targets = (
        status_of("Recovered", error=AUTH),
        status_of("Fails", Health.FAILING, error=AUTH),
        status_of("Gone", Health.STALE, error=AUTH),
        status_of("Other", Health.FAILING, error=LastError.of("dns", "no address", NOW)),
        status_of("Quiet", Health.STALE),
    )
    assert await chosen({"reason": "auth"}, targets) == ["C/O/Gone", "C/O/Fails"]
    assert await chosen({"reason": "auth", "state": "failing"}, targets) == ["C/O/Fails"]
    assert await chosen({"reason": "tls"}, targets) == []


async def test_an_org_without_values_is_found_by_its_name() -> None:
    assert await chosen({"filter": "c/o"}, (status_of(health=Health.STALE),)) == ["C/O"]


async def test_more_folders_than_are_sorted_at_once() -> None:
    found = await chosen({"sort": "calls"}, (status_of(folders=MANY),))
    assert found[1:] == [f"  {name}" for name in sorted(MANY, key=lambda name: (-MANY[name].calls, name))]
    assert await chosen({"filter": "er02999"}, (status_of(folders=MANY),)) == ["C/O", "  Folder02999"]


@pytest.mark.parametrize(
    ("given", "query", "problems"),
    [
        ({}, StatusQuery(), ()),
        ({"filter": "  ", "state": "", "sort": "", "order": "", "refresh": "", "other": "1"}, StatusQuery(), ()),
        (
            {"filter": " a b ", "state": "ok", "sort": "calls", "order": "asc", "refresh": "0"},
            StatusQuery("a b", Health.OK, sort=Sort.CALLS, descending=False, refresh=False),
            (),
        ),
        ({"reason": "auth"}, StatusQuery(reason="auth"), ()),
        ({"sort": "success"}, StatusQuery(sort=Sort.SUCCESS, descending=True), ()),
        (
            {"state": "bad", "reason": "bad", "sort": "x", "order": "up", "refresh": "5"},
            StatusQuery(),
            (
                "state='bad' is unknown, expected one of stale, failing, waiting, ok",
                f"reason='bad' is unknown, expected one of {', '.join(REASONS)}",
                "sort='x' is unknown, expected one of state, name, calls, duration, agents, success, next",
                "order='up' is unknown, expected one of asc, desc",
                "refresh='5' is unknown, expected one of 0, 1",
            ),
        ),
        (
            {"filter": "x" * 201, "state": "y" * 1000},
            StatusQuery("x" * 200),
            (
                "filter is longer than 200 characters; only its beginning is used",
                f"state='{'y' * 50}' is unknown, expected one of stale, failing, waiting, ok",
            ),
        ),
    ],
)
def test_parse(given: Mapping[str, str], query: StatusQuery, problems: tuple[str, ...]) -> None:
    assert StatusQuery.parse(given) == (query, problems)


def test_links_hold_what_is_not_the_default() -> None:
    query = StatusQuery()
    assert (query.link(), query.link_sorted_by(Sort.STATE)) == ("?", "?order=desc")
    assert query.link_sorted_by(Sort.CALLS) == "?sort=calls"
    assert StatusQuery(sort=Sort.CALLS, descending=True).link_sorted_by(Sort.CALLS) == "?sort=calls&order=asc"
    hostile = StatusQuery('a&b="<é', Health.OK, "auth", Sort.NAME, descending=True, refresh=False)
    assert hostile.link() == "?filter=a%26b%3D%22%3C%C3%A9&state=ok&reason=auth&sort=name&order=desc&refresh=0"
    assert hostile.link(health=None, reason="", refresh=True) == "?filter=a%26b%3D%22%3C%C3%A9&sort=name&order=desc"
