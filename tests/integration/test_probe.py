import io
import re
from datetime import UTC, datetime

import pytest

from exporter.cli.probe import probe
from exporter.config.schema import Company, Config, Org, StatsFields, Vspark
from exporter.config.tokens import LiteralToken
from exporter.config.units import Duration
from exporter.simulator import Company as SimulatedCompany
from exporter.simulator import Fault, Folder, Simulator, Site
from exporter.simulator import Org as SimulatedOrg
from tests.support.raw_servers import serving

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SITE = Site(
    (
        SimulatedCompany(
            "Co",
            "co-token",
            (
                SimulatedOrg("East", "US/Eastern", (Folder("Süd & West", 100, ("a1",)), Folder("Other", 100))),
                SimulatedOrg("Nowhere", "UTC", (Folder("F", 100),)),
            ),
        ),
    )
)


def config(url: str, fields: StatsFields | None = None) -> Config:
    return Config(
        vspark=Vspark(url=url, timeout_seconds=Duration(5)),
        companies=(
            Company(
                name="Co",
                token=LiteralToken("co-token"),
                orgs=(Org(name="East", timezone="US/Eastern", folders=("Süd & West",)), Org(name="Nowhere")),
            ),
        ),
        stats_fields=fields or StatsFields(),
    )


async def probed(simulator: Simulator, name: str | None = None, fields: StatsFields | None = None) -> tuple[int, str]:
    out = io.StringIO()
    code = await probe(config(simulator.url, fields), name, NOW, out)
    return code, re.sub(r"\d+ ms", "N ms", out.getvalue().replace(simulator.url, "http://v"))


async def test_responses_that_are_understood() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override(
            "Co",
            "East",
            "Süd & West",
            body=b'[{"date":"20261123","calls":7,"avgduration":"0:05:12","agents":'
            b'{"a1":{"calls":4,"duration":"1:01:01"},"a2":{"ncalls":3},"a3":0}},{"date":"20261122","calls":5}]',
        )
        simulator.override("Co", "Nowhere", body=b'{"stats":{"F":{"calls":"3","totalduration":90},"G":{"calls":0}}}')
        code, output = await probed(simulator)
    assert output == (
        "Co/East/Süd & West\n"
        "  request   GET http://v/stats/Co/East/S%C3%BCd%20%26%20West?token=***&daterange=20261123-20261123\n"
        "  response  200, text/html, 159 bytes, N ms\n"
        '  body      [{"date":"20261123","calls":7,"avgduration":"0:05:12","agents":'
        '{"a1":{"calls":4,"duration":"1:01:01"},"a2":{"ncalls":3},"a3":0}},{"date":"20261122","calls":5}]\n'
        "  read by   rule 1: a folder's calls from 'calls'\n"
        "            rule 1: an agent's calls from 'calls'\n"
        "            rule 2: a folder's mean duration from 'avgduration'\n"
        "            rule 2: an agent's mean duration from 'duration'\n"
        "            rule 3: agents from 'agents', an object by their ids\n"
        "            rule 4: no folder named, so the requested one\n"
        "            rule 5: the date from the field 'date'\n"
        "  records   of 2026-11-23\n"
        "            folder      calls     mean  agents\n"
        "            Süd & West      7  0:05:12       2\n"
        "              agent a1      4  1:01:01\n"
        "              agent a2      3        -\n"
        "            ignored: 1 of another day or folder\n"
        "\n"
        "Co/Nowhere\n"
        "  request   GET http://v/stats/Co/Nowhere?token=***\n"
        "  response  200, text/html, 64 bytes, N ms\n"
        '  body      {"stats":{"F":{"calls":"3","totalduration":90},"G":{"calls":0}}}\n'
        "  read by   rule 1: a folder's calls from 'calls'\n"
        "            rule 2: a folder's total duration, divided by the calls, from 'totalduration'\n"
        "            rule 4: the folder from the key above the record\n"
        "            rule 5: no date named, so the requested day\n"
        "            rule 6: 'stats' is a wrapper\n"
        "  records   of today, by the clock of V-Spark\n"
        "            folder  calls     mean  agents\n"
        "            F           3  0:00:30       0\n"
        "            G           0        -       0\n"
        "\n"
        "understood: 2 of 2\n"
    )
    assert code == 0


async def test_unknown_names_are_shown_with_what_to_do_and_then_understood() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        body = b'{"stats":[{"tag":"20261123","anzahl":12,"dauer":"0:01:00"},{"tag":"20261122","anzahl":1}]}'
        simulator.override("Co", "East", "Süd & West", body=body)
        code, output = await probed(simulator, "Co/East")
        assert output.splitlines()[4:] == [
            "  read by   rule 6: 'stats' is a wrapper",
            (
                "  FAILED    unrecognized at $.stats[0]: "
                "expected a day record, found an object without a call count or agents"
            ),
            "  outline",
            "            stats:",
            "              [0]:",
            '                tag: "20261123"',
            "                anzahl: 12",
            '                dauer: "0:01:00"',
            "              … and 1 more",
            (
                "            If a key here has the number of calls, the mean duration or the agents "
                "under another name, add it"
            ),
            "            to stats_fields.calls, stats_fields.average_duration or stats_fields.agents.",
            "",
            "understood: 0 of 1",
        ]
        assert code == 1
        code, output = await probed(simulator, "Co/East", StatsFields(calls=("Anzahl",), average_duration=("dauer",)))
        assert "            Süd & West     13  0:01:00       0\n" in output
        assert code == 0


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            Fault.status(403),
            "auth: the token from the configuration file is rejected: check that it belongs to this company (status 40",
        ),
        (Fault.garbage(), "not_json at $: "),
        (
            Fault.html(),
            "not_json at $: the body is an HTML or XML page, perhaps of a proxy or a login; check vspark.url",
        ),
        (
            Fault.error_json(),
            "unrecognized at $: expected a day record, found an object without a call count or agents",
        ),
        (Fault.reset(), "disconnected: "),
        (Fault.answer(b""), "not_json at $: the body is empty"),
    ],
)
async def test_a_failure_says_why_and_the_others_are_probed(fault: Fault, expected: str) -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.fail("Co", "East", "Süd & West", fault=fault)
        code, output = await probed(simulator)
    assert f"  FAILED    {expected}" in output
    assert output.endswith("understood: 1 of 2\n")
    assert "co-token" not in output
    assert code == 1


async def test_text_of_v_spark_cannot_move_the_cursor() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        body = '[{"calls":1,"agents":{"\\u001b[2J\\u202e":2},"x":"\x7f\x9b"}]'.encode()
        simulator.override("Co", "East", "Süd & West", body=body)
        _, output = await probed(simulator, "Co/East/Süd & West")
    assert "              agent \\x1b[2J\\u202e      2" in output
    assert "\\x7f\\x9b" in output
    assert all(char.isprintable() or char == "\n" for char in output)


async def test_a_content_type_that_is_not_ascii_is_escaped() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; x=\xe9\r\nContent-Length: 2\r\n\r\n[]"
    async with serving(reply) as server:
        out = io.StringIO()
        await probe(config(f"http://127.0.0.1:{server.port}"), "Co/Nowhere", NOW, out)
    assert "response  200, text/html; x=\\udce9, 2 bytes" in out.getvalue()
    out.getvalue().encode()


async def test_a_name_that_is_not_configured() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        code, output = await probed(simulator, "Co/Ea")
        requests = len(simulator.requests)
    assert output == "There is no target 'Co/Ea'. The configuration has:\n  Co/East/Süd & West\n  Co/Nowhere\n"
    assert (code, requests) == (1, 0)
