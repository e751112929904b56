from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.cli.probe_targets import UnknownTargetError, select_targets
from exporter.config.schema import Company, Config, Org, Vspark
from exporter.config.targets import Target, make_targets
from exporter.config.tokens import FileToken, LiteralToken, TokenSource

CO = FileToken(Path("/co"))
ROOT = FileToken(Path("/root"))
WEST = Org(name="West")
EAST = Org(name="East", timezone="US/Eastern", folders=("A", "B"))
ALL = Org(name="All", timezone="Asia/Tokyo")


def config(token: FileToken | None = ROOT) -> Config:
    companies = (Company(name="Co", token_file=CO, orgs=(EAST, ALL)), Company(name="Plain", orgs=(WEST,)))
    return Config(vspark=Vspark(url="http://v", token_file=token), companies=companies)


def target(name: str, zone: str | None, token: TokenSource, *, stale_after_seconds: float = 60) -> Target:
    company, org, folder = [*name.split("/", 2), None][:3]
    assert company
    assert org
    return Target(company, org, folder, ZoneInfo(zone) if zone else None, 60, stale_after_seconds, token)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, ["Co/East/A", "Co/East/B", "Co/All", "Plain/West"]),
        ("Co", ["Co/East/A", "Co/East/B", "Co/All"]),
        ("Co/East", ["Co/East/A", "Co/East/B"]),
        ("Co/East/B", ["Co/East/B"]),
    ],
)
def test_configured_targets(name: str | None, expected: list[str]) -> None:
    known = make_targets(config())
    chosen = select_targets(config(), known, name)
    assert [each.name for each in chosen] == expected
    assert set(chosen) <= set(known)


@pytest.mark.parametrize(
    ("name", "zone", "token"),
    [
        ("Co/All/Some", "Asia/Tokyo", CO),
        ("Co/East/C", "US/Eastern", CO),
        ("Co/East/C/D", "US/Eastern", CO),
        ("Co/Other", None, CO),
        ("Plain/Other/F", None, ROOT),
        ("Else/Org", None, ROOT),
    ],
)
def test_other_targets(name: str, zone: str | None, token: TokenSource) -> None:
    assert select_targets(config(), make_targets(config()), name) == (target(name, zone, token),)


def test_the_zone_of_a_known_target_counts() -> None:
    tokyo = replace(target("Co/Found", None, CO), zone=ZoneInfo("Asia/Tokyo"))
    assert select_targets(config(), (tokyo,), "Co/Found/F") == (target("Co/Found/F", "Asia/Tokyo", CO),)


def test_no_token() -> None:
    wrong = config(token=None)
    assert select_targets(wrong, (), "Co/Org") == (target("Co/Org", None, CO),)
    with pytest.raises(UnknownTargetError) as caught:
        select_targets(wrong, (), "Else/Org")
    assert str(caught.value) == (
        "There is no token for Else: it is not in the configuration, and there is no token under vspark. Set "
        "token_file, token_env or token under vspark, or add the company with its own."
    )


@pytest.mark.parametrize("name", ["Else", "", "/", "/Org", "Co//F", "Co/Org/", "Co/\x1b[2J", "Co/Org/F\u202e"])
def test_what_is_not_a_name(name: str) -> None:
    with pytest.raises(UnknownTargetError) as caught:
        select_targets(config(), make_targets(config()), name)
    assert str(caught.value) == (
        f"There is no target {name!r}. There are:\n"
        "  Co/East/A\n"
        "  Co/East/B\n"
        "  Co/All\n"
        "  Plain/West\n"
        "Any other org or folder can be requested as COMPANY/ORG[/FOLDER]."
    )


def test_without_any_target() -> None:
    with pytest.raises(UnknownTargetError) as caught:
        select_targets(config(), (), "Else")
    assert str(caught.value) == (
        "There is no target 'Else', nor another.\nAny other org or folder can be requested as COMPANY/ORG[/FOLDER]."
    )


def test_a_long_list_is_cut() -> None:
    token = LiteralToken("x")
    known = [target(f"Co/O/{number}", None, token) for number in range(22)]
    with pytest.raises(UnknownTargetError) as caught:
        select_targets(config(), known, "Else")
    assert str(caught.value).splitlines()[-3:] == [
        "  Co/O/19",
        "  … and 2 more",
        "Any other org or folder can be requested as COMPANY/ORG[/FOLDER].",
    ]
