import io
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from exporter.cli.probe import Shown, probe, probe_raw
from exporter.config.schema import Company, Config, Discovery, StatsFields
from exporter.config.tokens import LiteralToken
from exporter.simulator import Fault, Simulator, Site
from tests.support.probed_site import JSON, NOW, SITE, TEXT, config, probed
from tests.support.raw_servers import serving


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
        simulator.override("Co", "East", "Süd & West", body=b'{"stats":[{"menge":12,"besetzt":1},{"menge":1}]}')
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
            "                menge: 12",
            "                besetzt: 1",
            "              … and 1 more",
            "  try       stats_fields, if fields have other names; stats_jq, if the shape is another one:",
            "            docs/stats-format.md has examples of both.",
            "",
            "understood: 0 of 1",
        ]
        assert code == 1
        code, output = await probed(simulator, "Co/East", StatsFields(calls=("Menge",)))
        assert "            Süd & West     13     -       0\n" in output
        assert code == 0


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            Fault.status(403),
            "auth: the token from the configuration file is rejected: check that it is valid for this request (status",
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
        await probe(config(f"http://127.0.0.1:{server.port}"), "Co/Nowhere", TEXT, NOW, out, out)
    assert "response  200, text/html; x=\\udce9, 2 bytes" in out.getvalue()
    out.getvalue().encode()


async def test_an_org_or_a_folder_that_is_not_configured() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override("Co", "East", "Other", body=b'[{"date":"20261123","calls":7}]')
        code, output = await probed(simulator, "Co/East/Other")
        assert output == (
            "Co/East/Other\n"
            "  request   GET http://v/stats/Co/East/Other?token=***&daterange=20261123-20261123\n"
            "  response  200, text/html, 31 bytes, N ms\n"
            '  body      [{"date":"20261123","calls":7}]\n'
            "  read by   rule 1: a folder's calls from 'calls'\n"
            "            rule 4: no folder named, so the requested one\n"
            "            rule 5: the date from the field 'date'\n"
            "  records   of 2026-11-23\n"
            "            folder  calls  mean  agents\n"
            "            Other       7     -       0\n"
            "\n"
            "understood: 1 of 1\n"
        )
        assert code == 0
        code, output = await probed(simulator, "Co/Ea")
        assert "request   GET http://v/stats/Co/Ea?token=***\n" in output
        assert "FAILED    not_found: " in output
        assert code == 1


@pytest.mark.parametrize("shown", [TEXT, JSON])
async def test_a_name_that_cannot_be_requested(shown: Shown) -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        out, errors = io.StringIO(), io.StringIO()
        code = await probe(config(simulator.url), "Else/Org", shown, NOW, out, errors)
        requests = simulator.requests
    assert (code, out.getvalue()) == (1, "")
    assert errors.getvalue() == (
        "There is no token for Else: it is not in the configuration, and there is no token under vspark. Set "
        "token_file, token_env or token under vspark, or add the company with its own.\n"
    )
    assert len(requests) == 0


# The request without a date


class SiteOfTwoDays:
    """Responds to a request with a date with `dated`, and to one without with `undated`."""

    def __init__(self, dated: bytes, undated: bytes) -> None:
        self._bodies = {True: dated, False: undated}

    async def respond(self, request: web.Request) -> web.Response:
        return web.Response(body=self._bodies["daterange" in request.query])


TODAY = b'[{"date":"20261123","calls":1}]'
RECORDS = (
    "  records   of 2026-11-23\n"
    "            folder      calls  mean  agents\n"
    "            Süd & West      1     -       0\n"
)


async def probed_without_a_date(undated: bytes, dated: bytes = TODAY, zone: str = "US/Eastern") -> str:
    app = web.Application()
    app.router.add_get("/{path:.*}", SiteOfTwoDays(dated, undated).respond)
    async with TestServer(app) as server:
        out = io.StringIO()
        await probe(config(f"http://127.0.0.1:{server.port}", zone=zone), "Co/East", TEXT, NOW, out, out)
    _, below, after = out.getvalue().partition("  records   ")
    return below + after


async def test_a_time_zone_that_is_not_v_sparks() -> None:
    output = await probed_without_a_date(b'[{"date":"20261124","calls":1},{"date":"20261123","calls":9}]')
    assert output.partition("            -02:00")[0] == (
        f"{RECORDS}"
        "  zone      in US/Eastern it is 2026-11-23, but the latest day in a response without a date is 2026-11-24\n"
        "            The time zone is wrong.\n"
        "            It is 2026-11-24 in these, for example:\n"
        "            -03:00  America/Sao_Paulo, America/Araguaina, America/Argentina/Buenos_Aires, "
        "America/Argentina/Catamarca\n"
    )


@pytest.mark.parametrize(
    ("latest", "line"),
    [
        ("2026-11-20", "Either there have been no calls since, or the clock of this machine is wrong."),
        ("2026-11-27", "It is 2026-11-27 nowhere now: compare the clocks of V-Spark and of this machine."),
    ],
)
async def test_a_latest_day_that_no_zone_explains(latest: str, line: str) -> None:
    assert await probed_without_a_date(f'[{{"date":"{latest}","calls":1}}]'.encode()) == (
        f"{RECORDS}"
        f"  zone      in US/Eastern it is 2026-11-23, but the latest day in a response without a date is {latest}\n"
        f"            {line}\n"
        "\n"
        "understood: 1 of 1\n"
    )


async def test_a_day_without_calls_may_be_the_wrong_day() -> None:
    """At 3:00 UTC it is the 24th in Japan, and no longer the 23rd, as in New York."""
    output = await probed_without_a_date(b'[{"date":"20261123","calls":9}]', dated=b"[]", zone="Asia/Tokyo")
    assert output.splitlines()[:5] == [
        "  records   of 2026-11-24: none, that is no calls",
        "  zone      in Asia/Tokyo it is 2026-11-24, but the latest day in a response without a date is 2026-11-23",
        "            Either there are no calls yet today, or the time zone is wrong.",
        "            It is 2026-11-23 in these, for example:",
        "            -03:30  America/St_Johns",
    ]


@pytest.mark.parametrize("undated", [b"[]", b'[{"date":"20261123","calls":1}]', b'[{"calls":1}]', b"<html>", b'"no"'])
async def test_nothing_is_said_about_a_zone_that_may_be_right(undated: bytes) -> None:
    assert await probed_without_a_date(undated) == f"{RECORDS}\nunderstood: 1 of 1\n"


# What to try


async def test_a_suggestion_makes_the_body_readable() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override("Co", "East", "Süd & West", body=b'[{"date":"20261123","anzahl":12,"dauer":"0:01:00"}]')
        code, output = await probed(simulator, "Co/East")
        assert output.partition('dauer: "0:01:00"\n')[2] == (
            "  try       stats_fields:\n"
            "              calls: [anzahl]\n"
            "              average_duration: [dauer]\n"
            "            if fields have other names. "
            "It is a guess: compare the numbers with V-Spark's own pages.\n"
            "            folder      calls     mean  agents\n"
            "            Süd & West     12  0:01:00       0\n"
            "\n"
            "understood: 0 of 1\n"
        )
        assert code == 1
        suggested = StatsFields(calls=("anzahl",), average_duration=("dauer",))
        assert (await probed(simulator, "Co/East", suggested))[0] == 0


async def test_a_suggested_program() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override("Co", "Nowhere", body=b'{"Test01":{"00":1,"01":2}}')
        code, output = await probed(simulator, "Co/Nowhere")
    assert output.partition("              01: 2\n")[2] == (
        "  try       stats_jq: 'map_values({agents: .})'\n"
        "            if the keys of the second level are ids of agents. "
        "It is a guess: compare the numbers with V-Spark's own pages.\n"
        "            folder      calls  mean  agents\n"
        "            Test01          3     -       2\n"
        "              agent 01      2     -\n"
        "              agent 00      1     -\n"
        "\n"
        "understood: 0 of 1\n"
    )
    assert code == 1


# The body alone


async def raw(url: str, name: str | None, *, redacted: bool = False) -> tuple[int, bytes, str]:
    out, errors = io.BytesIO(), io.StringIO()
    code = await probe_raw(config(url), name, NOW, out, errors, redacted=redacted)
    return code, out.getvalue(), errors.getvalue()


@pytest.mark.parametrize("body", [b'{"a":\xff}\r\n', b"[]", b"", b"\xef\xbb\xbf[1]", b"<html>"])
async def test_only_the_body(body: bytes) -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override("Co", "Nowhere", body=body)
        assert await raw(simulator.url, "Co/Nowhere") == (0, body, "")


async def test_the_token_is_masked_in_the_body() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override("Co", "Nowhere", body=b'{"for":"co-token"}')
        assert await raw(simulator.url, "Co/Nowhere") == (0, b'{"for":"***"}', "")


async def test_no_body_after_a_failure() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.fail("Co", "Nowhere", fault=Fault.status(503))
        code, output, errors = await raw(simulator.url, "Co/Nowhere")
    assert (code, output) == (1, b"")
    assert errors.startswith(
        "Co/Nowhere: server_error: V-Spark, or a proxy in front of it, fails: check its log (status 5"
    )
    assert errors.endswith("\n")


async def test_the_body_of_one_target_only() -> None:
    assert await raw("http://v", None) == (
        1,
        b"",
        "--raw prints the body of one target, but there are 2: name one, as COMPANY/ORG or COMPANY/ORG/FOLDER.\n",
    )


async def test_only_the_body_without_ids_and_names() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        simulator.override("Co", "Nowhere", body=b'{"Sales":{"calls":3,"agents":{"Bob":3}}}')
        expected = b'{"folder1": {"calls": 3, "agents": {"agent1": 3}}}\n'
        assert await raw(simulator.url, "Co/Nowhere", redacted=True) == (0, expected, "")
        simulator.override("Co", "Nowhere", body=b"<html>Sales</html>")
        assert await raw(simulator.url, "Co/Nowhere", redacted=True) == (
            1,
            b"",
            "The body is not JSON, so ids and names in it cannot be replaced.\n",
        )


async def test_discovered_targets_are_probed_and_a_failed_discovery_is_reported() -> None:
    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        found = replace(config(simulator.url), companies=(Company(name="Co", token=LiteralToken("co-token")),))
        discovering = replace(found, discovery=Discovery())
        out, errors = io.StringIO(), io.StringIO()
        assert await probe(discovering, None, JSON, NOW, out, errors) == 0
        assert [target["target"] for target in json.loads(out.getvalue())["targets"]] == ["Co/East", "Co/Nowhere"]
        assert errors.getvalue() == ""
        simulator.fail_path("/list/Co/orgs", fault=Fault.status(500))
        assert await probe(discovering, "Co/East", JSON, NOW, io.StringIO(), errors) == 0
        assert errors.getvalue() == (
            "discovery failed (server_error) of Co: V-Spark, or a proxy in front of it, fails: check its log "
            "(status 500 Internal Server Error; it says: Internal Server Error)\n"
        )


@pytest.mark.parametrize("shown", [TEXT, JSON])
async def test_a_failed_discovery_is_a_failure_if_targets_may_be_missing(shown: Shown) -> None:
    async def exit_code(name: str | None) -> int:
        return await probe(both, name, shown, NOW, io.StringIO(), io.StringIO())

    async with Simulator(SITE, clock=lambda: NOW) as simulator:
        wrong = LiteralToken("wrong-token")
        found = replace(config(simulator.url), discovery=Discovery())
        two_lines = replace(found, companies=None, vspark=replace(found.vspark, token=wrong))
        out, errors = io.StringIO(), io.StringIO()
        assert await probe(two_lines, None, shown, NOW, out, errors) == 1
        assert errors.getvalue().startswith("discovery failed (auth) of the list of companies: ")
        assert "understood" in out.getvalue()
        both = replace(
            found,
            companies=(Company(name="Co", token=LiteralToken("co-token")), Company(name="Else", token=wrong)),
        )
        assert await exit_code(None) == 1
        assert await exit_code("Co") == 0
        assert await exit_code("Co/East") == 0


async def test_nothing_to_request_is_a_failure() -> None:
    async with Simulator(Site((), root_token="root-token"), clock=lambda: NOW) as simulator:
        vspark = replace(config(simulator.url).vspark, token=LiteralToken("root-token"))
        empty = Config(vspark=vspark)
        out = io.StringIO()
        assert await probe(empty, None, TEXT, NOW, out, out) == 1
    assert out.getvalue() == "understood: 0 of 0\n"
