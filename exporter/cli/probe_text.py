"""The output of `probe` for people."""

from collections.abc import Iterator, Sequence
from typing import Final

from exporter.cli.exchange import Exchange, Report, ZoneDoubt
from exporter.cli.outline import outline
from exporter.cli.reading import Reading
from exporter.errors import DecodeError
from exporter.runtime.terminal import printable
from exporter.stats.model import AgentDay

_BODY_SHOWN: Final = 400
_AGENTS_SHOWN: Final = 5
_INDENT: Final = " " * 10


def report_lines(report: Report) -> Iterator[str]:
    """Yield the lines about one target; they may contain characters that are not printable."""
    yield report.exchange.target.name
    yield from (f"  {line}" for line in _lines(report))


def summary(reports: Sequence[Report]) -> str:
    """Return the last line."""
    return f"understood: {sum(report.error is None for report in reports)} of {len(reports)}\n"


def _lines(report: Report) -> Iterator[str]:
    yield from _response(report.exchange)
    for index, finding in enumerate(report.reading.findings):
        yield f"{'' if index else 'read by':10}{finding}"
    error = report.error
    if error is None:
        yield from _records(report.reading)
    elif isinstance(error, DecodeError):
        yield f"FAILED    {error.reason} at {error}"
        if error.reason == "unrecognized":
            yield from _what_to_do(report)
    else:
        yield f"FAILED    {error.reason}: {error}"
    if report.doubt:
        yield from _zones(report, report.doubt)
    if report.note:
        yield f"note      {report.note}"


def _response(exchange: Exchange) -> Iterator[str]:
    response = exchange.response
    if response is None:
        return
    kind = response.headers.get("Content-Type", "no content type")
    yield f"request   GET {response.url_masked}"
    yield f"response  {response.status}, {kind}, {len(response.body)} bytes, {response.seconds * 1000:.0f} ms"
    yield f"body      {_beginning(response.body)}"
    if exchange.mapped is not None:
        yield f"stats_jq  {_beginning(exchange.mapped)}"


def _beginning(body: bytes) -> str:
    return f"{body[:_BODY_SHOWN].decode('utf-8', 'replace')}{' …' if len(body) > _BODY_SHOWN else ''}"


def _records(reading: Reading) -> Iterator[str]:
    title = f"records   of {reading.day or 'today, by the clock of V-Spark'}"
    yield title if reading.days else f"{title}: none, that is no calls"
    yield from (f"{_INDENT}{line}" for line in _table(reading))
    if reading.ignored:
        yield f"{_INDENT}ignored: {reading.ignored} of another day or folder"


def _table(reading: Reading) -> Iterator[str]:
    if not reading.days:
        return
    rows = [("folder", "calls", "mean", "agents")]
    for day in reading.days:
        rows.append((day.folder, str(day.calls), _time(day.average_seconds), str(len(day.agents))))
        busiest = sorted(day.agents, key=lambda agent: (-agent.calls, agent.agent))
        rows += [_agent_row(agent) for agent in busiest[:_AGENTS_SHOWN]]
        if len(busiest) > _AGENTS_SHOWN:
            rows.append((f"  … and {len(busiest) - _AGENTS_SHOWN} more agents", "", "", ""))
    yield from _aligned(rows)


def _agent_row(agent: AgentDay) -> tuple[str, str, str, str]:
    return f"  agent {agent.agent}", str(agent.calls), _time(agent.average_seconds), ""


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for name, *numbers in shown:
        cells = [name.ljust(widths[0]), *(text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _what_to_do(report: Report) -> Iterator[str]:
    exchange = report.exchange
    if exchange.response is None:
        return
    lines = outline(exchange.response.body if exchange.mapped is None else exchange.mapped)
    if not lines:
        return
    yield "outline"
    yield from (f"{_INDENT}{line}" for line in lines)
    if not report.suggestions:
        yield "try       stats_fields, if fields have other names; stats_jq, if the shape is another one:"
        yield f"{_INDENT}docs/stats-format.md has examples of both."
    for suggestion in report.suggestions:
        first, *others = suggestion.yaml_lines()
        yield f"try       {first}"
        yield from (f"{_INDENT}{line}" for line in others)
        yield f"{_INDENT}if {suggestion.meaning}. It is a guess: compare the numbers with V-Spark's own pages."
        yield from (f"{_INDENT}{line}" for line in _table(suggestion.reading))


def _zones(report: Report, doubt: ZoneDoubt) -> Iterator[str]:
    day, zone = report.exchange.requested.day, report.exchange.target.zone
    yield f"zone      in {zone} it is {day}, but the latest day in a response without a date is {doubt.latest}"
    earlier = day is not None and doubt.latest < day
    if doubt.zones:
        yield f"{_INDENT}{'Either there are no calls yet today, or the' if earlier else 'The'} time zone is wrong."
        yield f"{_INDENT}It is {doubt.latest} in these, for example:"
        yield from (f"{_INDENT}{group.offset}  {', '.join(group.names)}" for group in doubt.zones)
    elif earlier:
        yield f"{_INDENT}Either there have been no calls since, or the clock of this machine is wrong."
    else:
        yield f"{_INDENT}It is {doubt.latest} nowhere now: compare the clocks of V-Spark and of this machine."


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
