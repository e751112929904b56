import json
import platform
import re
from typing import Any

import pytest

from exporter import __version__
from exporter.errors import REASONS
from exporter.exposition.families import FolderFigures, PollFigures
from exporter.polling.discovery_log import DiscoveryFailure
from exporter.polling.snapshot import Health
from exporter.status.overview import ConfigState
from exporter.status.query import Sort
from tests.support.target_statuses import AUTH, NOW, curve_of, status_of
from tests.support.web_server import serving
from tools.docs.pages import DOCS

HOSTILE = "</script>\u202e\x1b\n\"'&"


async def test_the_whole_response() -> None:
    folders = {
        HOSTILE: FolderFigures(calls=10, average_seconds=100.0, agents=1),
        "A": FolderFigures(calls=30, average_seconds=60.5, agents=2),
        "none": FolderFigures(average_seconds=0.0),
    }
    curve = curve_of(status_of().target, *[None] * 22, {"A": 7, HOSTILE: 8}, {"A": 30, HOSTILE: 10})
    org = status_of(health=Health.FAILING, folders=folders, curve=curve, error=AUTH, polling=True)
    async with serving() as served:
        served.targets = [
            status_of("New", Health.WAITING, polls=PollFigures()),
            org,
        ]
        served.config = ConfigState(
            NOW - 60.5, ("poll.interval: no",), (DiscoveryFailure("", "auth", "the token is rejected", NOW - 600.0),)
        )
        served.clock.advance(5.25)
        assert json.loads(await served.text("/api/v1/targets")) == {
            "status": "success",
            "data": {
                "time": "2026-11-23T17:00:05.250Z",
                "version": __version__,
                "python_version": platform.python_version(),
                "shard": 0,
                "total_shards": 1,
                "started": "2026-11-23T17:00:00.000Z",
                "uptime_seconds": 5.25,
                "config": {
                    "loaded": "2026-11-23T16:58:59.500Z",
                    "last_reload_successful": False,
                    "problems": ["poll.interval: no"],
                },
                "discovery": {
                    "failures": [
                        {
                            "company": "",
                            "reason": "auth",
                            "text": "the token is rejected",
                            "since": "2026-11-23T16:50:00.000Z",
                        }
                    ]
                },
                "totals": {
                    "targets": 2,
                    "stale": 0,
                    "failing": 1,
                    "waiting": 1,
                    "ok": 0,
                    "without_values": 1,
                    "folders": 3,
                    "calls_today": 40,
                    "agents_today": 3,
                },
                "targets": [
                    {
                        "company": "C",
                        "org": "O",
                        "folder": None,
                        "timezone": "US/Eastern",
                        "vspark_timezone": None,
                        "state": "failing",
                        "polling": True,
                        "interval_seconds": 60.0,
                        "next_poll_seconds": 12.4,
                        "last_success": "2026-11-23T16:59:12.000Z",
                        "last_success_age_seconds": 48.0,
                        "last_poll": "2026-11-23T16:59:12.000Z",
                        "last_poll_duration_seconds": 0.25,
                        "polls": 3,
                        "poll_failures": 1,
                        "last_error": {
                            "reason": "auth",
                            "text": "the token is rejected",
                            "hint": REASONS["auth"].action,
                            "time": "2026-11-23T16:58:55.000Z",
                            "age_seconds": 70.25,
                            "recovered": False,
                        },
                        "calls_today": 40,
                        "average_duration_seconds": 70.375,
                        "agents_today": 3,
                        "calls_by_half_hour": [*[None] * 22, 0, 25],
                        "calls_by_half_hour_since": "2026-11-23T16:01:00.000Z",
                        "folders": [
                            {
                                "folder": HOSTILE,
                                "calls_today": 10,
                                "average_duration_seconds": 100.0,
                                "agents_today": 1,
                                "calls_by_half_hour": [*[None] * 22, 0, 2],
                            },
                            {
                                "folder": "A",
                                "calls_today": 30,
                                "average_duration_seconds": 60.5,
                                "agents_today": 2,
                                "calls_by_half_hour": [*[None] * 22, 0, 23],
                            },
                            {
                                "folder": "none",
                                "calls_today": 0,
                                "average_duration_seconds": None,
                                "agents_today": 0,
                                "calls_by_half_hour": [*[None] * 22, 0, 0],
                            },
                        ],
                    },
                    {
                        "company": "C",
                        "org": "O",
                        "folder": "New",
                        "timezone": "US/Eastern",
                        "vspark_timezone": None,
                        "state": "waiting",
                        "polling": False,
                        "interval_seconds": 60.0,
                        "next_poll_seconds": 12.4,
                        "last_success": None,
                        "last_success_age_seconds": None,
                        "last_poll": None,
                        "last_poll_duration_seconds": None,
                        "polls": 0,
                        "poll_failures": 0,
                        "last_error": None,
                        "calls_today": None,
                        "average_duration_seconds": None,
                        "agents_today": None,
                        "calls_by_half_hour": [],
                        "calls_by_half_hour_since": None,
                        "folders": [],
                    },
                ],
            },
        }


async def answered(query: str) -> Any:
    async with serving() as served:
        served.targets = [status_of(f"F{number:04}") for number in range(2500)] + [status_of("Bad", Health.FAILING)]
        return json.loads(await served.text(f"/api/v1/targets{query}"))


async def test_it_is_complete_and_takes_the_same_query_as_the_page() -> None:
    targets = (await answered(""))["data"]["targets"]
    assert [each["folder"] for each in targets] == ["Bad", *(f"F{number:04}" for number in range(2500))]
    for query in ("?state=failing", "?filter=BAD&refresh=0"):
        found = await answered(query)
        assert [each["folder"] for each in found["data"]["targets"]] == ["Bad"]
        assert found["data"]["totals"]["targets"] == 2501


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("?state=bad", ["state='bad' is unknown, expected one of stale, failing, waiting, ok"]),
        (
            "?order=up&sort=%ED%A0%80",
            [
                f"sort='{3 * chr(0xFFFD)}' is unknown, expected one of {', '.join(Sort)}",
                "order='up' is unknown, expected one of asc, desc",
            ],
        ),
    ],
)
async def test_an_invalid_query(query: str, problems: list[str]) -> None:
    async with serving() as served:
        status, headers, body = await served.ask(f"/api/v1/targets{query}")
        assert (status, headers["Content-Type"]) == (400, "application/json")
        assert json.loads(body) == {"status": "error", "errorType": "bad_data", "error": "; ".join(problems)}


def keys(value: Any, path: str = "") -> set[str]:
    """Return the path of every key with a value, as docs/status.md writes it."""
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return {key for each in value for key in keys(each, f"{path}[]")}
    if isinstance(value, dict):
        return {key for name, each in value.items() for key in keys(each, f"{path}.{name}".removeprefix("."))}
    return {path}


async def test_every_key_is_explained() -> None:
    async with serving() as served:
        served.targets = [status_of("A", error=AUTH)]
        data = json.loads(await served.text("/api/v1/targets"))["data"]
    table = (DOCS / "status.md").read_text("utf-8").partition("| key | meaning |")[2].partition("\n\n")[0]
    explained = {key for row in table.splitlines()[2:] for key in re.findall("`([^`]+)`", row.split("|")[1])}
    assert keys(data) == explained - {"targets[].last_error"}
