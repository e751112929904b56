"""Day records as the parser finds them, from decoded JSON."""

import json
from collections.abc import Mapping
from typing import Any

from exporter.stats.day_record import Findings, Part
from exporter.stats.field_names import Layouts
from exporter.stats.folder_day import FolderDayBuilder
from exporter.stats.model import FolderDay
from exporter.stats.raw_json import check_text, members
from tests.support.finished_steps import finished


def part(record: dict[str, Any], layouts: Layouts, path: str = "$") -> Part:
    raw = finished(check_text(json.dumps(record).encode()))
    inside = finished(members(raw, path))
    return Part(path, "F", None, raw, inside, layouts[tuple(inside)])


def folder_day(
    *records: dict[str, Any], names: Mapping[str, Any] | None = None, findings: Findings | None = None
) -> FolderDay:
    """Build the day of the folder "F" from records at `$[0]`, `$[1]` and so on."""
    layouts = Layouts(**(names or {}))
    parts = [part(record, layouts, f"$[{index}]") for index, record in enumerate(records)]
    return finished(FolderDayBuilder(layouts, {} if findings is None else findings).build("F", parts))
