"""What came back from V-Spark, and the StatusError it means where it is no success."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from yarl import URL

from exporter.config.tokens import Token
from exporter.errors import StatusError

_EXCERPT_CHARACTERS = 200


@dataclass(frozen=True)
class Answer:
    """One answer.

    `url_masked` is what was asked, without the token. `headers` has Content-Type, Location and Retry-After, by these
    names, where they came, without the token too. `body` is decompressed; `seconds` is from asking to the last byte.
    """

    url_masked: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    seconds: float

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx but 206, for no part of an answer was asked for."""
        return is_success(self.status)


def is_success(status: int) -> bool:
    """Tell whether an HTTP status is 2xx but 206, for no part of an answer was asked for."""
    return status in range(200, 300) and status != HTTPStatus.PARTIAL_CONTENT


def status_error(answer: Answer, token: Token, origin: str) -> StatusError:
    """Say what an answer with another status than 2xx means.

    `token`, which it may quote, is not in the error; `origin`, where the token is from, may be.
    """
    text = excerpt(answer.body, token)
    reason, message = _meaning(answer.status, text, answer.headers.get("Location", ""), origin)
    message = token.mask(message)  # hosts are written in lower case, and only that may be the token
    quoted = f"; it says: {text}" if text else ""
    return StatusError(
        reason,
        f"{message} (status {_named(answer.status)}{quoted})",
        status=answer.status,
        retry_after_seconds=retry_after_seconds(answer.headers.get("Retry-After", "")),
    )


def _meaning(status: int, text: str, location: str, origin: str) -> tuple[str, str]:
    refused = f"the token from {origin} is refused: is it the one of this company?"
    match status, status // 100:
        case (401 | 403, _):
            meaning = "auth", refused
        case (400, _) if "token" in text.lower():
            meaning = "auth", refused
        case (404, _):
            meaning = (
                "not_found",
                "V-Spark knows no such company, organization or folder: check their short names, and vspark.url",
            )
        case (429, _):
            meaning = "rate_limited", "fewer requests are wanted: raise poll.interval or lower poll.concurrency"
        case (206, _):
            meaning = (
                "server_error",
                "a part of the answer came where all was asked for: look at the proxy before V-Spark",
            )
        case (304, _):
            meaning = (
                "redirect",
                "the answer is said to be known, though nobody asked so: look at the proxy before V-Spark",
            )
        case (_, 3):
            leads = f"the answer leads on to {_origin(location)}, which is not followed"
            meaning = "redirect", f"{leads}: set vspark.url to where V-Spark itself answers"
        case (_, 4):
            meaning = "client_error", "V-Spark, or a proxy before it, refuses the request"
        case _:
            meaning = "server_error", "V-Spark, or a proxy before it, fails: look at its log"
    return meaning


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _origin(location: str) -> str:
    """Give scheme and host alone: the rest may quote the URL that was asked."""
    if not location:
        return "a place that it does not name"
    try:
        url = URL(location)
    except ValueError:
        return "a place that is no URL"
    return f"{url.scheme}://{url.host}" if url.host else "another page of the same host"


def excerpt(body: bytes, token: Token) -> str:
    """Give the beginning of a page as one line of text without tags, control characters and the token."""
    text = token.mask(body.decode("utf-8", "replace"))
    text = token.mask(html.unescape(re.sub(r"<[^<>]*>", " ", text)))
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _EXCERPT_CHARACTERS else line[: _EXCERPT_CHARACTERS - 1] + "…"


def retry_after_seconds(value: str) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): seconds, or a date; None where it is neither."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter where a number in it is beyond what C knows
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
