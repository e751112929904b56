"""A complete `/stats` body of each shape of the simulated V-Spark."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from exporter.simulator import Company, Folder, Org, Shape, Simulator, Site

FOLDERS = (Folder("Test01", 12, ("a01", "a02"), absent_share=0.0), Folder("Süd & A/B", 5))
SITE = Site((Company("DocTestCo", "doc-token", (Org("DocTestCo-DocTesting", "US/Eastern", FOLDERS),)),))
STATS = "/stats/DocTestCo/DocTestCo-DocTesting"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(SITE, clock=lambda: datetime(2026, 11, 23, 20, 15, tzinfo=UTC)) as simulator:
        yield simulator


async def get(sim: Simulator, path: str) -> bytes:
    async with (
        aiohttp.ClientSession(sim.url) as session,
        session.get(path, params={"token": "doc-token"}) as response,
    ):
        assert (response.status, response.content_type) == (200, "text/html")
        return await response.read()


NUMBERS = {
    "calls": 12,
    "avgduration": "0:03:47",
    "agents": {"a01": {"calls": 9, "avgduration": "0:04:14"}, "a02": {"calls": 3, "avgduration": "0:02:25"}},
}
WITHOUT_AGENTS = {"calls": 5, "avgduration": "0:03:58"}
LIST = [
    {"date": "20261123", "folder": "Test01", **NUMBERS},
    {"date": "20261123", "folder": "Süd & A/B", **WITHOUT_AGENTS},
]
SHAPES: dict[Shape, Any] = {
    Shape.LIST: LIST,
    Shape.BY_FOLDER: {
        "Test01": [{"date": "20261123", **NUMBERS}],
        "Süd & A/B": [{"date": "20261123", **WITHOUT_AGENTS}],
    },
    Shape.BY_DATE: {"20261123": [{"folder": "Test01", **NUMBERS}, {"folder": "Süd & A/B", **WITHOUT_AGENTS}]},
    Shape.BY_FOLDER_AND_DATE: {"Test01": {"20261123": NUMBERS}, "Süd & A/B": {"20261123": WITHOUT_AGENTS}},
    Shape.BY_DATE_AND_FOLDER: {"20261123": {"Test01": NUMBERS, "Süd & A/B": WITHOUT_AGENTS}},
    Shape.WRAPPED: {"stats": LIST},
    Shape.BARE: LIST,
    Shape.APPSTATS: [
        {
            "date": "20261123",
            "folder": "Test01",
            "agents": 2,
            "a01": {"calls": 9, "overall": {"ncalls": 9, "duration": "0:04:14"}},
            "a02": {"calls": 3, "overall": {"ncalls": 3, "duration": "0:02:25"}},
        },
        {"date": "20261123", "folder": "Süd & A/B", "calls": 5, "duration": "0:03:58", "agents": 0},
    ],
    Shape.AGENT_LIST: [
        {
            **LIST[0],
            "agents": [
                {"agent": "a01", "calls": 9, "avgduration": "0:04:14"},
                {"agent": "a02", "calls": 3, "avgduration": "0:02:25"},
            ],
        },
        LIST[1],
    ],
    Shape.SECONDS: [
        {
            "date": "20261123",
            "folder": "Test01",
            "calls": 12,
            "avgduration": 226.583,
            "agents": {"a01": {"calls": 9, "avgduration": 253.667}, "a02": {"calls": 3, "avgduration": 145.333}},
        },
        {"date": "20261123", "folder": "Süd & A/B", "calls": 5, "avgduration": 237.6},
    ],
    Shape.STRINGS: [
        {
            "date": "20261123",
            "folder": "Test01",
            "calls": "12",
            "avgduration": "226.5833",
            "agents": {
                "a01": {"calls": "9", "avgduration": "253.6667"},
                "a02": {"calls": "3", "avgduration": "145.3333"},
            },
        },
        {"date": "20261123", "folder": "Süd & A/B", "calls": "5", "avgduration": "237.6000"},
    ],
    Shape.TOTALS: [
        {
            "date": "20261123",
            "folder": "Test01",
            "calls": 12,
            "totalduration": "0:45:19",
            "agents": {
                "a01": {"calls": 9, "totalduration": "0:38:03"},
                "a02": {"calls": 3, "totalduration": "0:07:16"},
            },
        },
        {"date": "20261123", "folder": "Süd & A/B", "calls": 5, "totalduration": "0:19:48"},
    ],
    Shape.SPELLED: {
        "20261123": [
            {
                "Folder Name": "Test01",
                "Call Volume": 12,
                "Average_Call-Duration": "0:03:47",
                "By Agent": {
                    "a01": {"Call Volume": 9, "Average_Call-Duration": "0:04:14"},
                    "a02": {"Call Volume": 3, "Average_Call-Duration": "0:02:25"},
                },
            },
            {"Folder Name": "Süd & A/B", "Call Volume": 5, "Average_Call-Duration": "0:03:58"},
        ]
    },
    Shape.TABLE: {
        "columns": ["day", "folder", "agent", "calls", "seconds"],
        "rows": [
            ["20261123", "Test01", "a01", 9, 2283],
            ["20261123", "Test01", "a02", 3, 436],
            ["20261123", "Süd & A/B", None, 5, 1188],
        ],
    },
    Shape.CSV: {
        "format": "csv",
        "content": "day,folder,agent,calls,seconds\n"
        "20261123,Test01,a01,9,2283\n"
        "20261123,Test01,a02,3,436\n"
        "20261123,Süd & A/B,,5,1188\n",
    },
    Shape.AGENTS_BELOW_FOLDERS: {
        "Test01": {"a01": {"calls": 9}, "a02": {"calls": 3}},
        "Süd & A/B": {"": {"calls": 5}},
    },
    Shape.METRICS: {
        "reports": [
            {
                "period": {"day": "2026-11-23"},
                "queues": [
                    {
                        "title": "Test01",
                        "metrics": {"handled": {"count": 12}, "talk": {"total_ms": 2719000}},
                    },
                    {
                        "title": "Süd & A/B",
                        "metrics": {"handled": {"count": 5}, "talk": {"total_ms": 1188000}},
                    },
                ],
            }
        ]
    },
    Shape.DIRECTIONS: {"inbound": {"Test01": 8, "Süd & A/B": 4}, "outbound": {"Test01": 4, "Süd & A/B": 1}},
}


@pytest.mark.parametrize("shape", Shape)
async def test_a_shape(sim: Simulator, shape: Shape) -> None:
    sim.shape = shape
    assert json.loads(await get(sim, STATS)) == SHAPES[shape]


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        (Shape.LIST, []),
        (Shape.BY_FOLDER, {}),
        (Shape.BY_DATE_AND_FOLDER, {}),
        (Shape.WRAPPED, {"stats": []}),
        (Shape.BARE, []),
        (Shape.TABLE, {"columns": ["day", "folder", "agent", "calls", "seconds"], "rows": []}),
        (Shape.CSV, {"format": "csv", "content": "day,folder,agent,calls,seconds\n"}),
        (Shape.AGENTS_BELOW_FOLDERS, {}),
        (Shape.METRICS, {"reports": []}),
        (Shape.DIRECTIONS, {"inbound": {}, "outbound": {}}),
    ],
)
async def test_no_calls(sim: Simulator, shape: Shape, body: object) -> None:
    sim.shape = shape
    sim.clock = lambda: datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert json.loads(await get(sim, STATS)) == body


async def test_the_default_body_to_the_byte(sim: Simulator) -> None:
    assert await get(sim, STATS + "/Test01") == (
        b'[{"date":"20261123","folder":"Test01","calls":12,"avgduration":"0:03:47","agents":'
        b'{"a01":{"calls":9,"avgduration":"0:04:14"},"a02":{"calls":3,"avgduration":"0:02:25"}}}]'
    )


async def test_a_bare_record_of_one_folder(sim: Simulator) -> None:
    sim.shape = Shape.BARE
    assert json.loads(await get(sim, STATS + "/S%C3%BCd%20%26%20A%2FB")) == {"date": "20261123", **WITHOUT_AGENTS}
