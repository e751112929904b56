"""Five shapes of a `/stats` body that the rules of the reader do not cover; a program in `stats_jq` can.

docs/stats-format.md has the program for each. Shapes without a date have the calls of the latest day only.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from exporter.simulator.calls import AgentCalls, FolderCalls

_COLUMNS = ("day", "folder", "agent", "calls", "seconds")


def table(days: Sequence[FolderCalls]) -> Any:
    """Return a table with a row for each agent; calls without an agent have one of their own."""
    return {"columns": _COLUMNS, "rows": _rows(days)}


def csv(days: Sequence[FolderCalls]) -> Any:
    """Return the table as the text of a CSV file, inside a JSON string."""
    lines = (",".join(str("" if cell is None else cell) for cell in row) for row in (_COLUMNS, *_rows(days)))
    return {"format": "csv", "content": "".join(f"{line}\n" for line in lines)}


def agents_below_folders(days: Sequence[FolderCalls]) -> Any:
    """Return the agents by folder, one level deeper than rule 4 reads; a folder without agents has an empty id."""
    return {
        day.folder: {agent.agent: {"calls": agent.calls} for agent in day.agents or (_nobody(day),)}
        for day in _latest(days)
    }


def metrics(days: Sequence[FolderCalls]) -> Any:
    """Return reports in which the metrics are below each folder, with total durations in milliseconds."""
    return {
        "reports": [
            {
                "period": {"day": f"{day:%Y-%m-%d}"},
                "queues": [
                    {
                        "title": folder.folder,
                        "metrics": {"handled": {"count": folder.calls}, "talk": {"total_ms": folder.seconds * 1000}},
                    }
                    for folder in folders
                ],
            }
            for day, folders in groupby(days, key=lambda folder: folder.day)
        ]
    }


def directions(days: Sequence[FolderCalls]) -> Any:
    """Return two objects of folder and number: a third of the calls are outbound."""
    latest = _latest(days)
    return {
        "inbound": {day.folder: day.calls - day.calls // 3 for day in latest},
        "outbound": {day.folder: day.calls // 3 for day in latest if day.calls // 3},
    }


def _rows(days: Sequence[FolderCalls]) -> list[tuple[Any, ...]]:
    return [
        (f"{day.day:%Y%m%d}", day.folder, agent.agent or None, agent.calls, agent.seconds)
        for day in days
        for agent in day.agents or (_nobody(day),)
    ]


def _nobody(day: FolderCalls) -> AgentCalls:
    return AgentCalls("", day.calls, day.seconds)


def _latest(days: Sequence[FolderCalls]) -> list[FolderCalls]:
    return [day for day in days if day.day == days[-1].day]
