"""The recipes of docs/stats-format.md for `stats_jq`, and the shapes of the simulator that they are for."""

import re
from datetime import date
from pathlib import Path

import aiohttp
import pytest
import structlog
import yaml

from exporter.app import ServeOptions, running
from exporter.config.loaded import LoadedConfig
from exporter.errors import DecodeError, PollError
from exporter.exposition.text_format import Format
from exporter.simulator import FOREIGN_SHAPES, Company, Folder, Org, Shape, Simulator, Site
from exporter.stats.changes import ChangeTracker
from exporter.stats.field_names import Layouts
from exporter.stats.model import AgentDay, FolderDay
from exporter.stats.parser import Parser, Requested
from exporter.vspark.mapping import JqMapper
from exporter.web.endpoints import ListenAddress
from tests.support.exposition_oracle import assert_valid
from tests.support.fake_clock import NOON, FakeClock
from tests.support.parsed_bodies import parsed
from tests.support.repository import ROOT

PAGE = (ROOT / "docs" / "stats-format.md").read_text("utf-8").partition("\n## stats_jq\n")[2].partition("\n## ")[0]
RECIPES = {
    heading: (body.encode(), program)
    for heading, body, program in re.findall(
        r"^### ([^\n]+)\n[^#`]+^```json\n(.*?)^```\n\n```jq\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
}
SHAPES = {
    "A table": Shape.TABLE,
    "CSV in a text": Shape.CSV,
    "Agents below folders": Shape.AGENTS_BELOW_FOLDERS,
    "Metrics in objects of their own": Shape.METRICS,
    "Two directions": Shape.DIRECTIONS,
}
DAY = date(2026, 11, 23)
AGENTS = (AgentDay("001", 9, 254.0), AgentDay("002", 3, 145.0))
READ = {
    "A table": [FolderDay("Test01", 12, 226.75, AGENTS), FolderDay("Test02", 5, 238.0)],
    "CSV in a text": [FolderDay("Test01", 12, 226.75, AGENTS), FolderDay("Test02", 5, 238.0)],
    "Agents below folders": [
        FolderDay("Test01", 12, None, (AgentDay("001", 9), AgentDay("002", 3))),
        FolderDay("Test02", 5, None, (AgentDay("", 5),)),
    ],
    "Metrics in objects of their own": [FolderDay("Test01", 12, 226.75), FolderDay("Test02", 5, 238.0)],
    "Two directions": [FolderDay("Test01", 12), FolderDay("Test02", 5)],
}


async def read(program: str, body: bytes, folder: str | None = None) -> list[FolderDay]:
    mapper = JqMapper(program, workers=1, max_result_bytes=2**20)
    variables = {"company": "Co", "org": "Co-Org", "folder": folder, "day": DAY.isoformat()}
    try:
        mapped = await mapper.map(body, variables, timeout_seconds=20.0)
    finally:
        await mapper.close()
    return [*parsed(ChangeTracker(Parser(Layouts())), mapped, Requested("Co", "Co-Org", folder, DAY)).days.values()]


def test_there_are_five_recipes_one_for_each_foreign_shape() -> None:
    assert [*RECIPES] == [*SHAPES] == [*READ]
    assert {*SHAPES.values()} == {*FOREIGN_SHAPES}


@pytest.mark.parametrize("recipe", SHAPES)
async def test_a_recipe_reads_the_response_above_it(recipe: str) -> None:
    body, program = RECIPES[recipe]
    assert await read(program, body) == READ[recipe]
    assert await read(program, body, "Test02") == READ[recipe][1:]


@pytest.mark.parametrize("recipe", SHAPES)
async def test_the_response_of_a_recipe_cannot_be_read_without_it(recipe: str) -> None:
    """Otherwise the program would not be needed, or numbers would be wrong."""
    with pytest.raises(DecodeError) as caught:
        await read(".", RECIPES[recipe][0])
    assert caught.value.reason == "unrecognized"


@pytest.mark.parametrize(
    ("recipe", "old", "new", "message"),
    [
        (
            "A table",
            b"9, 2286",
            b'"nine", 2286',
            "$[0].agents[0].calls: expected a number of calls, found another text",
        ),
        ("A table", b", 9, 2286]", b"]", "$[0].agents[0]: this agent's record has no call count"),
        ("CSV in a text", b"agent,calls", b"calls,agent", "stats_jq: the program failed: other columns"),
        ("CSV in a text", b"002,3,435", b'\\"0,02\\",3,435', "stats_jq: the program failed: a line of 6 values"),
        (
            "Agents below folders",
            b'"calls": 9',
            b'"count": 9',
            "$.Test01.agents[agent 1]: this agent's record has no call count",
        ),
        (
            "Metrics in objects of their own",
            b'"count": 12',
            b'"number": 12',
            "$[0]: expected a day record, found an object without a call count or agents",
        ),
        (
            "Metrics in objects of their own",
            b'"total_ms": 2721000',
            b'"total_ms": "2721000"',
            'stats_jq: the program failed: string ("2721000") and number (1000) cannot be divided',
        ),
        ("Two directions", b'"outbound"', b'"out"', "stats_jq: the program failed: null (null) has no keys"),
        (
            "Two directions",
            b'"Test02": 4',
            b'"Test02": -4',
            "$[1].calls: expected a number of calls, found a negative number",
        ),
    ],
)
async def test_a_recipe_is_as_strict_as_the_rules(recipe: str, old: bytes, new: bytes, message: str) -> None:
    body, program = RECIPES[recipe]
    assert old in body
    with pytest.raises(PollError) as caught:
        await read(program, body.replace(old, new, 1))
    assert str(caught.value) == message


FOLDERS = (
    Folder("Test01", 500, ("001", "002"), absent_share=0.0, around_the_clock=True),
    Folder("Süd & A/B", 300, around_the_clock=True),
)
SITE = Site((Company("Co", "s3cret-canary", (Org("Co-Org", "US/Eastern", FOLDERS),)),))


async def calls(folder: Path, shape: Shape, program: str, folders: list[str] | None) -> dict[str, float]:
    """Return `vspark_folder_calls_today` by folder, of a whole org or of these folders."""
    clock = FakeClock(NOON)
    async with Simulator(SITE, clock=clock.utc, shape=shape) as simulator:
        path = folder / "config.yaml"
        org = {"name": "Co-Org", "timezone": "US/Eastern", "folders": folders}
        vspark = {"url": simulator.url, "token": "s3cret-canary"}
        companies = [{"name": "Co", "orgs": [org]}]
        path.write_text(yaml.dump({"vspark": vspark, "companies": companies, "stats_jq": program}))
        serving = ServeOptions((ListenAddress("127.0.0.1", 0),))
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[structlog.testing.LogCapture()])
        load = LoadedConfig.load(path)
        async with (
            running(load, lambda: load, serving, log, clock) as (web, _),
            aiohttp.ClientSession(web.urls[0]) as session,
        ):

            async def ready() -> bool:
                async with session.get("/-/ready") as response:
                    return response.status == 200

            while not await ready():
                pass
            async with session.get("/metrics") as response:
                page = assert_valid(await response.read(), Format.TEXT)
    return {
        dict(labels)["folder"]: value for (name, labels), value in page.items() if name == "vspark_folder_calls_today"
    }


@pytest.mark.parametrize("folders", [None, ["Test01", "Süd & A/B"]])
@pytest.mark.parametrize("recipe", SHAPES)
async def test_a_recipe_reads_the_simulated_shape(tmp_path: Path, recipe: str, folders: list[str] | None) -> None:
    found = await calls(tmp_path, SHAPES[recipe], RECIPES[recipe][1], folders)
    assert found == await calls(tmp_path, Shape.LIST, "", folders)
    assert sum(found.values()) > 100
