import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.text_format import Format
from exporter.web.negotiation import accepts_gzip, choose_format

TEXT, OPENMETRICS = Format.TEXT, Format.OPENMETRICS

PROMETHEUS_2_28 = "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_TEXT_FIRST = (
    "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.2"
)
PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," + PROMETHEUS_3
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        (PROMETHEUS_2_28, TEXT),
        (PROMETHEUS_2_42, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (PROMETHEUS_3_TEXT_FIRST, TEXT),
        (PROTOBUF, OPENMETRICS),
        (FIREFOX, TEXT),
        (CHROMIUM, TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ('APPLICATION/OpenMetrics-Text ; Version="1.0.0" ; charset=utf-8', OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.5", TEXT),
        ("application/openmetrics-text;q=0.001,text/plain;q=0", OPENMETRICS),
        ("text/plain;q=0,*/*", OPENMETRICS),
        ("text/*;q=0.2,*/*;q=0.1", TEXT),
        ("application/*,text/*;q=0.9", OPENMETRICS),
        ("application/openmetrics-text;q=0.2,application/*;q=0.9,text/plain;q=0.5", TEXT),
        ("text/plain;version=1.0.0,application/openmetrics-text;q=0.1", OPENMETRICS),
        ("application/json", TEXT),
        ("*/*;q=0", TEXT),
        ("application/openmetrics-text;q=high,text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=1.1", TEXT),
        ("application/openmetrics-text;q=-1", TEXT),
        ("application/openmetrics-text;q=nan", TEXT),
        (";;,,=;q=,/;q==1", TEXT),
        ('application/openmetrics-text;q=0.5;x="a;q=0"', OPENMETRICS),
        ('application/json;x="a,application/openmetrics-text;b"', TEXT),
        (r'application/openmetrics-text;x="\",";version="1\.0.0"', OPENMETRICS),
        ('application/openmetrics-text;x="', OPENMETRICS),
        ("application/openmetrics-text;x=" + '"\\' * 5000, OPENMETRICS),
        ("application/openmetrics-text,,;,", OPENMETRICS),
    ],
)
def test_format(accept: str | None, form: Format) -> None:
    assert choose_format(accept) is form


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZip", True),
        (" gzip ; q = 0.5 ", True),
        ("gzip, deflate, br, zstd", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("br;q=1.0,gzip;q=0.8,*;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0, *", False),
        ("identity", False),
        ("identity;q=0, gzip", True),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("*", True),
        ("*;q=0", False),
        ("*;q=0, gzip;q=0.1", True),
        ("x", False),
        ("deflate, br", False),
        ("gzipped", False),
        ("gzip;q=x", False),
        ("gzip;q=2", False),
        (",;,", False),
    ],
)
def test_gzip(accept_encoding: str | None, accepted: bool) -> None:  # noqa: FBT001 # what is expected
    assert accepts_gzip(accept_encoding) is accepted


pieces = st.sampled_from(
    [
        "text/plain",
        "application/openmetrics-text",
        "gzip",
        "*/*",
        "*",
        ";",
        ",",
        "=",
        '"',
        "q",
        "q=",
        "version=",
        "1e9",
        " ",
    ]
)
headers = st.text() | st.lists(pieces | st.text(max_size=3)).map("".join)


@given(headers)
def test_whatever_comes_is_understood_somehow(header: str) -> None:
    assert choose_format(header) in Format
    assert accepts_gzip(header) in {True, False}
