"""Snapshots of invented targets."""

from collections.abc import Mapping
from typing import Any

from exporter.config.targets import Target
from exporter.exposition.families import FolderFigures
from exporter.polling.day_curve import SLOT_SECONDS, DayCurve
from exporter.polling.org_day import midnight
from exporter.polling.snapshot import Health, TargetFigures, TargetStatus
from exporter.polling.target_state import LastError
from tests.support.fake_clock import NOON, target_of
from tests.support.finished_steps import finished

NOW = NOON.timestamp()
AUTH = LastError.of("auth", "the token is rejected", NOW - 65)


def curve_of(target: Target, *totals: Mapping[str, int] | None) -> DayCurve:
    """Return the curve of a day from each folder's total at the beginning of each half hour; None: not polled then."""
    curve = DayCurve()
    if target.zone is not None:
        began = midnight(target.zone, NOON.astimezone(target.zone).date())
        before: Mapping[str, int] = {}
        for slot, folders in enumerate(totals):
            if folders is not None:
                new_calls = [(folder, total - before.get(folder, 0)) for folder, total in folders.items()]
                finished(curve.add(new_calls, began + slot * SLOT_SECONDS + 60, began, SLOT_SECONDS))
                before = folders
    return curve


def status_of(
    folder: str | None = None,
    health: Health = Health.OK,
    *,
    org: str = "O",
    folders: Mapping[str, FolderFigures] | None = None,
    error: LastError | None = None,
    **more: Any,
) -> TargetStatus:
    """Return a snapshot of a target of the company C, by default with values."""
    target = target_of("US/Eastern", folder, org=org)
    if folders is None:
        folders = {folder or "A": FolderFigures(calls=1234, calls_total=1234, average_seconds=263.0, agents=5)}
    has_values = health in (Health.OK, Health.FAILING)
    given: dict[str, Any] = {
        "target": target,
        "health": health,
        "never_succeeded": not has_values and health is not Health.STALE,
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
        "figures": TargetFigures.of(folders.values()) if has_values else None,
        "curve": curve_of(target),
    }
    return TargetStatus(**{**given, **more})
