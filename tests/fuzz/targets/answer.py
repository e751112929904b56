"""Answers that are no success, and headers of V-Spark or of a proxy: a StatusError without the token.

An input is a status in two bytes, Location and Retry-After in a line each, and the body.
"""

from typing import Final

from exporter.config.tokens import Token
from exporter.errors import StatusError
from exporter.vspark.response import Response, excerpt, retry_after_seconds, status_error

_CANARY: Final = "s3cret-canary%1"
WORDS: Final = (
    *(_CANARY, "s3cret-canary%251", "s3cret-canary&#37;1", "s3cret<b>-canary%1", "\\u0073", "&lt;", "&#x73;", "<p>"),
    *("</p>", "http://", "//", "[::1]", "Invalid token was provided", "Sun, 06 Nov 1994 08:49:37 GMT", "9" * 30, "\n"),
)
_token: Final = Token(_CANARY)


def check(data: bytes) -> None:
    """Make the error of an answer."""
    status = 300 + int.from_bytes(data[:2]) % 400
    location, _, rest = data[2:].partition(b"\n")
    retry_after, _, body = rest.partition(b"\n")
    # As the client takes headers in, masked.
    headers = {
        "Location": _token.mask(location.decode("utf-8", "surrogateescape")),
        "Retry-After": retry_after.decode("latin-1"),
    }
    error = status_error(Response("http://x/", status, headers, body, 0.0), _token, "a file")
    assert error.reason in StatusError.reasons
    assert _CANARY not in str(error)
    line = excerpt(body, _token)
    assert _CANARY not in line
    assert line.isprintable()
    assert error.retry_after_seconds is None or error.retry_after_seconds >= 0
    assert retry_after_seconds(headers["Retry-After"]) is None or error.retry_after_seconds is not None
