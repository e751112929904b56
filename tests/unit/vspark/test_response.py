import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from exporter.config.tokens import Token
from exporter.vspark.response import Response, excerpt, is_about_token, retry_after_seconds, status_error

TOKEN = Token("s3cret")
REFUSED = "the token from /etc/token is rejected: check that it is valid for this request"
UNKNOWN = "V-Spark does not know this company, organization or folder: check the short names and vspark.url"
NOT_FOLLOWED = "which is not followed: set vspark.url to the address of V-Spark itself"


def error_of(status: int, body: bytes = b"", token: Token = TOKEN, **headers: str) -> tuple[str, str]:
    about_token = is_about_token(body, token)
    response = Response("http://v/stats?token=***", status, headers, body, 0.1, about_token)
    error = status_error(response, token, "/etc/token")
    assert error.status == status
    return error.reason, str(error)


@pytest.mark.parametrize(
    ("status", "body", "reason", "message"),
    [
        (
            400,
            b"Invalid Token was provided",
            "auth",
            f"{REFUSED} (status 400 Bad Request; it says: Invalid Token was provided)",
        ),
        (
            400,
            b"Bad daterange",
            "client_error",
            "V-Spark, or a proxy in front of it, rejects the request (status 400 Bad Request; it says: Bad daterange)",
        ),
        (
            206,
            b"",
            "server_error",
            (
                "the response is only a part of what was requested: check the proxy in front of V-Spark "
                "(status 206 Partial Content)"
            ),
        ),
        (
            304,
            b"",
            "redirect",
            (
                "the response has no body, as if the request had been conditional: check the proxy in front of V-Spark "
                "(status 304 Not Modified)"
            ),
        ),
        (
            401,
            b"",
            "auth",
            f"{REFUSED} (status 401 Unauthorized)",
        ),
        (
            403,
            b"",
            "auth",
            f"{REFUSED} (status 403 Forbidden)",
        ),
        (
            404,
            b"Company not found",
            "not_found",
            f"{UNKNOWN} (status 404 Not Found; it says: Company not found)",
        ),
        (
            429,
            b"",
            "rate_limited",
            "too many requests: raise poll.interval or lower poll.concurrency (status 429 Too Many Requests)",
        ),
        (
            418,
            b"",
            "client_error",
            "V-Spark, or a proxy in front of it, rejects the request (status 418 I'm a Teapot)",
        ),
        (499, b"", "client_error", "V-Spark, or a proxy in front of it, rejects the request (status 499)"),
        (
            500,
            b"",
            "server_error",
            "V-Spark, or a proxy in front of it, fails: check its log (status 500 Internal Server Error)",
        ),
        (700, b"", "server_error", "V-Spark, or a proxy in front of it, fails: check its log (status 700)"),
    ],
)
def test_a_status_error_says_what_is_wrong_and_what_to_do(status: int, body: bytes, reason: str, message: str) -> None:
    assert error_of(status, body) == (reason, message)


@pytest.mark.parametrize(
    ("token", "body", "reason", "says"),
    [
        ("token", b"Invalid token was provided", "auth", "Invalid *** was provided"),
        ("en", b'Missing "token" field', "auth", 'Missing "tok***" field'),
        ("my-token-1", b"Bad range for my-token-1", "client_error", "Bad range for ***"),
        ("my-token-1", b"Auth token doesn't match: my-token-1", "auth", "Auth token doesn't match: ***"),
        ("s3cret", b"Bad range in /stats/Co?token=s3cret", "client_error", "Bad range in /stats/Co?token=***"),
        (
            "s3cret",
            b"Bad range in /stats/Co?a=b&amp;token=s3cret",
            "client_error",
            "Bad range in /stats/Co?a=b&token=***",
        ),
    ],
)
def test_a_400_is_about_the_token_whatever_the_token_is(token: str, body: bytes, reason: str, says: str) -> None:
    meaning = REFUSED if reason == "auth" else "V-Spark, or a proxy in front of it, rejects the request"
    masked = Token(token).mask(meaning)  # a word of the message may be the token
    assert error_of(400, body, Token(token)) == (reason, f"{masked} (status 400 Bad Request; it says: {says})")


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://login.example.com/?next=/stats/Co?token=s3cret", "https://login.example.com"),
        ("//login.example.com/", "://login.example.com"),
        ("http://127.0.0.1:18083/x?token=***", "http://127.0.0.1:18083"),
        ("https://user:password@login.example.com:443/", "https://login.example.com"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://login.example.com:s3cret/", "an address that is not a URL"),
        ("https://s3cret.example.com/", "https://***.example.com"),
        ("https://S3CRET.example.com/", "https://***.example.com"),
        ("/login?next=%2Fstats", "another page of the same host"),
        ("", "an address that it does not name"),
        ("http://[bad", "an address that is not a URL"),
    ],
)
def test_a_redirect_names_the_host_and_port_alone(location: str, where: str) -> None:
    assert error_of(302, Location=TOKEN.mask(location)) == (
        "redirect",
        f"the response redirects to {where}, {NOT_FOLLOWED} (status 302 Found)",
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html><title>502 Bad\r\n Gateway</title><hr>nginx &amp; co</html>", "502 Bad Gateway nginx & co"),
        (b"bell\x07 escape\x1b[31m null\x00 \xe2\x80\xae\xff", "bell escape [31m null \ufffd"),
        (b"GET /stats/Co?token=s3cret failed", "GET /stats/Co?token=*** failed"),
        (b"GET /stats/Co?token=%733cret failed", "GET /stats/Co?token=*** failed"),
        (b"GET /stats/Co?token=%25733cret failed", "GET /stats/Co?token=*** failed"),
        (b"it was &#115;3cret", "it was ***"),
        ("it was s3cret".encode("utf-16"), "\ufffd\ufffdi t w a s ***"),
        ("it was s3<wbr>cr\u00adet".encode(), "it was ***"),
        (b"x" * 200, "x" * 200),
        (b"x" * 201, "x" * 199 + "\u2026"),
        (b"x" * 197 + b"s3cret", "x" * 197 + "***"),
    ],
)
def test_an_excerpt_is_one_short_line_without_the_token(body: bytes, text: str) -> None:
    assert excerpt(body, TOKEN) == text


@pytest.mark.parametrize("before", [0, 150, 197, 16_300, 16_383])
@pytest.mark.parametrize("between", ["", "<b>" * 10_000], ids=["together", "far apart"])
@pytest.mark.parametrize("padding", ["", "<br>" * 4_000, " of the page" * 20_000], ids=["short", "tags", "long"])
def test_a_token_in_a_large_page_is_masked_wherever_it_is(before: int, between: str, padding: str) -> None:
    page = "x" * before + between.join("s3cret") + padding
    whole = "x" * before + "***" + (padding if padding.startswith(" ") else "")
    expected = whole if len(whole) <= 200 else whole[:199] + "\u2026"
    assert excerpt(page.encode(), TOKEN) == expected.strip()


def test_of_a_large_page_only_the_beginning_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """To mask 256 KiB took 40 ms, in which nothing else ran."""
    masked = []
    mask = Token.mask

    def counted(self: Token, text: str) -> str:
        masked.append(len(text))
        return mask(self, text)

    monkeypatch.setattr(Token, "mask", counted)
    assert excerpt(b"<p>Internal error</p>\n" * 12_000, TOKEN).startswith("Internal error Internal")
    assert sum(masked) < 40_000


@pytest.mark.parametrize("body", [b"<" * 262_144, b"<a" * 131_072, b"&" * 262_144, b"\x00" * 262_144])
def test_an_excerpt_of_a_hostile_page_takes_no_time(body: bytes) -> None:
    begun = datetime.now(UTC)
    assert len(excerpt(body, TOKEN)) <= 200
    assert datetime.now(UTC) - begun < timedelta(seconds=2)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("9" * 5000, float("inf")),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    assert retry_after_seconds(value) == seconds


def test_retry_after_may_be_a_date() -> None:
    seconds = retry_after_seconds(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert seconds is not None
    assert 85 < seconds <= 90


def test_the_repr_of_a_response_has_no_body() -> None:
    shown = repr(Response("http://v/stats?token=***", 200, {"Content-Type": "text/html"}, b"[1]", 0.5))
    assert shown == (
        "Response(url_masked='http://v/stats?token=***', status=200, "
        "headers={'Content-Type': 'text/html'}, seconds=0.5, about_token=False)"
    )
    assert not re.search("body", shown)
