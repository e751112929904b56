"""The status as JSON. Its schema is a promise to users; it is in docs/status.md."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from exporter.exposition.families import FolderFigures
from exporter.polling.snapshot import TargetFigures, TargetStatus
from exporter.status.formatting import rfc3339
from exporter.status.overview import Overview
from exporter.status.query import Selected


def targets_json(overview: Overview, selected: Sequence[Selected]) -> Iterator[str]:
    """Yield the response in small pieces, folder by folder."""
    yield '{"status":"success","data":'
    yield _json(_head(overview)).removesuffix("}")
    yield ',"targets":['
    for number, each in enumerate(selected):
        yield "," if number else ""
        yield _json(_target(each.status, overview.now)).removesuffix("}")
        yield ',"folders":['
        for position, (folder, figures) in enumerate(each.folders):
            yield "," if position else ""
            yield _json(_folder(each.status, folder, figures, overview.now))
        yield "]}"
    yield "]}}\n"


def error_json(problems: Sequence[str]) -> str:
    """Return the response to an invalid query."""
    return _json({"status": "error", "errorType": "bad_data", "error": "; ".join(problems)}) + "\n"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _head(overview: Overview) -> dict[str, Any]:
    config, totals = overview.config, overview.totals
    return {
        "time": rfc3339(overview.now),
        "version": overview.version,
        "python_version": overview.python_version,
        "shard": config.share.shard,
        "total_shards": config.share.total_shards,
        "started": rfc3339(overview.started_at),
        "uptime_seconds": _rounded(overview.uptime_seconds),
        "config": {
            "loaded": rfc3339(config.loaded_at),
            "last_reload_successful": not config.problems,
            "problems": config.problems,
        },
        "discovery": {
            "failures": [
                {"company": each.company, "reason": each.reason, "text": each.text, "since": rfc3339(each.since)}
                for each in config.discovery_failures
            ]
        },
        "totals": {
            "targets": totals.targets,
            **{health.value: count for health, count in totals.by_health.items()},
            "without_values": totals.without_values,
            "folders": totals.folders,
            "calls_today": totals.calls,
            "agents_today": totals.agents,
        },
    }


def _target(status: TargetStatus, now: float) -> dict[str, Any]:
    target, polls, error = status.target, status.polls, status.last_error
    success = polls.last_success_timestamp_seconds
    return {
        "company": target.company,
        "org": target.org,
        "folder": target.folder,
        "timezone": target.zone and target.zone.key,
        "vspark_timezone": target.vspark_zone and target.vspark_zone.key,
        "state": status.health.value,
        "polling": status.polling,
        "interval_seconds": target.interval_seconds,
        "next_poll_seconds": _rounded(status.next_poll_seconds),
        "last_success": None if success is None else rfc3339(success),
        "last_success_age_seconds": _rounded(status.success_age_seconds),
        "last_poll": rfc3339(polls.last_poll_timestamp_seconds) if polls.polls else None,
        "last_poll_duration_seconds": _rounded(polls.last_poll_duration_seconds) if polls.polls else None,
        "polls": polls.polls,
        "poll_failures": sum(polls.failures.values()),
        "last_error": error
        and {
            "reason": error.reason,
            "text": error.text,
            "hint": error.hint,
            "time": rfc3339(error.at),
            "age_seconds": _rounded(max(0.0, now - error.at)),
            "recovered": status.recovered,
        },
        **_figures(status.figures),
        "calls_by_half_hour": status.curve.half_hours(None, now),
        "calls_by_half_hour_since": None if status.curve.since is None else rfc3339(status.curve.since),
    }


def _folder(status: TargetStatus, folder: str, figures: FolderFigures, now: float) -> dict[str, Any]:
    return {"folder": folder, **_figures(figures), "calls_by_half_hour": status.curve.half_hours(folder, now)}


def _figures(figures: TargetFigures | FolderFigures | None) -> dict[str, Any]:
    mean = figures.average_seconds if figures is not None and figures.calls else None
    return {
        "calls_today": figures and figures.calls,
        "average_duration_seconds": _rounded(mean),
        "agents_today": figures and figures.agents,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
