"""Snapshots of invented targets."""

from collections.abc import Mapping
from typing import Any

from exporter.config.targets import Target
from exporter.exposition.families import FolderFigures, PollFigures
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
    success_age_seconds: float | None = more.get("success_age_seconds", 48.0 if has_values else None)
    given: dict[str, Any] = {
        "target": target,
        "health": health,
        "polling": False,
        "polls": PollFigures(
            last_poll_timestamp_seconds=NOW - 48,
            last_success_timestamp_seconds=NOW - success_age_seconds if success_age_seconds is not None else None,
            last_poll_duration_seconds=0.25,
            polls=3,
            failures={} if error is None else {error.reason: 1},
        ),
        "next_poll_seconds": 12.4,
        "success_age_seconds": success_age_seconds,
        "last_error": error,
        "folders": folders if has_values else {},
        "figures": TargetFigures.of(folders.values()) if has_values else None,
        "curve": curve_of(target),
    }
    return TargetStatus(**{**given, **more})
