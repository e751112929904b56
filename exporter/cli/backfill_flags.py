"""The flags of the command `backfill`, and what they mean."""

import argparse
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

from exporter.config.units import Duration

DEFAULT_STEP_SECONDS: Final = 300
"""Prometheus looks back five minutes for the last sample, by default. With a longer step, most queries find none."""
_LONGEST_STEP_SECONDS: Final = 86400
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2999
_LABEL: Final = re.compile("(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_OWN_LABELS: Final = ("company", "org", "folder", "agent")


def add_backfill_flags(parser: argparse.ArgumentParser, checked: Callable[[Callable[[str], Any]], Any]) -> None:
    """Add the flags; `checked` turns a function that raises ValueError into one for argparse."""
    parser.set_defaults(first=None, last=None, names=[], agents=False, step=None, pause=0.0, labels=[], output=None)
    day = checked(parse_day)
    parser.add_argument("--from", dest="first", type=day, required=True, metavar="DAY", help="the first day")
    parser.add_argument("--to", dest="last", type=day, metavar="DAY", help="the last day (default: yesterday)")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="COMPANY[/ORG[/FOLDER]]",
        help="only these, configured or not (default: everything that is configured or discovered)",
    )
    parser.add_argument("--agents", action="store_true", help="write the calls of agents, too")
    parser.add_argument(
        "--step", type=checked(parse_step), metavar="DURATION", help="the time between two samples (default: 5m)"
    )
    parser.add_argument(
        "--pause",
        type=checked(Duration.parse),
        metavar="DURATION",
        help="the least time from a request or a response to the next request (default: none)",
    )
    parser.add_argument(
        "--label",
        dest="labels",
        action="append",
        type=checked(parse_label),
        metavar="NAME=VALUE",
        help="a label that Prometheus adds when it scrapes, such as job=vspark; may be repeated",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the OpenMetrics file to write")


def parse_day(text: str) -> date:
    """Return the day of a text such as `2026-01-31`; ValueError for any other text.

    The year must be one of 1970 to 2999.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # Python reads 20260131 and 2026-W05-6, too. It cannot compute with the last days of the year 9999.
    if day is None or text != day.isoformat() or not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(f"expected a day such as 2026-01-31, got {text!r}")
    return day


def parse_step(text: str) -> int:
    """Return the whole seconds of a duration of at most a day; ValueError for any other text."""
    seconds = Duration.parse(text)
    if not seconds.is_integer() or seconds > _LONGEST_STEP_SECONDS:
        raise ValueError(f"expected a duration of whole seconds, at most 1d, got {text!r}")
    return int(seconds)


def parse_label(text: str) -> tuple[str, str]:
    """Return the name and the value of a label `NAME=VALUE`; ValueError for any other text."""
    name, equals, value = text.partition("=")
    if not equals or not value or not _LABEL.fullmatch(name):
        raise ValueError(f"expected a label such as job=vspark, got {text!r}")
    if name in _OWN_LABELS:
        raise ValueError(f"{name!r} is a label of the samples themselves")
    return name, value
