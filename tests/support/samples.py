"""Samples of a page, for tests that compare a target's whole text, and the samples of its failures."""

from collections.abc import Mapping
from typing import Final

from exporter.errors import REASONS

_COMPARED: Final = frozenset(
    f"vspark_{name}"
    for name in (
        "folder_calls_today",
        "folder_calls_total",
        "folder_calls_created",
        "folder_call_duration_average_seconds",
        "folder_call_seconds_today",
        "folder_agents_today",
        "folder_agents_folded",
        "agent_calls_today",
        "agent_call_duration_average_seconds",
        "day_start_timestamp_seconds",
        "up",
        "last_poll_timestamp_seconds",
        "last_success_timestamp_seconds",
        "last_poll_duration_seconds",
        "polls_total",
        "polls_skipped_total",
        "poll_failures_total",
    )
)


def compared_samples(page: str) -> list[str]:
    """Return the samples of the families that these tests are about. So a new family changes none of their texts."""
    return [line for line in page.splitlines() if line.partition("{")[0] in _COMPARED]


def failure_samples(failures: Mapping[str, int], *, org: str = "O", folder: str = "") -> list[str]:
    """Return the samples of a target's failures by reason, in their order on the page; other reasons have 0."""
    labels = f'company="C",folder="{folder}",org="{org}"'
    return [
        f'vspark_poll_failures_total{{{labels},reason="{reason}"}} {failures.get(reason, 0)}.0'
        for reason in sorted(REASONS)
    ]
