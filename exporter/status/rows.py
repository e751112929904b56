"""The rows of the status page's table: targets, and the folders of whole orgs."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from msgspec import Struct

from exporter.config.targets import Target
from exporter.exposition.families import FolderFigures
from exporter.polling.discovery_series import differ
from exporter.polling.snapshot import Health, TargetFigures, TargetStatus
from exporter.status.formatting import Words, call_duration, rfc3339, span, time_of_day, visible_name
from exporter.status.query import Selected
from exporter.status.sparkline import Sparkline, sparkline

ROWS_SHOWN: Final = 2000
FOLDERS_SHOWN: Final = 100
"""Folders shown of one org; the filter finds the others."""

_HEALTH_WORDS: Final = {
    Health.STALE: "stale: values removed",
    Health.FAILING: "failing",
    Health.WAITING: "waiting for its first poll",
    Health.OK: "ok",
}

_Numbers = tuple[str, str, str]
"""Calls, mean duration, agents."""


class _ErrorText(Struct, frozen=True, gc=False):
    """The texts about a target's last error."""

    reason: str
    words: Words
    hint: str
    at: str
    ago: str
    recovered: bool


class Row(Struct, frozen=True, gc=False):
    """One row of the table. The template escapes the texts."""

    kind: str
    health: str = ""
    health_words: str = ""
    company: str = ""
    org: str = ""
    name: str = ""
    local_time: str = ""
    zone_note: str = ""
    numbers: _Numbers = ("", "", "")
    curve: Sparkline | None = None
    success: str = ""
    success_at: str = ""
    next_poll: str = ""
    error: _ErrorText | None = None
    folders: str = ""


def shown_of(selected: Sequence[Selected]) -> list[tuple[Selected, int]]:
    """Return the targets to show, each with the number of its folders to show."""
    shown: list[tuple[Selected, int]] = []
    left = ROWS_SHOWN
    for each in selected:
        if left <= 0:
            break
        left -= 1
        folders = min(each.folders_matching, FOLDERS_SHOWN, left) if each.status.target.folder is None else 0
        left -= folders
        shown.append((each, folders))
    return shown


def rows_of(shown: Sequence[tuple[Selected, int]], now: float) -> Iterator[Row]:
    """Yield the rows of targets; of each with the number of its folders to show."""
    for each, number in shown:
        target = each.status.target
        yield _target_row(each.status, now)
        for folder, figures in islice(each.folders, number):
            yield _folder_row(each.status, folder, figures, now)
        if target.folder is None and number < each.folders_matching:
            yield Row("more", folders=f"{each.folders_matching - number:,}", name=visible_name(target.org))


def _target_row(status: TargetStatus, now: float) -> Row:
    folder, success = status.target.folder, status.polls.last_success_timestamp_seconds
    all_folders = f"all folders ({len(status.folders):,})" if status.figures is not None else "all folders"
    return Row(
        kind="org" if folder is None else "target",
        health=status.health,
        health_words=_health_words(status),
        company=visible_name(status.target.company),
        org=visible_name(status.target.org),
        name=all_folders if folder is None else visible_name(folder),
        local_time=_local_time(status.target, now),
        zone_note=_zone_note(status.target, now),
        curve=sparkline(status.target, status.curve, None, now),
        success="never" if status.success_age_seconds is None else f"{span(status.success_age_seconds)} ago",
        success_at="" if success is None else rfc3339(success),
        next_poll="polling now" if status.polling else f"in {span(status.next_poll_seconds)}",
        error=_error_text(status, now),
        numbers=_numbers(status.figures),
    )


def _local_time(target: Target, now: float) -> str:
    return f"{time_of_day(now, target.zone)} in {target.zone.key}" if target.zone is not None else "unknown time zone"


def _zone_note(target: Target, now: float) -> str:
    """Return a note if the configured time zone has other offsets than V-Spark's this year, else nothing."""
    zone, vspark = target.zone, target.vspark_zone
    if zone is None or vspark is None or not differ(zone, vspark, datetime.fromtimestamp(now, UTC).year):
        return ""
    return f"configured as {zone.key}, but {vspark.key} in V-Spark"


def _folder_row(status: TargetStatus, folder: str, figures: FolderFigures, now: float) -> Row:
    return Row(
        kind="folder",
        name=visible_name(folder),
        curve=sparkline(status.target, status.curve, folder, now),
        numbers=_numbers(figures),
    )


def _numbers(figures: TargetFigures | FolderFigures | None) -> _Numbers:
    if figures is None:
        return "", "", ""
    mean = figures.average_seconds if figures.calls else None
    return f"{figures.calls:,}", "" if mean is None else call_duration(mean), f"{figures.agents:,}"


def _health_words(status: TargetStatus) -> str:
    if status.health is Health.FAILING and status.figures is None:
        return "failing: never succeeded" if status.success_age_seconds is None else "failing: no values"
    if status.health is Health.WAITING and status.success_age_seconds is not None:
        return "waiting for the new day's first poll"
    return _HEALTH_WORDS[status.health]


def _error_text(status: TargetStatus, now: float) -> _ErrorText | None:
    error = status.last_error
    if error is None:
        return None
    return _ErrorText(
        reason=error.reason,
        words=Words.of(error.text),
        hint=error.hint,
        at=rfc3339(error.at),
        ago=f"{span(now - error.at)} ago",
        recovered=status.recovered,
    )
