"""The parameter `daterange` of a request: from which second to which second of which days."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time

_FORM = re.compile(r"(?P<start>[0-9]{8}(?:[0-9]{6})?)?(?P<hyphen>-)?(?P<end>[0-9]{8}(?:[0-9]{6})?)?")
_LAST_SECOND = time(23, 59, 59)


@dataclass(frozen=True, slots=True)
class DateRange:
    """The first and the last second, in the org's local time (naive)."""

    start: datetime
    end: datetime


def parse(text: str, today: date) -> DateRange | None:
    """Return the range of a `daterange`, or None if it is invalid or ends before it starts.

    With a hyphen, the defaults of the reference's newer edition apply: START is 1900-01-01, END is the current date.
    Without a hyphen it is a single day, as in the examples of the older edition. With both dates the editions agree.
    """
    form = _FORM.fullmatch(text)
    if form is None or not text or (form["end"] and not form["hyphen"]):
        return None
    try:
        start = _point(form["start"], time()) if form["start"] else datetime(1900, 1, 1)  # noqa: DTZ001 - local time
        if form["end"]:
            end = _point(form["end"], _LAST_SECOND)
        else:
            end = datetime.combine(today if form["hyphen"] else start.date(), _LAST_SECOND)
    except ValueError:  # a day such as 20260230
        return None
    return DateRange(start, end) if start <= end else None


def _point(digits: str, otherwise: time) -> datetime:
    day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    clock = digits[8:]
    return datetime.combine(day, time(int(clock[:2]), int(clock[2:4]), int(clock[4:])) if clock else otherwise)
