"""A report without ids and names, for a public issue.

Names are replaced in the body, and the body is read again. So no message, path, rule or suggestion can contain a name:
they are made from a body that has none.
"""

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from exporter.cli.exchange import Exchange, Report, examine, requested
from exporter.cli.pseudonyms import NotJsonError, Pseudonyms
from exporter.cli.reading import Reading, read_body
from exporter.config.schema import StatsFields
from exporter.config.targets import Target
from exporter.errors import REASONS, DecodeError, ExporterError, MappingError, PollError, StatusError, TokenError
from exporter.vspark.response import Response

_CONTENT_TYPES: Final = frozenset({"text/html", "text/plain", "text/csv", "text/xml", "application/json"})
_NO_BODY: Final = "(a body that is not JSON is not shown)"


class NotRedactableError(ExporterError):
    """A body in which ids and names cannot be told from the rest, because it is not JSON."""


def redact_body(body: bytes, target: Target, fields: StatsFields) -> bytes:
    """Return a JSON body with pseudonyms for ids and names; NotRedactableError if it is not JSON."""
    pseudonyms = _pseudonyms(target, fields, read_body(body, requested(target, None), fields), [body])
    try:
        return pseudonyms.json(body) + b"\n"
    except NotJsonError:
        raise NotRedactableError("The body is not JSON, so ids and names in it cannot be replaced.") from None


def redact(report: Report, fields: StatsFields, now: datetime) -> Report:
    """Return what `report` would be if ids and names were others. It says so if this changes how the body is read."""
    before = report.exchange
    all_bodies = (before.response.body if before.response else None, before.mapped, before.undated)
    bodies = [body for body in all_bodies if body is not None]
    pseudonyms = _pseudonyms(before.target, fields, report.reading, bodies)
    exchange = _redacted(before, report, pseudonyms)
    redacted = examine(exchange, fields, now)
    # Guesses depend on names. Those about the original body are better, so there is none that differs in kind.
    if [each.key for each in redacted.suggestions] != [each.key for each in report.suggestions]:
        redacted = replace(redacted, suggestions=())
    if _essence(redacted) == _essence(report):
        return redacted
    result = report.error.reason if report.error else "ok"
    note = f"the redacted body is read differently; the result with the original body is {result}"
    return replace(redacted, note=note)


def _pseudonyms(target: Target, fields: StatsFields, reading: Reading, bodies: list[bytes]) -> Pseudonyms:
    pseudonyms = Pseudonyms(fields, bodies)
    pseudonyms.of("company", target.company)
    pseudonyms.of("org", target.org)
    if target.folder is not None:
        pseudonyms.of("folder", target.folder)
    for day in reading.days:
        pseudonyms.of("folder", day.folder)
    for day in reading.days:
        for agent in day.agents:
            pseudonyms.of("agent", agent.agent)
    return pseudonyms


def _redacted(exchange: Exchange, report: Report, pseudonyms: Pseudonyms) -> Exchange:
    before = exchange.target
    company, org = pseudonyms.of("company", before.company), pseudonyms.of("org", before.org)
    folder = None if before.folder is None else pseudonyms.of("folder", before.folder)
    target = Target(
        company=company,
        org=org,
        folder=folder,
        zone=before.zone,
        interval_seconds=before.interval_seconds,
        stale_after_seconds=before.stale_after_seconds,
        token=before.token,
    )
    error = _without_texts(exchange.error)
    body, mapped, undated = _NO_BODY.encode(), None, None
    try:
        if exchange.response:
            body = pseudonyms.json(exchange.response.body)
        mapped = None if exchange.mapped is None else pseudonyms.json(exchange.mapped)
    except NotJsonError:
        error = error or _without_texts(report.error)
    try:
        undated = None if exchange.undated is None else pseudonyms.json(exchange.undated)
    except NotJsonError:
        undated = None
    response = exchange.response and _without_host(exchange.response, target, body)
    return Exchange(target, requested(target, exchange.requested.day), response, error, mapped, undated)


def _without_texts(error: PollError | None) -> PollError | None:
    """Return an error with the general text of its reason, because its own may quote V-Spark, or the configuration."""
    if error is None:
        return None
    text = REASONS[error.reason].meaning
    match error:
        case StatusError():
            return StatusError(error.reason, f"{text} (status {error.status})", status=error.status)
        case DecodeError():
            return DecodeError(error.reason, "$", text)
        case TokenError():
            return TokenError(text)
        case MappingError():
            return MappingError("the program fails; its message is not shown")
    return type(error)(error.reason, text)


def _without_host(response: Response, target: Target, body: bytes) -> Response:
    url = urlsplit(response.url_masked)
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Response(
        url_masked=f"{url.scheme}://host1/stats/{target.name}?{url.query}",
        status=response.status,
        headers={"Content-Type": kind if kind in _CONTENT_TYPES else "another type"} if kind else {},
        body=body,
        seconds=response.seconds,
    )


def _essence(report: Report) -> tuple[object, ...]:
    """Return what redaction must not change."""
    numbers = sorted((day.calls, day.average_seconds or 0.0, len(day.agents)) for day in report.reading.days)
    return report.error and report.error.reason, numbers, report.reading.day, report.reading.ignored
