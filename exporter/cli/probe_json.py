"""The output of `probe --json`. docs/operations.md describes its keys."""

import json
from collections.abc import Sequence
from typing import Any

from exporter.cli.exchange import Report
from exporter.cli.reading import Reading
from exporter.errors import DecodeError


def json_document(reports: Sequence[Report]) -> str:
    """Return the reports as a JSON document in ASCII."""
    understood = sum(report.error is None for report in reports)
    document = {"targets": [_target(report) for report in reports], "understood": understood}
    return f"{json.dumps(document, indent=2)}\n"


def _target(report: Report) -> dict[str, Any]:
    response, error = report.exchange.response, report.error
    return {
        "target": report.exchange.target.name,
        "request": response.url_masked if response else None,
        "status": response.status if response else None,
        "content_type": response.headers.get("Content-Type") if response else None,
        "bytes": len(response.body) if response else None,
        "seconds": round(response.seconds, 3) if response else None,
        "result": error.reason if error else "ok",
        "message": error.message if error else None,
        "json_path": error.path if isinstance(error, DecodeError) else None,
        **_reading(report.reading),
        "findings": [_finding(finding) for finding in report.reading.findings],
        "zone": _zone(report),
        "suggestions": [
            {
                "key": suggestion.key,
                "value": suggestion.value,
                "meaning": suggestion.meaning,
                **_reading(suggestion.reading),
            }
            for suggestion in report.suggestions
        ],
        "note": report.note or None,
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "day": reading.day.isoformat() if reading.day else None,
        "records": [
            {
                "folder": day.folder,
                "calls": day.calls,
                "average_seconds": day.average_seconds,
                "agents": len(day.agents),
            }
            for day in reading.days
        ],
        "ignored": reading.ignored,
    }


def _finding(finding: str) -> dict[str, Any]:
    """Return `rule 5: the date from …` as the number and the text."""
    rule, _, text = finding.removeprefix("rule ").partition(": ")
    return {"rule": int(rule), "text": text}


def _zone(report: Report) -> dict[str, Any] | None:
    zone = report.exchange.target.zone
    if zone is None:
        return None
    doubt = report.doubt
    return {
        "configured": zone.key,
        "latest_day": doubt.latest.isoformat() if doubt else None,
        "fitting": [{"offset": group.offset, "names": list(group.names)} for group in (doubt.zones if doubt else ())],
    }
