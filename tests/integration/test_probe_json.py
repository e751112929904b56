import json

from exporter.simulator import Fault, Simulator
from tests.support.probed_site import JSON, NOW, SITE, probed


async def test_every_key() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        body = b'[{"date":"20261123","calls":7,"agents":{"a1":7}},{"date":"20261122","calls":5}]'
        simulator.override("Co", "East", "Süd & West", body=body)
        simulator.override("Co", "Nowhere", body=b'{"Test01":{"00":1,"01":2}}')
        code, output = await probed(simulator, shown=JSON)
    assert code == 1
    assert output.isascii()
    assert json.loads(output) == {
        "targets": [
            {
                "target": "Co/East/Süd & West",
                "request": "http://v/stats/Co/East/S%C3%BCd%20%26%20West?token=***&daterange=20261123-20261123",
                "status": 200,
                "content_type": "text/html",
                "bytes": 79,
                "seconds": 0,
                "result": "ok",
                "message": None,
                "json_path": None,
                "day": "2026-11-23",
                "records": [{"folder": "Süd & West", "calls": 7, "average_seconds": None, "agents": 1}],
                "ignored": 1,
                "findings": [
                    {"rule": 1, "text": "a folder's calls from 'calls'"},
                    {"rule": 3, "text": "agents from 'agents', an object by their ids"},
                    {"rule": 4, "text": "no folder named, so the requested one"},
                    {"rule": 5, "text": "the date from the field 'date'"},
                ],
                "zone": {"configured": "US/Eastern", "latest_day": None, "fitting": []},
                "suggestions": [],
                "note": None,
            },
            {
                "target": "Co/Nowhere",
                "request": "http://v/stats/Co/Nowhere?token=***",
                "status": 200,
                "content_type": "text/html",
                "bytes": 26,
                "seconds": 0,
                "result": "unrecognized",
                "message": "expected a day record, found an object without a call count or agents",
                "json_path": "$.Test01",
                "day": None,
                "records": [],
                "ignored": 0,
                "findings": [],
                "zone": None,
                "suggestions": [
                    {
                        "key": "stats_jq",
                        "value": "map_values({agents: .})",
                        "meaning": "the keys of the second level are ids of agents",
                        "day": None,
                        "records": [{"folder": "Test01", "calls": 3, "average_seconds": None, "agents": 2}],
                        "ignored": 0,
                    }
                ],
                "note": None,
            },
        ],
        "understood": 1,
    }


async def test_a_target_without_a_response() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.fail("Co", "Nowhere", fault=Fault.reset())
        code, output = await probed(simulator, "Co/Nowhere", shown=JSON)
    assert code == 1
    (target,) = json.loads(output)["targets"]
    assert target.pop("message")
    assert target == {
        **dict.fromkeys(("request", "status", "content_type", "bytes", "seconds", "json_path", "day", "zone", "note")),
        **{key: [] for key in ("records", "findings", "suggestions")},
        "target": "Co/Nowhere",
        "result": "disconnected",
        "ignored": 0,
    }


async def test_a_zone_that_is_not_v_sparks() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override("Co", "East", "Süd & West", body=b'[{"date":"20261124","calls":1}]')
        _, output = await probed(simulator, "Co/East", shown=JSON)
    (target,) = json.loads(output)["targets"]
    assert target["ignored"] == 1
    names = ["America/Sao_Paulo", "America/Araguaina", "America/Argentina/Buenos_Aires", "America/Argentina/Catamarca"]
    zone = {"configured": "US/Eastern", "latest_day": "2026-11-24"}
    assert target["zone"] | {"fitting": target["zone"]["fitting"][:1]} == {
        **zone,
        "fitting": [{"offset": "-03:00", "names": names}],
    }
