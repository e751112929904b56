"""What the requests to one target brought, and what can be said about it."""

from datetime import date, datetime

from msgspec import Struct

from exporter.cli.reading import Reading, read_body
from exporter.cli.suggestions import Suggestion, suggest
from exporter.cli.zones import ZoneGroup, fitting_zones
from exporter.config.schema import StatsFields
from exporter.config.targets import Target
from exporter.errors import PollError
from exporter.stats.parser import Requested
from exporter.vspark.response import Response


class Exchange(Struct):
    """A request to a target and its response.

    `error` says why there is no body to read. `mapped` is what `stats_jq` made of the body, `undated` the body of a
    second request without a date; each is None if there is none.
    """

    target: Target
    requested: Requested
    response: Response | None = None
    error: PollError | None = None
    mapped: bytes | None = None
    undated: bytes | None = None


def requested(target: Target, day: date | None) -> Requested:
    """Return what the reader has to know of a request."""
    return Requested(target.company, target.org, target.folder, day)


class ZoneDoubt(Struct, frozen=True):
    """V-Spark's latest day without a date, which is not the day of the configured zone; `zones` would fit."""

    latest: date
    zones: tuple[ZoneGroup, ...]


class Report(Struct, frozen=True):
    """Everything that is shown of a target. `note` is a remark for the reader of a redacted report."""

    exchange: Exchange
    reading: Reading
    doubt: ZoneDoubt | None
    suggestions: tuple[Suggestion, ...]
    note: str = ""

    @property
    def error(self) -> PollError | None:
        """Why the target's response cannot be used."""
        return self.exchange.error or self.reading.error


def examine(exchange: Exchange, fields: StatsFields, now: datetime) -> Report:
    """Return what the configuration's `fields` make of an exchange at `now`."""
    if exchange.error or not exchange.response:
        return Report(exchange, Reading(), None, ())
    body = exchange.response.body if exchange.mapped is None else exchange.mapped
    reading = read_body(body, exchange.requested, fields)
    failed = reading.error is not None and reading.error.reason == "unrecognized"
    suggestions = suggest(body, exchange.requested, fields) if failed else ()
    if exchange.mapped is not None:  # a program for the result of a program is not what belongs under stats_jq
        suggestions = tuple(each for each in suggestions if each.key != "stats_jq")
    return Report(exchange, reading, _zone_doubt(exchange, fields, now), suggestions)


def _zone_doubt(exchange: Exchange, fields: StatsFields, now: datetime) -> ZoneDoubt | None:
    """Return None if V-Spark's latest day is ours, or if it does not name one: then nothing can be said."""
    day, zone = exchange.requested.day, exchange.target.zone
    if exchange.undated is None or day is None or zone is None:
        return None
    latest = read_body(exchange.undated, requested(exchange.target, None), fields).day
    if latest is None or latest == day:
        return None
    return ZoneDoubt(latest, fitting_zones(now, latest, zone))
