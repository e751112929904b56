"""A response of V-Spark, and the StatusError for one that is not a success."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from yarl import URL

from exporter.config.tokens import MOST_MASKED_CHARACTERS, Token
from exporter.errors import SAYS, StatusError

_EXCERPT_CHARACTERS: Final = 200
_BEGINNING_CHARACTERS: Final = 2**14
"""The part of a page that is read first, because to mask a large page takes long."""
_WORD: Final = "token"
_ABOUT_TOKEN: Final = re.compile(f"(?<![?&]){_WORD}", re.IGNORECASE)
"""Does not match the query of a URL that a page quotes."""
_PROXY: Final = "check the proxy in front of V-Spark"
_MEANINGS: Final[Mapping[int, tuple[str, str]]] = {
    206: ("server_error", f"the response is only a part of what was requested: {_PROXY}"),
    304: ("redirect", f"the response has no body, as if the request had been conditional: {_PROXY}"),
    404: (
        "not_found",
        "V-Spark does not know this company, organization or folder: check the short names and vspark.url",
    ),
    429: ("rate_limited", "too many requests: raise poll.interval or lower poll.concurrency"),
}
"""Reason and message of the statuses that differ from the rest of their class."""


@dataclass(frozen=True)
class Response:
    """A response to one request, without the token.

    `url_masked` is the requested URL. `headers` has Content-Type, Location and Retry-After, by these names, if they
    were sent. `body` is decompressed; `seconds` is the time from the request to the last byte. `about_token` is what
    `is_about_token` says of a response with status 400.
    """

    url_masked: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    seconds: float
    about_token: bool = False


def is_success(status: int) -> bool:
    """Return whether an HTTP status is 2xx, except 206: no request is for a part."""
    return status in range(200, 300) and status != HTTPStatus.PARTIAL_CONTENT


def status_error(response: Response, token: Token, origin: str) -> StatusError:
    """Return the error that an unsuccessful response means.

    The error does not contain `token`, even if the response quotes it, but may contain `origin`, the token's source.
    """
    text = excerpt(response.body, token)
    reason, message = _meaning(response, origin)
    message = token.mask(message)  # again: URL writes a host in lower case, which may turn it into the token
    quoted = f"{SAYS}{text}" if text else ""
    return StatusError(
        reason,
        f"{message} (status {_with_phrase(response.status)}{quoted})",
        status=response.status,
        retry_after_seconds=retry_after_seconds(response.headers.get("Retry-After", "")),
    )


def is_about_token(body: bytes, token: Token) -> bool:
    """Return whether the beginning of a page is about the token, whatever the token is."""
    text = body.decode("utf-8", "replace")
    # A short token may be a part of the word, so the mask would hide it. A long one may contain the word.
    return bool(
        _ABOUT_TOKEN.search(
            excerpt(body, token) if len(token.reveal()) > len(_WORD) else _shortened(_line(_visible(text)))
        )
    )


def _meaning(response: Response, origin: str) -> tuple[str, str]:
    status = response.status
    if status in (401, 403) or (status == HTTPStatus.BAD_REQUEST and response.about_token):
        return "auth", f"the token from {origin} is rejected: check that it is valid for this request"
    if status in _MEANINGS:
        return _MEANINGS[status]
    if status // 100 == 3:  # noqa: PLR2004 # 3xx
        where = _origin(response.headers.get("Location", ""))
        problem = f"the response redirects to {where}, which is not followed"
        return "redirect", f"{problem}: set vspark.url to the address of V-Spark itself"
    if status // 100 == 4:  # noqa: PLR2004 # 4xx
        return "client_error", "V-Spark, or a proxy in front of it, rejects the request"
    return "server_error", "V-Spark, or a proxy in front of it, fails: check its log"


def _with_phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _origin(location: str) -> str:
    """Return the scheme, host and port of a redirect; the rest may quote the requested URL."""
    if not location:
        return "an address that it does not name"
    try:
        url = URL(location)
    except ValueError:
        return "an address that is not a URL"
    return f"{url.scheme}://{url.host_port_subcomponent}" if url.host else "another page of the same host"


def excerpt(body: bytes, token: Token) -> str:
    """Return the beginning of a page as one line of text, without tags, control characters and the token."""
    page = body.decode("utf-8", "replace")
    line = _masked_line(page[:_BEGINNING_CHARACTERS], token)
    if len(line) < _EXCERPT_CHARACTERS + MOST_MASKED_CHARACTERS:  # a token that the cut has hit may be shown
        line = _masked_line(page, token)
    return _shortened(line)


def _masked_line(page: str, token: Token) -> str:
    return _line(token.mask(_visible(token.mask(page))))


def _visible(page: str) -> str:
    return html.unescape(re.sub(r"<[^<>]*>", " ", page))


def _line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _shortened(line: str) -> str:
    return line if len(line) <= _EXCERPT_CHARACTERS else line[: _EXCERPT_CHARACTERS - 1] + "…"


def retry_after_seconds(value: str) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3), which may be a date; None if it is neither."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # OverflowError: a number beyond C's integers
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
