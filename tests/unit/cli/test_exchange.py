from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.cli.exchange import Exchange, Report, examine, requested
from exporter.cli.probe_text import report_lines
from exporter.config.schema import StatsFields
from exporter.config.targets import Target
from exporter.config.tokens import LiteralToken
from exporter.errors import DecodeError, MappingError, PollError
from exporter.vspark.response import Response

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def report_of(
    body: bytes, *, mapped: bytes | None = None, undated: bytes | None = None, error: PollError | None = None
) -> Report:
    target = Target("Co", "Org", None, ZoneInfo("US/Eastern"), 60, 300, LiteralToken("t"))
    response = Response("http://v/stats/Co/Org?token=***", 200, {"Content-Type": "text/html"}, body, 0.25)
    asked = requested(target, date(2026, 11, 23))
    return examine(Exchange(target, asked, response, error, mapped, undated), StatsFields(), NOW)


def test_the_body_and_what_the_program_makes_of_it() -> None:
    report = report_of(b'{"F":{"00":1}}', mapped=b'{"F":{"agents":{"00":1}}}')
    assert list(report_lines(report)) == [
        "Co/Org",
        "  request   GET http://v/stats/Co/Org?token=***",
        "  response  200, text/html, 14 bytes, 250 ms",
        '  body      {"F":{"00":1}}',
        '  stats_jq  {"F":{"agents":{"00":1}}}',
        "  read by   rule 1: calls and mean duration are those of the agents, added up",
        "            rule 3: agents from 'agents', an object by their ids",
        "            rule 4: the folder from the key above the record",
        "            rule 5: no date named, so the requested day",
        "  records   of 2026-11-23",
        "            folder      calls  mean  agents",
        "            F               1     -       1",
        "              agent 00      1     -",
    ]


def test_a_program_is_suggested_for_the_response_only() -> None:
    body = b'{"F":{"00":1}}'
    assert [each.value for each in report_of(body).suggestions] == ["map_values({agents: .})"]
    assert report_of(b"[]", mapped=body).suggestions == ()
    assert '  stats_jq  {"F":{"00":1}}' in list(report_lines(report_of(b"[]", mapped=body)))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MappingError("it loops"), "  FAILED    mapping: stats_jq: it loops"),
        (DecodeError("not_json", "$", "the body is empty"), "  FAILED    not_json at $: the body is empty"),
    ],
)
def test_a_program_that_fails(error: PollError, line: str) -> None:
    report = report_of(b"[]", error=error)
    assert report.error is error
    assert list(report_lines(report))[1:] == [
        "  request   GET http://v/stats/Co/Org?token=***",
        "  response  200, text/html, 2 bytes, 250 ms",
        "  body      []",
        line,
    ]


@pytest.mark.parametrize(
    ("undated", "latest"),
    [
        (
            b'[{"folder":"F","date":"20261122","calls":1},{"folder":"F","date":"20261124","calls":1}]',
            date(2026, 11, 24),
        ),
        (b'[{"folder":"F","date":"20261122","calls":1}]', date(2026, 11, 22)),
        (b'[{"folder":"F","date":"20261123","calls":1}]', None),
        (b'[{"folder":"F","calls":1}]', None),
        (b"[]", None),
        (b"{", None),
        (None, None),
    ],
)
def test_the_latest_day_without_a_date(undated: bytes | None, latest: date | None) -> None:
    doubt = report_of(b"[]", undated=undated).doubt
    assert (doubt and doubt.latest) == latest
