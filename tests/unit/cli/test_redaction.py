import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.cli.exchange import Exchange, Report, examine, requested
from exporter.cli.probe_json import json_document
from exporter.cli.probe_text import report_lines
from exporter.cli.redaction import redact, redact_body
from exporter.config.schema import StatsFields
from exporter.config.targets import Target
from exporter.config.tokens import LiteralToken
from exporter.errors import DecodeError, MappingError, PollError, StatusError, TokenError
from exporter.vspark.response import Response

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FIELDS = StatsFields(calls=("anzahl",))
COMPANY, ORG, FOLDER = "Quxmart", "Quxmart-Zweig", "Vertrieb Jülich"


def target(folder: str | None) -> Target:
    return Target(COMPANY, ORG, folder, ZoneInfo("US/Eastern"), 60, 300, LiteralToken("t"))


def response(body: bytes, kind: str = "text/html") -> Response:
    url = "http://vspark.quxmart.example:3000/prefix/stats/Quxmart/Quxmart-Zweig/Vertrieb%20J%C3%BClich?token=***&daterange=20261123-20261123"
    return Response(url, 200, {"Content-Type": kind}, body, 0.1)


def report_of(body: bytes, folder: str | None = FOLDER, undated: bytes | None = None, **more: Any) -> Report:
    chosen = target(folder)
    exchange = Exchange(chosen, requested(chosen, date(2026, 11, 23)), response(body), undated=undated, **more)
    return examine(exchange, FIELDS, NOW)


def output_of(report: Report) -> str:
    return "\n".join((*report_lines(report), json_document([report])))


NAMES = st.one_of(
    st.sampled_from((COMPANY, ORG, FOLDER)),
    st.text("QXZJ", min_size=3, max_size=6).map("Qx{}".format),
    st.from_regex(r"9[0-9]{9}", fullmatch=True),  # a phone number
    st.from_regex(r"00[0-9]{3}x", fullmatch=True),
)
FIELD_NAMES = st.sampled_from(
    (
        "calls",
        "anzahl",
        "agents",
        "folder",
        "name",
        "agent",
        "id",
        "date",
        "stats",
        "overall",
        "error",
        "message",
    )
)
MEASURES = st.sampled_from(("calls", "anzahl", "duration", "avgduration"))
PLAIN = st.one_of(
    NAMES,
    NAMES.map(lambda name: f"About {name}: see there"),
    NAMES.filter(str.isdigit).map(int),
    st.integers(0, 999),
    st.sampled_from((None, True, "20261123", "0:01:02", "", 1.5)),
)
RECORDS = st.fixed_dictionaries(
    {"calls": st.integers(0, 99)},
    optional={
        "folder": NAMES,
        "date": st.sampled_from(("20261123", "20261122", 20261123)),
        "avgduration": st.sampled_from((12.5, "0:01:02")),
        "agents": st.dictionaries(NAMES, st.integers(0, 9), max_size=3),
        "lead": PLAIN,
    },
)
BODIES = st.recursive(
    RECORDS | PLAIN,
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(FIELD_NAMES | NAMES, below, max_size=3),
        st.dictionaries(MEASURES, st.integers(0, 99), max_size=2),
    ),
    max_leaves=8,
)


def names_in(value: Any) -> set[str]:
    """Return the names that were generated: each has Qx, a phone number, or two zeros in it."""
    match value:
        case dict():
            return {name for key, below in value.items() for name in names_in(key) | names_in(below)}
        case list():
            return {name for below in value for name in names_in(below)}
        case bool() | float() | None:
            return set()
        case _:
            text = str(value)
            return {text} if "Qx" in text or "Qux" in text or "Jül" in text or "x" in text or len(text) == 10 else set()


@given(BODIES, st.booleans())
def test_no_name_of_a_body_is_in_the_output(value: Any, folder: bool) -> None:  # noqa: FBT001
    body = json.dumps(value).encode()
    before = report_of(body, FOLDER if folder else None, undated=body)
    redacted = redact(before, FIELDS, NOW)
    output = output_of(redacted) + redact_body(body, target(FOLDER), FIELDS).decode()
    names = {*names_in(value), COMPANY, ORG, FOLDER, "quxmart", "J%C3%BClich", json.dumps(FOLDER)[1:-1]}
    assert [name for name in names if name in output] == []
    assert (redacted.error and redacted.error.reason) == (before.error and before.error.reason)


@given(BODIES)
def test_a_redacted_body_is_read_alike(value: Any) -> None:
    before = report_of(json.dumps(value).encode())
    assume(all(day.calls < 1_000_000 for day in before.reading.days))  # larger ones may be phone numbers
    redacted = redact(before, FIELDS, NOW)
    assert redacted.note == ""
    assert [(day.calls, len(day.agents)) for day in before.reading.days] == [
        (day.calls, len(day.agents)) for day in redacted.reading.days
    ]


def test_a_body_that_is_read_differently_says_so() -> None:
    body = json.dumps({"x" * 2000: {"calls": 1}, "y": {"calls": 2}}).encode()
    before = report_of(body, None)
    assert before.error
    redacted = redact(before, FIELDS, NOW)
    assert redacted.note == ("the redacted body is read differently; the result with the original body is unrecognized")
    assert f"note      {redacted.note}" in output_of(redacted)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            StatusError("not_found", "Quxmart", status=404),
            ("V-Spark knows no such company, org or folder (404). (status 404)"),
        ),
        (
            TokenError("/quxmart/token"),
            "The token file cannot be read or is empty.",
        ),
        (MappingError("Quxmart"), "stats_jq: the program fails; its message is not shown"),
        (
            DecodeError("not_json", "$.Quxmart", "Quxmart"),
            "The response is not JSON; perhaps a proxy's HTML page or a login.",
        ),
    ],
    ids=lambda value: value.reason if isinstance(value, PollError) else "",
)
def test_errors_have_the_general_text_of_their_reason(error: PollError, expected: str) -> None:
    redacted = redact(report_of(b"Quxmart", error=error), FIELDS, NOW)
    assert redacted.error is not None
    assert (redacted.error.reason, redacted.error.message) == (error.reason, expected)
    assert "uxmart" not in output_of(redacted)


def test_an_unknown_content_type_may_be_a_name() -> None:
    before = report_of(b"[]")
    before.exchange.response = response(b"[]", "application/vnd.quxmart+json; charset=quxmart")
    assert redact(before, FIELDS, NOW).exchange.response == Response(
        "http://host1/stats/company1/org1/folder1?token=***&daterange=20261123-20261123",
        200,
        {"Content-Type": "another type"},
        b"[]",
        0.1,
    )


def test_a_redacted_suggestion_has_redacted_names() -> None:
    redacted = redact(report_of(b'{"Qux A":{"Bob1":{"calls":3}}}', None), FIELDS, NOW)
    assert "Qux" not in output_of(redacted)
