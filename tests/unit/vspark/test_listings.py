from zoneinfo import ZoneInfo

import pytest

from exporter.errors import DecodeError
from exporter.vspark.listings import read_names, read_zones


def test_names_in_order_without_duplicates() -> None:
    assert read_names(b' \xef\xbb\xbf["DocTestCo-DocTesting","B","B","S\xc3\xbcd / 1"] ') == (
        ("DocTestCo-DocTesting", "B", "Süd / 1"),
        (),
    )
    assert read_names(b"[]") == ((), ())


def test_names_that_cannot_be_labels_are_left_out() -> None:
    body = b'["A","","..","a\\nb","%b","\\u0000"]' % (b"x" * 3000)
    assert read_names(body) == (
        ("A",),
        (
            "a name must not be empty",
            "a name must not be '..', which is removed from a URL",
            "'a\\nb' contains a control character or a lone surrogate",
            "a name of 3,000 characters; at most 1,024 are accepted",
            "'\\x00' contains a control character or a lone surrogate",
        ),
    )


@pytest.mark.no_cover
def test_a_hundred_thousand_names() -> None:
    body = b"[" + b",".join(b'"Folder%06d"' % number for number in range(100_000)) + b"]"
    names, left_out = read_names(body)
    assert (len(names), names[-1], left_out) == (100_000, "Folder099999", ())
    with pytest.raises(DecodeError) as caught:
        read_names(b"[" + b",".join([b'"A"'] * 200_001) + b"]")
    assert str(caught.value) == "$: more than 200,000 names"


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (b'{"error":"x"}', "unrecognized", "$: expected a list of names"),
        (b"[1]", "unrecognized", "$: expected a list of names"),
        (b"[null]", "unrecognized", "$: expected a list of names"),
        (b'"A"', "unrecognized", "$: expected a list of names"),
        (b"<html>", "not_json", "$: expected a list of names, but the body is not JSON"),
        (b"", "not_json", "$: expected a list of names, but the body is not JSON"),
        (b'["\xff"]', "not_json", "$: expected a list of names, but the body is not JSON"),
        (b"[" * 100_000, "unrecognized", "$: expected a list of names"),
    ],
)
def test_anything_else_is_a_failure(body: bytes, reason: str, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read_names(body)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


def test_zones_as_the_reference_shows_them() -> None:
    body = (
        b'{"DocTestCo-DocTesting": {"company": "DocTestCo", "created": "2017-05-18", "name": "Doc Testing",'
        b' "retention": -1, "status": "OK", "timezone": "US/Eastern"}}'
    )
    assert read_zones(body) == ({"DocTestCo-DocTesting": ZoneInfo("US/Eastern")}, ())


def test_zones_that_are_missing_or_unknown() -> None:
    body = b'{"A":{},"B":{"timezone":null},"C":{"timezone":""},"D":{"timezone":"Mars/Base"},"E":{"timezone":5},'
    body += b'"F":{"timezone":"../x"},"\\n":{"timezone":"UTC"},"G":{"timezone":"UTC"}}'
    assert read_zones(body) == (
        {"G": ZoneInfo("UTC")},
        (
            "D: V-Spark names no time zone of the tz database",
            "E: V-Spark names no time zone of the tz database",
            "F: V-Spark names no time zone of the tz database",
        ),
    )


@pytest.mark.parametrize("body", [b"[]", b'{"A":1}', b'{"A":null}', b'["A"]'])
def test_zones_in_any_other_form_are_a_failure(body: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        read_zones(body)
    assert str(caught.value) == "$: expected an object of orgs"
