import pytest

from exporter.simulator import Fault, Simulator
from tests.support.probed_site import NOW, REDACTED, SITE, probed


async def test_a_report_without_ids_and_names() -> None:
    body = '[{"date":"20261123","folder":"Süd & West","calls":7,"lead":"Bob","agents":{"a1":{"calls":7}}}]'
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override("Co", "East", "Süd & West", body=body.encode())
        code, output = await probed(simulator, "Co/East", shown=REDACTED)
    assert output == (
        "company1/org1/folder1\n"
        "  request   GET http://host1/stats/company1/org1/folder1?token=***&daterange=20261123-20261123\n"
        "  response  200, text/html, 108 bytes, N ms\n"
        '  body      [{"date": "20261123", "folder": "folder1", "calls": 7, "key1": "text1", '
        '"agents": {"agent1": {"calls": 7}}}]\n'
        "  read by   rule 1: a folder's calls from 'calls'\n"
        "            rule 1: an agent's calls from 'calls'\n"
        "            rule 3: agents from 'agents', an object by their ids\n"
        "            rule 4: the folder from the field 'folder'\n"
        "            rule 5: the date from the field 'date'\n"
        "  records   of 2026-11-23\n"
        "            folder          calls  mean  agents\n"
        "            folder1             7     -       1\n"
        "              agent agent1      7     -\n"
        "\n"
        "understood: 1 of 1\n"
    )
    assert code == 0


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            Fault.status(403),
            "auth: The token was rejected (401, 403, or 400 with a text about the token). (status 403)\n",
        ),
        (
            Fault.reset(),
            "disconnected: The connection broke before the response was complete, or the response is not HTTP.\n",
        ),
        (
            Fault.html(),
            "not_json at $: The response is not JSON; perhaps a proxy's HTML page or a login.\n",
        ),
    ],
)
async def test_a_failure_without_ids_and_names(fault: Fault, expected: str) -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.fail("Co", "East", "Süd & West", fault=fault)
        code, output = await probed(simulator, "Co/East", shown=REDACTED)
    assert f"  FAILED    {expected}" in output
    assert code == 1
    assert [name for name in ("Süd", "East", "Co/", "127.0.0.1", "http://v") if name in output] == []
