"""The command `probe`: shows the response for each target, what is read of it, and by which rule.

The rules are those of docs/stats-format.md.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TextIO, TypeVar

import msgspec

from exporter.config.schema import Config
from exporter.config.targets import Target, make_targets
from exporter.errors import DecodeError, PollError
from exporter.polling.manager import make_parser
from exporter.runtime.steps import Steps
from exporter.runtime.terminal import printable
from exporter.stats.changes import ChangeTracker
from exporter.stats.model import AgentDay, FolderDay
from exporter.stats.parser import Parser, Requested
from exporter.vspark.client import Client
from exporter.vspark.response import Response, is_success, status_error

_BODY_SHOWN: Final = 400
_AGENTS_SHOWN: Final = 5
_KEYS_SHOWN: Final = 10
_VALUE_SHOWN: Final = 24
_OUTLINE_DEPTH: Final = 5
_OUTLINE_SIZE: Final = 2**20

_Result = TypeVar("_Result")


async def probe(config: Config, name: str | None, now: datetime, out: TextIO) -> int:
    """Request the day at `now` from every target, or from those in `name`, and return the exit code: 1 if one failed.

    `name` is COMPANY[/ORG[/FOLDER]].
    """
    known = make_targets(config)
    targets = [target for target in known if name is None or f"{target.name}/".startswith(f"{name}/")]
    if not targets:
        out.write(f"There is no target {name!r}. The configuration has:\n")
        out.writelines(f"  {printable(target.name)}\n" for target in known)
        return 1
    failed = 0
    async with Client(config.vspark, concurrency=1, observe=lambda _code, _seconds: None) as client:
        for target in targets:
            out.write(f"{printable(target.name)}\n")
            lines: list[str] = []
            day = now.astimezone(target.zone).date() if target.zone else None
            requested = Requested(target.company, target.org, target.folder, day)
            failed += not await _probe_target(client, target, requested, make_parser(config.stats_fields), lines)
            out.writelines(f"  {printable(line)}\n" for line in lines)
            out.write("\n")
    out.write(f"understood: {len(targets) - failed} of {len(targets)}\n")
    return 1 if failed else 0


async def _probe_target(client: Client, target: Target, requested: Requested, parser: Parser, lines: list[str]) -> bool:
    try:
        response = await client.request_once(target, requested.day)
        lines += _shown_response(response)
        if not is_success(response.status):
            raise status_error(response, target.token.read(), target.token.origin)
        records = _records(response.body, requested, parser)
    except DecodeError as error:
        lines += _shown_findings(parser)
        lines.append(f"FAILED    {error.reason} at {error}")
        if error.reason == "unrecognized":
            lines += _shown_outline(response.body)
        return False
    except PollError as error:
        lines.append(f"FAILED    {error.reason}: {error}")
        return False
    lines += _shown_findings(parser)
    lines += records
    return True


def _shown_response(response: Response) -> Iterator[str]:
    kind = response.headers.get("Content-Type", "no content type")
    yield f"request   GET {response.url_masked}"
    yield f"response  {response.status}, {kind}, {len(response.body)} bytes, {response.seconds * 1000:.0f} ms"
    text = response.body[:_BODY_SHOWN].decode("utf-8", "replace")
    yield f"body      {text}{' …' if len(response.body) > _BODY_SHOWN else ''}"


def _shown_findings(parser: Parser) -> Iterator[str]:
    for index, finding in enumerate(sorted(parser.findings)):
        yield f"{'' if index else 'read by':10}{finding}"


def _records(body: bytes, requested: Requested, parser: Parser) -> list[str]:
    """Return the records as the lines of a table; raises DecodeError."""
    parts = _result(parser.split(body, requested))
    days: list[FolderDay] = []

    def keep(day: FolderDay) -> Steps[None]:
        days.append(day)
        yield

    contents = _result(ChangeTracker(parser).read(body, requested, keep))
    left_out = sum(part.folder not in contents.folders or part.day != contents.day for part in parts)
    title = f"records   of {contents.day or 'today, by the clock of V-Spark'}"
    rows = [("folder", "calls", "mean", "agents")]
    for day in days:
        rows.append((day.folder, str(day.calls), _time(day.average_seconds), str(len(day.agents))))
        busiest = sorted(day.agents, key=lambda agent: (-agent.calls, agent.agent))
        rows += [_agent_row(agent) for agent in busiest[:_AGENTS_SHOWN]]
        if len(busiest) > _AGENTS_SHOWN:
            rows.append((f"  … and {len(busiest) - _AGENTS_SHOWN} more agents", "", "", ""))
    lines = [title if days else f"{title}: none, that is no calls"]
    lines += [f"          {line}" for line in _aligned(rows)] if days else []
    if left_out:
        lines.append(f"          ignored: {left_out} of another day or folder")
    return lines


def _agent_row(agent: AgentDay) -> tuple[str, str, str, str]:
    return f"  agent {agent.agent}", str(agent.calls), _time(agent.average_seconds), ""


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for name, *numbers in shown:
        cells = [name.ljust(widths[0]), *(text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _shown_outline(body: bytes) -> Iterator[str]:
    """Show the structure of the JSON, to help find the names that this installation uses."""
    if len(body) > _OUTLINE_SIZE:
        return
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    yield "outline"
    yield from (f"          {line}" for line in _outline(value, _OUTLINE_DEPTH))
    yield "          If a key here has the number of calls, the mean duration or the agents under another name, add it"
    yield "          to stats_fields.calls, stats_fields.average_duration or stats_fields.agents."


def _outline(value: Any, depth: int) -> Iterator[str]:
    """Return a line for the first element of each list and for the first keys of each object."""
    entries: list[tuple[str, Any]] = []
    match value:
        case dict():
            entries = list(value.items())
        case list():
            entries = [(f"[{index}]", below) for index, below in enumerate(value)]
    shown = entries[: 1 if isinstance(value, list) else _KEYS_SHOWN]
    for name, below in shown:
        if isinstance(below, dict | list) and below and depth:
            yield f"{name}:"
            yield from (f"  {line}" for line in _outline(below, depth - 1))
        else:
            yield f"{name}: {_brief(below)}"
    if len(entries) > len(shown):
        yield f"… and {len(entries) - len(shown)} more"


def _brief(value: Any) -> str:
    text = ("{…}" if value else "empty") if isinstance(value, dict | list) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_SHOWN else f"{text[:_VALUE_SHOWN]}…"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _result(steps: Steps[_Result]) -> _Result:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result
