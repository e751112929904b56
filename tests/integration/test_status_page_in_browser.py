"""The status page in a real Chromium: without scripts, by keyboard, for a screen reader, light and dark, on a phone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import pytest

from exporter.exposition.families import FolderFigures
from exporter.exposition.text_format import Format
from exporter.polling.snapshot import Health, TargetStatus
from exporter.polling.target_state import LastError
from exporter.status.overview import ConfigState
from tests.support.browser import Tab, browsing
from tests.support.target_statuses import AUTH, NOW, curve_of, status_of
from tests.support.web_server import publish, serving

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\u202e'\""
CURVE = curve_of(status_of().target, {"A": 3}, {"A": 9}, None, {"A": 9}, {"A": 30})
TARGETS: tuple[TargetStatus, ...] = (
    status_of("Fine", curve=CURVE, error=LastError.of("timeout", "no whole answer", NOW - 7300)),
    status_of("New", Health.WAITING),
    status_of("Bad", Health.FAILING, error=AUTH, curve=CURVE),
    status_of(
        "Gone",
        Health.STALE,
        error=LastError.of("not_json", f"$: plain text; it says: {HOSTILE}", NOW),
        success_age_seconds=900.0,
    ),
    status_of(
        org="West", folders={HOSTILE: FolderFigures(calls=5, agents=2), "A": FolderFigures(calls=8)}, curve=CURVE
    ),
)
HEADLINE = "2 of 5 targets fail, for 2 reasons; the new configuration was rejected"
REJECTED = ConfigState(NOW - 7200, ("companies[0].name: a name cannot be empty",))

CONTRASTS = """
(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("svg, .skip")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(channels(style.color)), luminance(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found[walker.currentNode.data.trim().slice(0, 40)] = ratio;
  }
  return found;
})()
"""
SHAPES = """
[...document.querySelectorAll('.states .state')].map((each) => {
  const shape = getComputedStyle(each, '::before');
  return [each.innerText, shape.clipPath, shape.borderRadius, shape.backgroundColor === 'rgba(0, 0, 0, 0)'].join();
})
"""
BOTTOMS = """
Object.fromEntries(["h1", ".causes", ".states", "main .totals", "form", "table", "footer"].map(
  (each) => [each, document.querySelector(each).getBoundingClientRect().bottom]))
"""
FOCUSED = """
(() => {
  const at = document.activeElement;
  const name = at.textContent.trim().split(/\\s+/).join(" ");
  return at === document.body ? "" : at.localName + " " + (at.labels?.length ? at.labels[0].textContent : name);
})()
"""


@asynccontextmanager
async def opened(query: str = "", *targets: TargetStatus, config: ConfigState | None = None) -> AsyncIterator[Tab]:
    async with serving() as served, browsing() as tab:
        served.targets = list(targets or TARGETS)
        served.config = config or served.config
        await tab.ask("Emulation.setScriptExecutionDisabled", value=True)
        await tab.resize(1280, 900)
        await tab.open(f"{served.web.urls[0]}/{query}")
        yield tab


async def test_without_scripts_and_without_violating_the_policy() -> None:
    async with opened(config=REJECTED) as tab:
        assert await tab.look("document.querySelector('h1').innerText") == HEADLINE
        # The policy allows the style sheet.
        assert await tab.look("getComputedStyle(document.querySelector('h1')).lineHeight") != "normal"
        assert await tab.look("document.scripts.length + document.images.length") == 0
        assert tab.messages == []
        assert await tab.look("document.compatMode") == "CSS1Compat"


async def test_hostile_names_and_texts_are_text() -> None:
    shown = HOSTILE.replace("\u202e", "\\u{202e}")
    async with opened() as tab:
        names = await tab.look("[...document.querySelectorAll('tbody .folder th')].map(each => each.textContent)")
        assert names == [shown, "A"]
        said = await tab.look("[...document.querySelectorAll('.causes q bdi')].map(each => each.textContent)")
        assert said == [shown]
        assert await tab.look("document.title") == "2 of 5 targets fail, for 2 reasons · V-Spark exporter"


async def test_by_keyboard() -> None:
    async with opened() as tab:
        order: list[str] = []
        while not order or order[-1]:
            await tab.press("Tab", 9)
            order.append(await tab.look(FOCUSED))
        assert order == [
            *("a Skip to the targets", "a Metrics", "a Health", "a Readiness", "a JSON", "a Pause"),
            "summary 1 target: the token is rejected auth",
            "summary 1 target: the response is not JSON; perhaps a proxy's HTML page or a login not_json",
            *("a all 5", "a stale 1", "a failing 1", "a waiting 1", "a ok 2"),
            *("input Company, org or folder", "select Sort by", "button Apply"),
            *("a State", "a Company, org, folder", "a Calls today", "a Mean duration"),
            *("a Agents, once per folder", "a Last success", "a Next poll"),
            *("summary not_json, 0 s ago", "summary auth, 1 min 5 s ago"),
            *("summary timeout, 2 h 1 min ago, recovered", ""),
        ]
        for _ in range(14):
            await tab.press("Tab", 9)
        assert await tab.look(FOCUSED) == "input Company, org or folder"
        await tab.ask("Input.insertText", text="west ")
        await tab.press("Enter", 13, "\r")
        await tab.until_loaded()
        assert await tab.look("location.search") == "?filter=west+&sort=state"
        assert await tab.look("document.querySelector('#filter').value") == "west"
        assert await tab.look("document.querySelectorAll('tbody tr').length") == 3
        for _ in range(19):
            await tab.press("Tab", 9)
        assert await tab.look(FOCUSED) == "a Calls today"
        await tab.press("Enter", 13, "\r")
        await tab.until_loaded()
        assert await tab.look("location.search") == "?filter=west&sort=calls"
        assert await tab.look("document.querySelector('[aria-sort]').innerText") == "Calls today"


def named(tree: Any, *roles: str) -> list[tuple[str, str]]:
    """Return role and name of the nodes that a screen reader announces."""
    return [
        (node["role"]["value"], node["name"]["value"])
        for node in tree["nodes"]
        if not node["ignored"] and node["role"]["value"] in roles
    ]


@pytest.mark.parametrize("width", [1280, 390])
async def test_for_a_screen_reader(width: int) -> None:
    async with opened(config=REJECTED) as tab:
        await tab.resize(width, 900)
        tree = await tab.ask("Accessibility.getFullAXTree")
        assert named(tree, "banner", "main", "navigation", "search", "heading", "region", "textbox", "searchbox") == [
            ("banner", ""),
            ("main", ""),
            ("navigation", "Other pages"),
            ("heading", HEADLINE),
            ("region", "Configuration"),
            ("region", "Causes"),
            ("navigation", "Targets by state"),
            ("search", "Targets"),
            ("searchbox", "Company, org or folder"),
        ]
        assert named(tree, "table", "columnheader", "image") == [
            ("table", "5 of 5 targets"),
            *(
                ("columnheader", name)
                for name in (
                    *("State", "Company, org, folder", "Calls today", "Mean duration"),
                    *("Agents, once per folder", "Calls per half hour", "Last success", "Next poll", "Last error"),
                )
            ),
            *[("image", "Calls per half hour since midnight in US/Eastern: peak 21 at 02:00; 20 half hours unknown")]
            * 3,
            ("image", "Calls per half hour since midnight in US/Eastern: no calls; 20 half hours unknown"),
            ("image", "Calls per half hour since midnight in US/Eastern: peak 21 at 02:00; 20 half hours unknown"),
        ]
        assert [name for _, name in named(tree, "rowheader")][:4] == [
            "C / O Gone 12:00 in US/Eastern",
            "C / O Bad 12:00 in US/Eastern",
            "C / O New 12:00 in US/Eastern",
            "C / O Fine 12:00 in US/Eastern",
        ]
        assert await tab.look("document.documentElement.lang") == "en"


async def test_light_and_dark_wide_and_narrow() -> None:
    async with opened(config=REJECTED) as tab:
        for width, dark in product((1280, 1180, 800, 390), (False, True)):
            await tab.resize(width, 844, dark=dark)
            assert await tab.look(CONTRASTS) == {}
            assert await tab.look("document.documentElement.scrollWidth") <= width
            background = await tab.look("getComputedStyle(document.body).backgroundColor")
            assert background == ("rgb(17, 20, 24)" if dark else "rgb(246, 247, 249)")
            # On a narrow page every figure has a label.
            label = await tab.look("getComputedStyle(document.querySelector('td.number'), '::before').content")
            assert label == ('"Calls today"' if width < 1160 else "none")


async def test_a_phone_shows_the_state_first() -> None:
    """Its first screen has the headline, what to do, the states and the totals; the exporter's own data are last."""
    refused = (
        "cannot connect to vspark.example.com:3000: Connection refused; check the port, and that V-Spark is running"
    )
    error = LastError.of("connect", refused, NOW - 5)
    failing = [status_of(f"F{number}", Health.FAILING, error=error, curve=CURVE) for number in range(5)]
    async with opened("", *failing) as tab:
        await tab.resize(390, 844)
        bottoms = await tab.look(BOTTOMS)
        assert list(bottoms) == ["h1", ".causes", ".states", "main .totals", "form", "table", "footer"]
        assert bottoms == dict(sorted(bottoms.items(), key=lambda each: each[1]))
        assert bottoms["main .totals"] < 844
        assert await tab.look("document.querySelector('h1').innerText") == (
            "All 5 targets fail: cannot connect to vspark.example.com:3000"
        )
        terms = "[...document.querySelectorAll('{} dt')].map((each) => each.innerText)"
        assert await tab.look(terms.format("main")) == ["Calls today", "Agents, once per folder", "Folders", "Targets"]
        assert await tab.look(terms.format("footer")) == ["Uptime", "Configuration", "Version"]
        # No mouse is needed: the legend and the peaks are text.
        assert await tab.look("document.querySelector('.legend').innerText") == (
            "Calls per half hour, in the org's own day:  calls,  unknown: no poll succeeded."
        )
        assert await tab.look("document.querySelector('.peak').innerText") == "peak 21 at 02:00"


async def test_what_to_do_is_opened_by_keyboard() -> None:
    opened_details = "[...document.querySelectorAll('.causes details')].map((each) => each.open)"
    async with opened() as tab:
        assert await tab.look(opened_details) == [False, False]
        for _ in range(7):
            await tab.press("Tab", 9)
        await tab.press("Enter", 13, "\r")
        assert await tab.look(opened_details) == [True, False]
        text = await tab.look("document.querySelector('.causes details').innerText")
        assert [line for line in text.splitlines() if line] == [
            "1 target: the token is rejected auth",
            f"What to do: {AUTH.hint}",
            "Error: the token is rejected",
            "Affected: C/O/Bad. Show only this",
        ]
        await tab.look("[...document.links].find((each) => each.innerText === 'Show only this').click()")
        await tab.until_loaded()
        assert await tab.look("location.search") == "?reason=auth"
        assert await tab.look("document.querySelectorAll('tbody tr').length") == 1


async def test_each_state_has_its_own_shape_and_name() -> None:
    async with opened() as tab:
        assert await tab.look(SHAPES) == [
            "stale,none,0px,false",
            "failing,polygon(50% 2%, 100% 98%, 0px 98%),0px,false",
            "waiting,none,50%,true",
            "ok,none,50%,false",
        ]


async def test_it_refreshes_with_the_same_query() -> None:
    async with opened("?filter=west&sort=calls") as tab:
        refresh = "document.querySelector('meta[http-equiv=refresh]')"
        assert await tab.look(f"{refresh}.content") == "30"
        assert await tab.look("[...document.links].find(each => each.innerText === 'Pause').search") == (
            "?filter=west&sort=calls&refresh=0"
        )
        await tab.look("[...document.links].find(each => each.innerText === 'Pause').click()")
        await tab.until_loaded()
        assert await tab.look(refresh) is None


async def test_the_link_to_the_metrics_shows_all_of_them() -> None:
    async with serving() as served, browsing() as tab:
        publish(served.store, 60, 100, 3)
        await tab.open(served.web.urls[0])
        metrics = await tab.look("[...document.links].find((link) => link.textContent.includes('Metrics')).href")
        await tab.open(metrics)
        page = b"".join(served.store.pages[Format.TEXT].text(served.telemetry.exposition(Format.TEXT))[1])
        assert await tab.look("document.body.innerText") == page.decode()
