"""The simulated V-Spark over real HTTP: its date ranges, tokens and discovery, and the program."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest

from exporter.simulator import Company, Folder, Org, Simulator, Site
from tests.support.repository import ROOT

NOW = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)  # a Monday, 15:15 in US/Eastern
TEST01 = Folder("Test01", 12, ("a01", "a02"), absent_share=0.0)
SUED = Folder("Süd & A/B", 5, weekend_share=0.0)
DOC_TESTING = Org("DocTestCo-DocTesting", "US/Eastern", (TEST01, SUED), long_name="Doc Testing")
SITE = Site(
    (
        Company("TestCompany", "test-token", (Org("TestCompany-Main", "Pacific/Auckland", ()),)),
        Company("DocTestCo", "doc-token", (DOC_TESTING,)),
    ),
    root_token="root-token",
)
STATS = "/stats/DocTestCo/DocTestCo-DocTesting"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        yield simulator


async def get(sim: Simulator, path: str, **query: str) -> tuple[int, bytes]:
    """Send a request, by default with the token of the company; every response has the type text/html."""
    async with (
        aiohttp.ClientSession(sim.url) as session,
        session.get(path, params={"token": "doc-token", **query}) as response,
    ):
        assert response.content_type == "text/html"
        return response.status, await response.read()


async def days(sim: Simulator, path: str, daterange: str) -> list[str]:
    status, body = await get(sim, path, daterange=daterange)
    assert status == 200
    return [record["date"] for record in json.loads(body)]


# daterange


@pytest.mark.parametrize(
    ("daterange", "expected"),
    [
        ("20261120-20261123", ["20261120", "20261121", "20261122", "20261123"]),
        ("20261120", ["20261120"]),
        ("20261122-", ["20261122", "20261123"]),
        ("20261120-20261231", ["20261120", "20261121", "20261122", "20261123"]),
        ("20261120235959-20261121", ["20261121"]),
        ("20261124-20261125", []),  # in the future
        ("20261123-20261120", []),
        ("20260230-20260301", []),
        ("00010101-00010101", []),
        ("yesterday", []),
        ("2026112", []),
        ("", []),
    ],
)
async def test_daterange(sim: Simulator, daterange: str, expected: list[str]) -> None:
    assert await days(sim, STATS + "/Test01", daterange) == expected


async def test_daterange_without_a_start_goes_back_as_far_as_there_are_calls(sim: Simulator) -> None:
    found = await days(sim, STATS + "/Test01", "-20261120")
    assert (found[0], found[-1]) == ("20251019", "20261120")
    assert await days(sim, STATS + "/Test01", "19000101-20261120") == found


async def test_days_without_calls_are_left_out(sim: Simulator) -> None:
    assert await days(sim, STATS + "/S%C3%BCd%20%26%20A%2FB", "20261120-20261123") == ["20261120", "20261123"]


async def test_parts_of_a_day_add_up(sim: Simulator) -> None:
    parts = ["20261120000000-20261120095959", "20261120100000-20261120125959", "20261120130000-20261120235959"]
    calls = [json.loads((await get(sim, STATS + "/Test01", daterange=part))[1])[0]["calls"] for part in parts]
    assert calls == [2, 4, 6]
    assert json.loads((await get(sim, STATS + "/Test01", daterange="20261120"))[1])[0]["calls"] == 12


# Tokens, names, discovery


@pytest.mark.parametrize(
    ("path", "token", "status", "text"),
    [
        (STATS, "", 400, 'Missing "token" field'),
        (STATS, "nobody's", 400, "Invalid token was provided"),
        (STATS, "test-token", 400, "Auth token doesn't match"),
        ("/stats/Nobody/Nobody-Org", "doc-token", 404, "Company not found"),
        ("/stats/DocTestCo/DocTestCo-Other", "doc-token", 404, "Organization DocTestCo-Other not found"),
        (STATS + "/Test03", "root-token", 404, "Folder Test03 not found"),
        ("/list/DocTestCo", "test-token", 400, "Auth token doesn't match"),
        ("/list/DocTestCo/Other", "root-token", 404, "Organization Other not found"),
        ("/config/Nobody/orgs", "root-token", 404, "Company not found"),
        ("/list", "", 400, 'Missing "token" field'),
    ],
)
async def test_a_refusal(sim: Simulator, path: str, token: str, status: int, text: str) -> None:
    assert await get(sim, path, token=token) == (status, text.encode())


async def test_no_token_at_all(sim: Simulator) -> None:
    async with aiohttp.ClientSession(sim.url) as session, session.get(STATS) as response:
        assert (response.status, await response.text()) == (400, 'Missing "token" field')


CONFIG = {
    "DocTestCo-DocTesting": {
        "company": "DocTestCo",
        "created": "2017-05-18",
        "name": "Doc Testing",
        "retention": -1,
        "status": "OK",
        "timezone": "US/Eastern",
    }
}
TEST_CONFIG = {
    "TestCompany-Main": {
        "company": "TestCompany",
        "created": "2017-05-18",
        "name": "TestCompany-Main",
        "retention": -1,
        "status": "OK",
        "timezone": "Pacific/Auckland",
    }
}


@pytest.mark.parametrize(
    ("path", "token", "expected"),
    [
        ("/list", "root-token", ["TestCompany", "DocTestCo"]),
        ("/list", "doc-token", ["DocTestCo"]),
        ("/list/DocTestCo", "doc-token", ["DocTestCo-DocTesting"]),
        ("/list/DocTestCo/orgs", "root-token", ["DocTestCo-DocTesting"]),
        ("/list/DocTestCo/DocTestCo-DocTesting", "doc-token", ["Test01", "Süd & A/B"]),
        ("/list/DocTestCo/DocTestCo-DocTesting/folders", "doc-token", ["Test01", "Süd & A/B"]),
        (
            "/list/folders",
            "root-token",
            {
                "TestCompany": {"TestCompany-Main": []},
                "DocTestCo": {"DocTestCo-DocTesting": ["Test01", "Süd & A/B"]},
            },
        ),
        ("/list/folders", "doc-token", {"DocTestCo": {"DocTestCo-DocTesting": ["Test01", "Süd & A/B"]}}),
        ("/config/DocTestCo/orgs", "doc-token", CONFIG),
        ("/config/orgs", "root-token", {"TestCompany": TEST_CONFIG, "DocTestCo": CONFIG}),
        ("/config/orgs", "doc-token", {"DocTestCo": CONFIG}),
    ],
)
async def test_discovery(sim: Simulator, path: str, token: str, expected: object) -> None:
    status, body = await get(sim, path, token=token)
    assert (status, json.loads(body)) == (200, expected)


async def test_requests_are_remembered_as_they_came(sim: Simulator) -> None:
    await get(sim, STATS + "/Test01", daterange="20261123-20261123")
    await get(sim, "/list")
    assert [(request.path, request.query) for request in sim.requests] == [
        (STATS + "/Test01", {"token": "doc-token", "daterange": "20261123-20261123"}),
        ("/list", {"token": "doc-token"}),
    ]
    assert sim.requests[0].headers["Accept-Encoding"].startswith("gzip")
    assert sim.requests.maxlen == 10_000


def test_tokens_stay_out_of_reprs() -> None:
    assert "-token" not in repr(SITE)


# The program


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter.simulator", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_program_answers_and_stops_with_0(number: signal.Signals) -> None:
    process = await start("--listen", "127.0.0.1:0", "--shape", "wrapped", "--seed", "7")
    assert process.stdout is not None
    async with asyncio.timeout(30):
        lines = [(await process.stdout.readline()).decode().rstrip("\n") for _ in range(6)]
        url = lines[0].removeprefix("listening on ")
        async with (
            aiohttp.ClientSession(url) as session,
            session.get("/stats/Nordwind/Nordwind-Service", params={"token": "demo-nordwind-token"}) as response,
        ):
            assert response.status == 200
            assert list(json.loads(await response.read())) == ["stats"]
        process.send_signal(number)
        rest, errors = await process.communicate()
    assert (process.returncode, rest, errors) == (0, b"", b"")
    assert lines[1:] == [
        "root token demo-root-token",
        "token of DocTestCo demo-doctestco-token",
        "token of Nordwind demo-nordwind-token",
        "token of LotusTravel demo-lotustravel-token",
        "token of KauriBank demo-kauribank-token",
    ]


async def test_the_program_says_that_its_address_is_taken(sim: Simulator) -> None:
    process = await start("--listen", f"127.0.0.1:{sim.port}")
    async with asyncio.timeout(30):
        out, errors = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    # the rest is the wording of the event loop, which depends on the version of Python
    said = f"cannot listen: error while attempting to bind on address ('127.0.0.1', {sim.port}): "
    assert errors.decode().startswith(said)
