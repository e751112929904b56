"""Targets as they may stand, made up, for what shows them."""

from collections.abc import Mapping
from typing import Any

from exporter.config.targets import Target
from exporter.exposition.families import FolderFigures
from exporter.polling.day_curve import SLOT_SECONDS, DayCurve
from exporter.polling.org_day import midnight
from exporter.polling.snapshot import Figures, LastError, State, TargetStatus
from tests.support.fake_clock import NOON, target_of

NOW = NOON.timestamp()
AUTH = LastError.of("auth", "the token is refused", NOW - 65)


def curve_of(target: Target, *totals: Mapping[str, int] | None) -> DayCurve:
    """Make the curve of a day, polled in each half hour; None: not polled in that one."""
    curve = DayCurve()
    if target.zone is not None:
        began = midnight(target.zone, NOON.astimezone(target.zone).date())
        for slot, folders in enumerate(totals):
            if folders is not None:
                curve.begin_poll(began + slot * SLOT_SECONDS + 60, began, SLOT_SECONDS)
                for folder, total in folders.items():
                    curve.put(folder, total)
    return curve


def status_of(
    folder: str | None = None,
    state: State = State.OK,
    *,
    org: str = "O",
    folders: Mapping[str, FolderFigures] | None = None,
    error: LastError | None = None,
    **more: Any,
) -> TargetStatus:
    """Make where a target of the company C stands, by default with values."""
    target = target_of("US/Eastern", folder, org=org)
    if folders is None:
        folders = {folder or "A": FolderFigures(calls=1234, calls_total=1234, average_seconds=263.0, agents=5)}
    has_values = state in (State.OK, State.FAILING)
    given: dict[str, Any] = {
        "target": target,
        "state": state,
        "never_succeeded": not has_values and state is not State.STALE,
        "polling": False,
        "next_poll_seconds": 12.4,
        "last_success": NOW - 48 if has_values else None,
        "success_age_seconds": 48.0 if has_values else None,
        "last_poll": NOW - 48,
        "last_poll_duration_seconds": 0.25,
        "polls": 3,
        "failures": 0 if error is None else 1,
        "last_error": error,
        "folders": folders if has_values else {},
        "figures": Figures.of(folders.values()) if has_values else None,
        "curve": curve_of(target),
    }
    return TargetStatus(**{**given, **more})
