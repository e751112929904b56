import re
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from exporter import __version__
from exporter.config.loaded import Share
from exporter.errors import REASONS
from exporter.exposition.families import FolderFigures
from exporter.polling.discovery_log import DiscoveryFailure
from exporter.polling.snapshot import SEVERITY, Health, TargetStatus
from exporter.polling.target_state import LastError
from exporter.status.overview import ConfigState
from tests.support.repository import ROOT
from tests.support.target_statuses import AUTH, NOW, curve_of, status_of
from tests.support.web_server import serving

HOSTILE = "<script>alert(1)</script>\"'&\u202egnp\x1b[31m"
REFUSED = "cannot connect to vspark.example.com:3000"
NONE = "–"  # noqa: RUF001 # a dash, as people write it
SHOWN = "<script>alert(1)</script>\"'&\\u{202e}gnp\\u{1b}[31m"


async def page(*targets: TargetStatus, query: str = "", config: ConfigState | None = None) -> str:
    async with serving() as served:
        served.targets = list(targets)
        served.config = config or served.config
        return await served.text(f"/{query}")


def texts(html: str, tag: str) -> list[str]:
    """Return the text of each element with this tag."""
    found = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", html, re.DOTALL)
    return [
        " ".join(unescape(re.sub("<title>.*?</title>|<[^>]*>", "", re.sub("</(?:p|summary)>", " ", each))).split())
        for each in found
    ]


def rows(html: str) -> list[list[str]]:
    """Return the cells of each row of the table."""
    body = html.partition("<tbody")[2]
    found = re.findall(r"<tr\b[^>]*>(.*?)</tr>", body, re.DOTALL)
    return [[texts(cell, "t[hd]")[0] for cell in re.findall(r"<t[hd]\b.*?</t[hd]>", row, re.DOTALL)] for row in found]


# Content


async def test_a_target_of_each_kind() -> None:
    recovered = LastError.of("timeout", "no whole answer", NOW - 7300)
    html = await page(
        status_of("Fine", error=recovered),
        status_of("Polling", polling=True, folders={"Polling": FolderFigures()}),
        status_of("New", Health.WAITING),
        status_of("Midnight", Health.WAITING, success_age_seconds=200.0),
        status_of("Bad", Health.FAILING, error=AUTH),
        status_of("Never", Health.FAILING, success_age_seconds=None, figures=None, folders={}),
        status_of("Gone", Health.STALE, error=AUTH, success_age_seconds=900.0),
        status_of(
            org="West",
            folders={
                "b": FolderFigures(calls=5, average_seconds=60.0, agents=2),
                "A": FolderFigures(calls=8, agents=1),
            },
        ),
    )
    rejected = "auth, 1 min 5 s ago the token is rejected"
    zone = "12:00 in US/Eastern"
    assert rows(html) == [
        ["stale: values removed", f"C / O Gone {zone}", NONE, NONE, NONE, NONE, "15 min ago", "in 12 s", rejected],
        ["failing", f"C / O Bad {zone}", "1,234", "4:23", "5", NONE, "48 s ago", "in 12 s", rejected],
        ["failing: never succeeded", f"C / O Never {zone}", NONE, NONE, NONE, NONE, "never", "in 12 s", "none"],
        [
            *("waiting for the new day's first poll", f"C / O Midnight {zone}", NONE, NONE, NONE, NONE),
            *("3 min 20 s ago", "in 12 s", "none"),
        ],
        ["waiting for its first poll", f"C / O New {zone}", NONE, NONE, NONE, NONE, "never", "in 12 s", "none"],
        [
            *("ok", f"C / O Fine {zone}", "1,234", "4:23", "5", NONE, "48 s ago", "in 12 s"),
            f"timeout, 2 h 1 min ago, recovered no whole answer {recovered.hint}",
        ],
        ["ok", f"C / O Polling {zone}", "0", NONE, "0", NONE, "48 s ago", "polling now", "none"],
        [
            "ok",
            "C / West all folders (2) 12:00 in US/Eastern",
            "13",
            "1:00",
            "3",
            NONE,
            "48 s ago",
            "in 12 s",
            "none",
        ],
        ["", "A", "8", NONE, "1", NONE, ""],
        ["", "b", "5", "1:00", "2", NONE, ""],
    ]
    assert texts(html, "h1") == ["3 of 8 targets fail, for 2 reasons"]
    assert texts(html, "title")[0] == "3 of 8 targets fail, for 2 reasons · V-Spark exporter"
    assert texts(html, "caption") == ["8 of 8 targets"]
    summary = dict(zip(texts(html, "dt"), texts(html, "dd"), strict=True))
    assert summary.pop("Version").startswith(f"{__version__} Python 3.")
    assert summary == {
        "Calls today": "2,481 without 4 targets that have no values",
        "Agents, once per folder": "13",
        "Folders": "5",
        "Targets": "8",
        "Uptime": "0 s",
        "Configuration": "loaded 0 s ago",
    }
    assert re.findall(r'<li><a href="(.*?)".*?>(\w+)</span> <b>(\d+)</b>', html) == [
        *[("?", "all", "8"), ("?state=stale", "stale", "1"), ("?state=failing", "failing", "2")],
        *[("?state=waiting", "waiting", "2"), ("?state=ok", "ok", "3")],
    ]


@pytest.mark.parametrize(
    ("targets", "headline"),
    [
        ([], "Nothing to poll"),
        ([Health.OK], "The target is ok"),
        ([Health.OK, Health.OK], "All 2 targets are ok"),
        ([Health.OK, Health.WAITING], "1 of 2 targets waiting for a first poll"),
        ([Health.FAILING], f"The target fails: {REFUSED}"),
        ([Health.FAILING, Health.FAILING], f"All 2 targets fail: {REFUSED}"),
        ([Health.FAILING, Health.WAITING, Health.FAILING], f"2 of 3 targets fail: {REFUSED}"),
        ([Health.STALE, Health.OK], f"1 of 2 targets fails: {REFUSED}"),
    ],
)
async def test_the_headline(targets: list[Health], headline: str) -> None:
    error = LastError.of("connect", f"{REFUSED}: Connection refused; check the port, and that V-Spark is running", NOW)
    html = await page(
        *(
            status_of(f"F{number}", state, error=error if state in (Health.FAILING, Health.STALE) else None)
            for number, state in enumerate(targets)
        )
    )
    assert texts(html, "h1") == [headline]
    assert f'<h1><span class="state {min(targets, key=SEVERITY.__getitem__, default="waiting")}">' in html


async def test_two_causes() -> None:
    """Each is one group, whatever else its errors say. They are closed, so that all are seen at once."""
    unavailable = "V-Spark, or a proxy in front of it, fails: check its log (status 503 Service Unavailable; it says: "
    targets = [
        *(status_of(f"A{number}", Health.FAILING, error=AUTH) for number in range(6)),
        *(
            status_of(
                f"B{number}", Health.STALE, error=LastError.of("server_error", f"{unavailable}<b>{number % 4})", NOW)
            )
            for number in range(1200)
        ),
        status_of("C"),
    ]
    html = await page(*targets, query="?filter=c/o/c&sort=name")
    assert texts(html, "h1") == ["1,206 of 1,207 targets fail, for 2 reasons"]
    (section,) = re.findall(r'<section class="causes".*?</section>', html, re.DOTALL)
    error = (
        "<bdi>V-Spark, or a proxy in front of it, fails: check its log (status 503 Service Unavailable)</bdi> "
        '<span class="said">The response says: <q><bdi>&lt;b&gt;{}</bdi></q></span></p>'
    )
    assert section.splitlines() == [
        '<section class="causes" aria-label="Causes">',
        "<details>",
        (
            "<summary><b>1,200 targets</b>: V-Spark, or a proxy in front of it, fails "
            "<code>server_error</code></summary>"
        ),
        "<p><b>What to do:</b> Read V-Spark&#39;s own log, and that of the proxy in front of it.</p>",
        *(f"<p><b>Error of 300 targets:</b> {error.format(number)}" for number in range(3)),
        (
            "<p><b>Affected:</b> <bdi>C/O/B0</bdi>, <bdi>C/O/B1</bdi>, <bdi>C/O/B2</bdi>, <bdi>C/O/B3</bdi>, "
            '<bdi>C/O/B4</bdi> and 1,195 more. <a href="?reason=server_error&amp;sort=name">Show only these</a></p>'
        ),
        "</details>",
        "<details>",
        "<summary><b>6 targets</b>: the token is rejected <code>auth</code></summary>",
        f"<p><b>What to do:</b> {AUTH.hint}</p>",
        "<p><b>Error:</b> <bdi>the token is rejected</bdi></p>",
        (
            "<p><b>Affected:</b> <bdi>C/O/A0</bdi>, <bdi>C/O/A1</bdi>, <bdi>C/O/A2</bdi>, <bdi>C/O/A3</bdi>, "
            '<bdi>C/O/A4</bdi> and 1 more. <a href="?reason=auth&amp;sort=name">Show only these</a></p>'
        ),
        "</details>",
        "</section>",
    ]
    assert [row[1] for row in rows(await page(*targets, query="?reason=auth&sort=name"))] == [
        f"C / O A{number} 12:00 in US/Eastern" for number in range(6)
    ]


async def test_one_cause_is_open_and_includes_discovery() -> None:
    refused = f"{REFUSED}: Connection refused; check the port, and that V-Spark is running"
    config = ConfigState(NOW - 7200, discovery_failures=(DiscoveryFailure("", "connect", refused, NOW - 65),))
    html = await page(status_of("A", Health.FAILING, error=LastError.of("connect", refused, NOW)), config=config)
    sections = re.findall(r"<section.*?</section>", html, re.DOTALL)
    assert [each.splitlines() for each in sections] == [
        [
            '<section class="causes" aria-label="Causes">',
            "<details open>",
            "<summary>What to do about <code>connect</code></summary>",
            (
                "<p>Check that V-Spark is running. Then check the port in vspark.url, the firewall and the proxy "
                "settings.</p>"
            ),
            f"<p><b>Error:</b> <bdi>{refused}</bdi></p>",
            (
                "<p><b>Affected:</b> <bdi>C/O/A</bdi>; discovery too, so only what is known so far is polled. "
                '<a href="?reason=connect">Show only this</a></p>'
            ),
            "</details>",
            "</section>",
        ]
    ]


async def test_the_shard() -> None:
    html = await page(status_of("A"), config=ConfigState(NOW, share=Share(1, 3)))
    assert "This is shard 1 of 3, counted from 0. The other shards poll the other targets." in texts(html, "p")
    nothing = await page(config=ConfigState(NOW, share=Share(1, 3)))
    assert "This instance has no targets: all of them belong to other shards." in texts(nothing, "p")
    assert "shard" not in await page(status_of("A"))


async def test_unknown_figures_are_not_shown_as_zero() -> None:
    html = await page(status_of("Gone", Health.STALE))
    summary = dict(zip(texts(html, "dt"), texts(html, "dd"), strict=True))
    assert [summary[name] for name in ("Calls today", "Agents, once per folder", "Folders")] == [
        f"{NONE} without 1 target that has no values",
        NONE,
        NONE,
    ]


async def test_a_rejected_configuration() -> None:
    problems = ("companies[0].name: a name cannot be empty", HOSTILE)
    problems_shown = ("companies[0].name: a name cannot be empty", SHOWN)
    html = await page(config=ConfigState(NOW - 7200, problems))
    assert texts(html, "section") == [
        "The new configuration was rejected. The one loaded 2 h ago is still in use. " + " ".join(problems_shown)
    ]
    assert "rejected" in texts(html, "dd")
    assert texts(html, "h1") == ["Nothing to poll; the new configuration was rejected"]
    html = await page(status_of("A"), config=ConfigState(NOW - 7200, problems))
    assert re.findall("<h1>(.*)</h1>", html) == [
        '<span class="state failing">The target is ok; the new configuration was rejected</span>'
    ]


async def test_a_discovery_that_fails() -> None:
    failures = (
        DiscoveryFailure("", "auth", "the token is rejected", NOW - 65),
        DiscoveryFailure(HOSTILE, "dns", HOSTILE, NOW - 7200),
    )
    html = await page(status_of("A"), config=ConfigState(NOW - 7200, discovery_failures=failures))
    assert texts(html, "section") == [
        (
            "Discovery fails. What is known so far is still polled. "
            "It is tried again by itself, and at once by a reload. "
            "list of companies: auth, for 1 min 5 s: the token is rejected What to do: Check in V-Spark that the token "
            "is valid for this request: its own company, or the list of companies. Replace it in its file, which is "
            "read again by itself; after a change in the configuration, reload. "
            f"{SHOWN}: dns, for 2 h: {SHOWN} What to do: Look the name up on the exporter's machine. "
            "Correct vspark.url or the DNS resolver."
        )
    ]
    assert texts(await page(status_of("A")), "section") == []


@pytest.mark.parametrize(
    ("zone", "note"),
    [("Asia/Kolkata", " configured as US/Eastern, but Asia/Kolkata in V-Spark"), ("America/New_York", ""), (None, "")],
)
async def test_both_time_zones_are_named_if_they_differ(zone: str | None, note: str) -> None:
    status = status_of("A")
    target = replace(status.target, vspark_zone=ZoneInfo(zone) if zone else None)
    html = await page(structs.replace(status, target=target))
    assert rows(html)[0][1] == f"C / O A 12:00 in US/Eastern{note}"


async def test_an_unknown_time_zone() -> None:
    status = status_of("A")
    html = await page(structs.replace(status, target=replace(status.target, zone=None)))
    assert rows(html)[0][1] == "C / O A unknown time zone"


async def test_the_sparkline() -> None:
    target = status_of("A").target
    curve = curve_of(target, {"A": 3}, None, {"A": 5})
    html = await page(status_of("A", curve=curve))
    assert re.findall(r"<svg role=.*?</td>", html) == [
        '<svg role="img" viewBox="0 0 48 20" preserveAspectRatio="none"><title>Calls per half hour since midnight in '
        'US/Eastern: peak 3 at 00:00; 22 half hours unknown</title><path class="bars" d="M0.5 20V13M2.5 20V19"/>'
        '<path class="gaps" d="'
        + "".join(f"M{slot}.2 19h.5" for slot in [1, *range(3, 24)])
        + '"/></svg><span class="peak">peak 3 at 00:00</span></td>'
    ]
    legend = "Calls per half hour, in the org's own day: calls, unknown: no poll succeeded."
    assert legend in texts(html, "p")


# The query


async def test_links_keep_the_rest_of_the_query() -> None:
    html = await page(status_of("A"), status_of("B"), query="?filter=c/o&state=ok&sort=calls&refresh=0")
    assert '<meta http-equiv="refresh"' not in html
    assert '<a href="?filter=c%2Fo&amp;state=ok&amp;sort=calls">Refresh every 30 s</a>' in html
    assert (
        'aria-sort="descending" class="number"><a href="?filter=c%2Fo&amp;state=ok&amp;sort=calls&amp;order=asc' in html
    )
    assert 'aria-current="true"><span class="state ok">ok</span>' in html
    assert '<input type="hidden" name="refresh" value="0">' in html
    assert '<option value="calls" selected>' in html
    assert '<a href="./api/v1/targets?filter=c%2Fo&amp;state=ok&amp;sort=calls">JSON</a>' in html
    refreshing = await page(status_of("A"))
    assert '<meta http-equiv="refresh" content="30">' in refreshing
    assert '<a href="?refresh=0">Pause</a>' in refreshing


async def test_an_invalid_query() -> None:
    html = await page(
        status_of("A"), query="?state=%3Cb%3E&reason=x&sort=x&sort=y&order=%FF&refresh=%ED%A0%80&filter=%00%80"
    )
    assert [text for text in texts(html, "p") if text.startswith("Ignored")] == [
        "Ignored: state='<b>' is unknown, expected one of stale, failing, waiting, ok.",
        f"Ignored: reason='x' is unknown, expected one of {', '.join(REASONS)}.",
        "Ignored: sort='x' is unknown, expected one of state, name, calls, duration, agents, success, next.",
        "Ignored: order='\ufffd' is unknown, expected one of asc, desc.",
        "Ignored: refresh='\ufffd\ufffd\ufffd' is unknown, expected one of 0, 1.",
    ]
    assert "No target matches. Show all targets." in texts(html, "p")


async def test_nothing_to_show() -> None:
    html = await page()
    assert "This instance has no targets: V-Spark has not listed any so far." in texts(html, "p")
    failing = ConfigState(NOW, discovery_failures=(DiscoveryFailure("", "auth", "the token is rejected", NOW),))
    failing_html = await page(config=failing)
    assert "This instance has no targets: discovery fails." in texts(failing_html, "p")
    assert texts(failing_html, "section")[0].startswith("Discovery fails. Nothing is known to poll so far. It is tried")
    assert re.findall("<h1>(.*)</h1>", failing_html) == [
        '<span class="state failing">Nothing to poll, because discovery fails: the token is rejected</span>'
    ]
    for_two_reasons = ConfigState(
        NOW,
        discovery_failures=(
            DiscoveryFailure("A", "auth", "the token is rejected", NOW),
            DiscoveryFailure("B", "connect", REFUSED, NOW),
        ),
    )
    assert texts(await page(config=for_two_reasons), "h1") == [
        "Nothing to poll, because discovery fails, for 2 reasons"
    ]
    assert "<table" not in html


# Foreign texts


async def test_names_and_errors_are_shown_as_text() -> None:
    bad = status_of(HOSTILE, Health.FAILING, org=HOSTILE, error=LastError.of("not_json", HOSTILE, NOW))
    org = status_of(org="West", folders={HOSTILE: FolderFigures(calls=1), "</table>": FolderFigures()})
    html = await page(bad, org, query="?filter=%22%3E%3Cscript%3E")
    assert "<script" not in html
    html = await page(bad, org)
    assert "<script" not in html
    assert html.count("</table>") == 1
    found = rows(html)
    assert found[0][1] == f"C / {SHOWN} {SHOWN} 12:00 in US/Eastern"
    assert found[0][8] == f"not_json, 0 s ago {SHOWN}"
    assert [row[1] for row in found[2:]] == ["</table>", SHOWN]
    action = "Read the response with vspark-exporter probe. If it is not of V-Spark, correct vspark.url."
    assert texts(html, "section") == [
        f"What to do about not_json {action} Error: {SHOWN} Affected: C/{SHOWN}/{SHOWN}. Show only this"
    ]


async def test_very_long_names_and_errors() -> None:
    long = "x" * 1_000_000
    html = await page(status_of(long, Health.FAILING, org=long, error=LastError.of("not_json", long, NOW)))
    assert len(html) < 20_000
    name = f"{'x' * 120}… (1,000,000 characters)"
    assert rows(html)[0][1] == f"C / {name} {name} 12:00 in US/Eastern"


# Large numbers


async def test_more_folders_than_are_shown() -> None:
    folders = {f"F{number:05}": FolderFigures(calls=1) for number in range(50_000)}
    html = await page(status_of(folders=folders), status_of("Z"))
    found = rows(html)
    assert len(found) == 103
    assert found[0][1:3] == ["C / O all folders (50,000) 12:00 in US/Eastern", "50,000"]
    assert found[100][1] == "F00099"
    assert found[101] == ["49,900 more folders of O are not shown. Filter by name to see them."]
    assert found[102][1] == "C / O Z 12:00 in US/Eastern"
    assert [row[1] for row in rows(await page(status_of(folders=folders), query="?filter=f49999"))] == [
        *("C / O all folders (50,000) 12:00 in US/Eastern", "F49999")
    ]


async def test_more_targets_than_are_shown() -> None:
    html = await page(*(status_of(f"F{number:04}") for number in range(2007)))
    assert len(rows(html)) == 2000
    assert [text for text in texts(html, "p") if "not shown" in text] == [
        "7 more targets are not shown. Choose a state or filter by name to see them. The JSON has all of them."
    ]
    html = await page(*(status_of(f"F{number:04}") for number in range(2000)))
    assert len(rows(html)) == 2000
    assert "not shown" not in html


def test_an_installed_exporter_has_its_templates(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 # our own
    (wheel,) = tmp_path.iterdir()
    names = ZipFile(wheel).namelist()
    assert [name for name in names if "templates" in name] == [
        "exporter/status/templates/status.css",
        "exporter/status/templates/status.html",
    ]
