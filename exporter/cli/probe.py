"""Ask targets once and show people what came, and what is read of it by which rule of docs/stats-format.md."""

import json
from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TextIO, TypeVar

import msgspec

from exporter.config.schema import Config
from exporter.config.targets import Target, make_targets
from exporter.errors import DecodeError, PollError
from exporter.polling.manager import make_parser
from exporter.runtime.terminal import printable
from exporter.stats.incremental import IncrementalParser
from exporter.stats.model import AgentDay, FolderDay
from exporter.stats.parser import Parser, Requested
from exporter.vspark.client import Client
from exporter.vspark.response import Answer, status_error

_BODY_SHOWN: Final = 400
_AGENTS_SHOWN: Final = 5
_KEYS_SHOWN: Final = 10
_VALUE_SHOWN: Final = 24
_OUTLINE_DEPTH: Final = 5
_OUTLINE_SIZE: Final = 2**20

_Result = TypeVar("_Result")


async def probe(config: Config, name: str | None, now: datetime, out: TextIO) -> int:
    """Ask every target once, with `name` (COMPANY[/ORG[/FOLDER]]) only some; give the exit code, 1 if one failed.

    Each is asked for its org's day at `now`.
    """
    known = make_targets(config)
    targets = [target for target in known if name is None or f"{target.name}/".startswith(f"{name}/")]
    if not targets:
        out.write(f"No target is called {name!r}. The configuration has:\n")
        out.writelines(f"  {printable(target.name)}\n" for target in known)
        return 1
    failed = 0
    async with Client(config.vspark, concurrency=1, observe=lambda _code, _seconds: None) as client:
        for target in targets:
            out.write(f"{printable(target.name)}\n")
            lines: list[str] = []
            asked = Requested(target.folder, now.astimezone(target.zone).date() if target.zone else None)
            failed += not await _probe_target(client, target, asked, make_parser(config.stats_fields), lines)
            out.writelines(f"  {printable(line)}\n" for line in lines)
            out.write("\n")
    out.write(f"understood: {len(targets) - failed} of {len(targets)}\n")
    return 1 if failed else 0


async def _probe_target(client: Client, target: Target, asked: Requested, reader: Parser, lines: list[str]) -> bool:
    try:
        answer = await client.ask(target, asked.day)
        lines += _shown_answer(answer)
        if not answer.is_success:
            raise status_error(answer, target.token.read(), target.token.origin)
        records = _records(answer.body, asked, reader)
    except DecodeError as error:
        lines += _shown_findings(reader)
        lines.append(f"FAILED    {error.reason} at {error}")
        if error.reason == "unrecognized":
            lines += _shown_outline(answer.body)
        return False
    except PollError as error:
        lines.append(f"FAILED    {error.reason}: {error}")
        return False
    lines += _shown_findings(reader)
    lines += records
    return True


def _shown_answer(answer: Answer) -> Iterator[str]:
    kind = answer.headers.get("Content-Type", "no content type")
    yield f"request   GET {answer.url_masked}"
    yield f"answer    {answer.status}, {kind}, {len(answer.body)} bytes, {answer.seconds * 1000:.0f} ms"
    text = answer.body[:_BODY_SHOWN].decode("utf-8", "replace")
    yield f"body      {text}{' …' if len(answer.body) > _BODY_SHOWN else ''}"


def _shown_findings(reader: Parser) -> Iterator[str]:
    for title, finding in zip(
        ("read by   ", *[" " * 10] * len(reader.findings)), sorted(reader.findings), strict=False
    ):
        yield f"{title}{finding}"


def _records(body: bytes, asked: Requested, reader: Parser) -> list[str]:
    """Give the records as the lines of a table; raises DecodeError."""
    parts = _result(reader.split(body, asked))
    days: list[FolderDay] = []
    contents = _result(IncrementalParser(reader).read(body, asked), days)
    left_out = sum(part.folder not in contents.folders or part.day != contents.day for part in parts)
    title = f"records   of {contents.day or 'today, by the clock of V-Spark'}"
    rows = [("folder", "calls", "mean", "agents")]
    for day in days:
        rows.append((day.folder, str(day.calls), _clock(day.average_seconds), str(len(day.agents))))
        busiest = sorted(day.agents, key=lambda agent: (-agent.calls, agent.agent))
        rows += [_agent_row(agent) for agent in busiest[:_AGENTS_SHOWN]]
        if len(busiest) > _AGENTS_SHOWN:
            rows.append((f"  … and {len(busiest) - _AGENTS_SHOWN} more agents", "", "", ""))
    lines = [title if days else f"{title}: none, so no calls"]
    lines += [f"          {line}" for line in _aligned(rows)] if days else []
    if left_out:
        lines.append(f"          left out: {left_out} of another day or folder")
    return lines


def _agent_row(agent: AgentDay) -> tuple[str, str, str, str]:
    return f"  agent {agent.agent}", str(agent.calls), _clock(agent.average_seconds), ""


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for name, *numbers in shown:
        cells = [name.ljust(widths[0]), *(text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _shown_outline(body: bytes) -> Iterator[str]:
    """Show how the JSON is built, so that people find what is called otherwise in their installation."""
    if len(body) > _OUTLINE_SIZE:
        return
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    yield "outline"
    yield from (f"          {line}" for line in _outline(value, _OUTLINE_DEPTH))
    yield "          If a key here is the number of calls, the mean duration or the agents by another name, list it"
    yield "          under stats_fields.calls, stats_fields.average_duration or stats_fields.agents."


def _outline(value: Any, depth: int) -> Iterator[str]:
    """Write the first element of lists and the first keys of objects, a line each."""
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
    text = (
        json.dumps(value, ensure_ascii=False) if not isinstance(value, dict | list) else ("{…}" if value else "empty")
    )
    return text if len(text) <= _VALUE_SHOWN else f"{text[:_VALUE_SHOWN]}…"


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _result(steps: Generator[FolderDay | None, None, _Result], found: list[FolderDay] | None = None) -> _Result:
    while True:
        try:
            folder_day = next(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result
        if folder_day is not None and found is not None:
            found.append(folder_day)
