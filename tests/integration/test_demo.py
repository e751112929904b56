import asyncio
import json
import os
import re
import signal
import sys

import aiohttp

from exporter.exposition.text_format import Format
from tests.support.exposition_oracle import assert_valid
from tests.support.repository import ROOT

SAID = """\
A simulated V-Spark runs at SIMULATOR and is polled every 5 seconds.

  open EXPORTER/metrics to see today's calls, mean durations and agents; reload to see them change
  open EXPORTER/ to see the state of every target, and today's figures at a glance

  the response of V-Spark:  curl 'SIMULATOR/stats/DocTestCo/DocTestCo-DocTesting?token=demo-doctestco-token'

Press Ctrl-C to stop.
"""


async def test_the_demo() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "demo", "--web.listen-address", "127.0.0.1:0"),
        cwd=ROOT,
        env={**os.environ, "http_proxy": "http://127.0.0.1:9"},  # nothing of its own goes through a proxy
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        said = (await process.stdout.readuntil(b"Press Ctrl-C to stop.\n")).decode()
        urls = dict.fromkeys(re.findall(r"http://127\.0\.0\.1:[0-9]+", said))
        simulator, exporter = urls
        assert said.replace(simulator, "SIMULATOR").replace(exporter, "EXPORTER") == SAID
        while (await session.get(f"{exporter}/-/ready")).status != 200:
            await asyncio.sleep(0.01)
        async with session.get(f"{exporter}/metrics") as response:
            found = assert_valid(await response.read(), Format.TEXT)
        async with session.get(re.findall(r"curl '(.*)'", said)[0]) as response:
            upstream = {each["folder"]: each["calls"] for each in json.loads(await response.read())}
        process.send_signal(signal.SIGINT)
        rest, errors = await process.communicate()
    assert (process.returncode, rest) == (0, b"")
    events = re.findall(r"event=(\S+)", errors.decode())
    assert events == ["listening", "targets_discovered", "stopped"]
    assert {dict(labels)["org"]: value for (name, labels), value in found.items() if name == "vspark_up"} == {
        "DocTestCo-DocTesting": 1.0,
        "DocTestCo-West": 1.0,
        "Nordwind-Service": 1.0,
        "LotusTravel-Bookings": 1.0,
        "KauriBank-Cards": 1.0,
    }
    companies = {
        dict(labels)["company"] for (name, labels), value in found.items() if name == "vspark_discovery_up" and value
    }
    assert companies == {"", "DocTestCo", "Nordwind", "LotusTravel", "KauriBank"}
    calls = {
        dict(labels)["folder"]: value
        for (name, labels), value in found.items()
        if name == "vspark_folder_calls_today" and ("org", "DocTestCo-DocTesting") in labels
    }
    assert calls.keys() == {"Test01", "Test02", "Sales East"}
    # A call or two may have arrived in between, never one have gone; at midnight all of them go.
    assert all(value <= upstream.get(folder, 0) or not upstream for folder, value in calls.items())
    assert sum(value for (name, _), value in found.items() if name == "vspark_folder_calls_today") > 0
