"""Time zones that would explain V-Spark's today, for an org whose configured zone does not."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

_FIRST: Final = (
    *("US/Eastern", "US/Central", "US/Mountain", "US/Pacific", "America/Toronto", "America/Mexico_City"),
    *("America/Bogota", "America/Sao_Paulo", "Europe/London", "Europe/Berlin", "Europe/Athens", "Europe/Moscow"),
    *("Africa/Lagos", "Africa/Johannesburg", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata", "Asia/Dhaka"),
    *("Asia/Bangkok", "Asia/Manila", "Asia/Shanghai", "Asia/Tokyo", "Australia/Sydney", "Pacific/Auckland"),
)
"""Zones of many call centers, named as in V-Spark's reference and in tzdata."""
_OFFSETS: Final = 8
_NAMES: Final = 4


class ZoneGroup(Struct, frozen=True):
    """An offset from UTC, such as `+05:30`, and the most common of the zones that have it."""

    offset: str
    names: tuple[str, ...]


def fitting_zones(now: datetime, day: date, configured: ZoneInfo) -> tuple[ZoneGroup, ...]:
    """Return the zones in which it is `day` at `now`: at most 8 offsets, the nearest to the configured zone first.

    An offset has at most 4 names, those of the configured zone's area first. Empty if it is `day` nowhere.
    """
    area = configured.key.partition("/")[0]
    offsets = [
        (offset, number, name)
        for number, name in enumerate(_common_zones())
        if (moment := now.astimezone(ZoneInfo(name))).date() == day and (offset := moment.utcoffset()) is not None
    ]
    own = now.astimezone(configured).utcoffset() or timedelta()
    groups: Mapping[timedelta, list[str]] = {
        offset: [name for _, _, name in sorted(each, key=lambda one: (one[2].partition("/")[0] != area, one[1]))]
        for offset, each in groupby(sorted(offsets), key=lambda one: one[0])
    }
    nearest = sorted(groups, key=lambda offset: (abs(offset - own), offset))[:_OFFSETS]
    return tuple(ZoneGroup(_offset(offset), tuple(groups[offset][:_NAMES])) for offset in nearest)


@cache
def _common_zones() -> tuple[str, ...]:
    """Return well-known zones, then the others of tzdata's zone1970.tab, those that more countries share first.

    The file has a row for each zone: country codes, coordinates and the name.
    """
    text = (resources.files("tzdata") / "zoneinfo" / "zone1970.tab").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    rows = [row for row in rows if not row[2].startswith("Antarctica/")]
    shared = sorted(rows, key=lambda row: (-row[0].count(","), row[2]))
    return tuple(dict.fromkeys((*_FIRST, *(row[2] for row in shared))))


def _offset(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
