"""The command `probe`: requests targets once, and shows the responses, what is read of them, and by which rule.

The rules are those of docs/stats-format.md.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import BinaryIO, Final, NamedTuple, TextIO

from exporter.cli.exchange import Exchange, Report, examine, requested
from exporter.cli.one_discovery import discover_once, failures_in
from exporter.cli.probe_json import json_document
from exporter.cli.probe_targets import UnknownTargetError, select_targets
from exporter.cli.probe_text import report_lines, summary
from exporter.cli.redaction import NotRedactableError, redact, redact_body
from exporter.config.discovered import NOTHING
from exporter.config.schema import Config
from exporter.config.targets import Target, make_targets
from exporter.errors import PollError
from exporter.polling.manager import make_bodies
from exporter.runtime.terminal import printable
from exporter.vspark.client import Client
from exporter.vspark.response import is_success, status_error

_EXIT_FAILED: Final = 1


class Shown(NamedTuple):
    """How the results are shown: as text or JSON, and with ids and names or without."""

    as_json: bool = False
    redacted: bool = False


async def probe(config: Config, name: str | None, shown: Shown, now: datetime, out: TextIO, errors: TextIO) -> int:
    """Request the day at `now` from every target, or from COMPANY[/ORG[/FOLDER]], and return the exit code.

    It is 1 if a target failed, if there is none, or if some may be missing because their discovery failed.
    """
    try:
        targets, complete = await _targets(config, name, errors, redacted=shown.redacted)
    except UnknownTargetError as error:
        errors.write(f"{error}\n")
        return _EXIT_FAILED
    reports: list[Report] = []
    async with _client(config) as client:
        for target in targets:
            exchange = await _exchange(client, config, target, now)
            report = examine(exchange, config.stats_fields, now)
            if shown.redacted:
                report = redact(report, config.stats_fields, now)
            reports.append(report)
            if not shown.as_json:  # at once: the next target may take a while
                out.writelines(f"{printable(line)}\n" for line in report_lines(report))
                out.write("\n")
    out.write(json_document(reports) if shown.as_json else summary(reports))
    return 0 if complete and reports and not any(report.error for report in reports) else _EXIT_FAILED


async def probe_raw(
    config: Config, name: str | None, now: datetime, out: BinaryIO, errors: TextIO, *, redacted: bool
) -> int:
    """Write the body of one target's response, and return the exit code: 1 after a failure, which has no output.

    The body is unchanged but for the token, which is masked. `redacted` leaves the JSON without ids and names.
    """
    try:
        targets, _ = await _targets(config, name, errors, redacted=redacted)
        target = _only(targets)
        async with _client(config) as client:
            body = await _successful(client, target, _today(target, now))
        out.write(redact_body(body, target, config.stats_fields) if redacted else body)
    except PollError as error:
        errors.write(f"{printable(f'{target.name}: {error.reason}: {error}')}\n")
        return _EXIT_FAILED
    except (UnknownTargetError, NotRedactableError) as error:
        errors.write(f"{error}\n")
        return _EXIT_FAILED
    out.flush()
    return 0


async def _targets(
    config: Config, name: str | None, errors: TextIO, *, redacted: bool
) -> tuple[tuple[Target, ...], bool]:
    """Return the targets to request, discovered ones too, and whether none can be missing; raises UnknownTargetError.

    An org or folder that is named is requested whether it is discovered or not.
    """
    outcome = await discover_once(config)
    failures = failures_in(outcome, [] if name is None else [name])
    for company, error in failures.items():
        details = "" if redacted else f" of {company or 'the list of companies'}: {error}"
        errors.write(f"{printable(f'discovery failed ({error.reason}){details}')}\n")
    known = make_targets(config, outcome.discovered if outcome else NOTHING)
    return select_targets(config, known, name), not failures or (name is not None and "/" in name)


def _only(targets: Sequence[Target]) -> Target:
    if len(targets) == 1:
        return targets[0]
    raise UnknownTargetError(
        f"--raw prints the body of one target, but there are {len(targets)}: name one, as COMPANY/ORG or "
        "COMPANY/ORG/FOLDER."
    )


def _client(config: Config) -> Client:
    return Client(config.vspark, concurrency=1, observe=lambda _code, _seconds: None)


def _today(target: Target, now: datetime) -> date | None:
    return now.astimezone(target.zone).date() if target.zone else None


async def _successful(client: Client, target: Target, day: date | None) -> bytes:
    """Return the body of a successful response. Raises PollError."""
    response = await client.request_once(target, day)
    if not is_success(response.status):
        raise status_error(response, target.token.read(), target.token.origin)
    return response.body


async def _exchange(client: Client, config: Config, target: Target, now: datetime) -> Exchange:
    """Return what a request of the target's day brings and, if its time zone is known, one without a day."""
    exchange = Exchange(target, requested(target, _today(target, now)))
    try:
        exchange.response = await client.request_once(target, exchange.requested.day)
        if not is_success(exchange.response.status):
            raise status_error(exchange.response, target.token.read(), target.token.origin)
        exchange.mapped = await _mapped(config, exchange.response.body, target, exchange.requested.day)
        if target.zone:
            exchange.undated = await _undated(client, config, target)
    except PollError as error:
        exchange.error = error
    return exchange


async def _undated(client: Client, config: Config, target: Target) -> bytes | None:
    """Return the readable body of a request without a date, None if it fails: the other request says why."""
    try:
        body = await _successful(client, target, None)
        mapped = await _mapped(config, body, target, None)
    except PollError:
        return None
    return body if mapped is None else mapped


async def _mapped(config: Config, body: bytes, target: Target, day: date | None) -> bytes | None:
    """Return what the program of `stats_jq` makes of a body, None without a program. Raises MappingError."""
    bodies = make_bodies(config)
    if bodies is None:
        return None
    try:
        return await bodies.mapped(target, day, body, target.token.read(), config.vspark.timeout_seconds)
    finally:
        await bodies.close()
