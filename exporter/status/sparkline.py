"""The calls of a day's half hours as a small bar chart, and in words."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from exporter.config.targets import Target
from exporter.polling.day_curve import SLOT_SECONDS, SLOTS, DayCurve

_USUAL_WIDTH: Final = 48
_HEIGHT: Final = 20
_FLOOR: Final = 1
"""The height of a bar for 0, so that it differs from an unknown half hour."""
_BARS: Final = [[f"M{slot}.5 {_HEIGHT}V{_HEIGHT - height}" for height in range(_HEIGHT + 1)] for slot in range(SLOTS)]
_GAPS: Final = [f"M{slot}.2 {_HEIGHT - 1}h.5" for slot in range(SLOTS)]


class Sparkline(Struct, frozen=True, gc=False):
    """SVG paths for the bars and the unknown half hours, in a box of `width` by 20; `label` describes it in words."""

    bars: str
    gaps: str
    width: int
    label: str


def sparkline(target: Target, curve: DayCurve, folder: str | None, now: float) -> Sparkline | None:
    """Return the chart of a folder, or of all folders of a target if `folder` is None. None if nothing is known yet."""
    calls = curve.half_hours(folder, now)
    if not calls or curve.midnight is None:
        return None
    most = max(filter(None, calls), default=0)
    scale = (_HEIGHT - _FLOOR) / (most or 1)
    bars = [_BARS[slot][_FLOOR + int(number * scale + 0.5)] for slot, number in enumerate(calls) if number is not None]
    gaps = [_GAPS[slot] for slot, number in enumerate(calls) if number is None]
    label = _label(target, curve, most and curve.midnight + calls.index(most) * SLOT_SECONDS, most, len(gaps))
    return Sparkline("".join(bars), "".join(gaps), max(_USUAL_WIDTH, len(calls)), label)


def _label(target: Target, curve: DayCurve, peak: float, most: int, unknown: int) -> str:
    since = "midnight" if curve.since is None else _time_of_day(curve.since, target)
    busiest = f"peak {most:,} at {_time_of_day(peak, target)}" if most else "none"
    gaps = f"; {unknown} half {'hour' if unknown == 1 else 'hours'} unknown" if unknown else ""
    return f"Calls per half hour since {since}: {busiest}{gaps}"


def _time_of_day(time: float, target: Target) -> str:
    local = datetime.fromtimestamp(time, target.zone)
    return f"{local.hour:02}:{local.minute:02}"
