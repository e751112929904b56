"""The calls of a day's half hours as a small bar chart, and in words."""

from typing import Final

from msgspec import Struct

from exporter.config.targets import Target
from exporter.polling.day_curve import SLOT_SECONDS, SLOTS, DayCurve
from exporter.status.formatting import time_of_day

_USUAL_WIDTH: Final = 48
_HEIGHT: Final = 20
_FLOOR: Final = 1
"""The height of a bar for 0, so that it differs from an unknown half hour."""
_LEAST_SCALE: Final = 10
"""The calls that fill the height if no half hour has more, so that a single call does not look like a rush."""
_BARS: Final = [[f"M{slot}.5 {_HEIGHT}V{_HEIGHT - height}" for height in range(_HEIGHT + 1)] for slot in range(SLOTS)]
_GAPS: Final = [f"M{slot}.2 {_HEIGHT - 1}h.5" for slot in range(SLOTS)]


class Sparkline(Struct, frozen=True, gc=False):
    """SVG paths for the bars and the unknown half hours, in a box of `width` by 20.

    `peak` has the busiest half hour in words, to be shown below; `label` describes all of it in words.
    """

    bars: str
    gaps: str
    width: int
    peak: str
    label: str


def sparkline(target: Target, curve: DayCurve, folder: str | None, now: float) -> Sparkline | None:
    """Return the chart of a folder, or of all folders of a target if `folder` is None. None if nothing is known yet."""
    calls = curve.half_hours(folder, now)
    if not calls or curve.midnight is None:
        return None
    most = max(filter(None, calls), default=0)
    scale = (_HEIGHT - _FLOOR) / max(most, _LEAST_SCALE)
    bars = [_BARS[slot][_FLOOR + int(number * scale + 0.5)] for slot, number in enumerate(calls) if number is not None]
    gaps = [_GAPS[slot] for slot, number in enumerate(calls) if number is None]
    begun = curve.midnight + calls.index(most) * SLOT_SECONDS if most else 0.0
    peak = f"peak {most:,} at {time_of_day(begun, target.zone)}" if most else "no calls"
    label = _label(target, curve, peak, len(gaps))
    return Sparkline("".join(bars), "".join(gaps), max(_USUAL_WIDTH, len(calls)), peak, label)


def _label(target: Target, curve: DayCurve, peak: str, unknown: int) -> str:
    since = "midnight" if curve.since is None else time_of_day(curve.since, target.zone)
    place = f" in {target.zone.key}" if target.zone is not None else ""
    gaps = f"; {unknown} half {'hour' if unknown == 1 else 'hours'} unknown" if unknown else ""
    return f"Calls per half hour since {since}{place}: {peak}{gaps}"
