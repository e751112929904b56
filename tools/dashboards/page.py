"""A dashboard out of rows of panels, and its JSON."""

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, Panel

_TAG: Final = "vspark"

Rows = Mapping[str, Sequence[Builder[Panel]]]
"""Panels under their row's title."""


def page(
    title: str, uid: str, says: str, variables: Sequence[Builder[dashboard.VariableModel]], rows: Rows, *, since: str
) -> dashboard.Dashboard:
    """Lay out a dashboard that begins `since`, such as `now-24h`, with a link to the other ones of V-Spark."""
    builder = (
        Dashboard(title)
        .uid(uid)
        .description(says)
        .tags([_TAG])
        .time(since, "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables([*variables])
        .annotations([])
        .link(
            DashboardLink("V-Spark")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .as_dropdown(as_dropdown=True)
            .keep_time(keep_time=True)
            .include_vars(include_vars=True)
        )
    )
    for name, panels in rows.items():
        builder = builder.with_row(Row(name))
        for panel in panels:
            builder = builder.with_panel(panel)
    made = builder.build()
    for number, panel_or_row in enumerate(made.panels or (), 1):
        panel_or_row.id_val = number
    return made


def written(made: dashboard.Dashboard) -> str:
    """Give the dashboard as JSON, the same text each time."""
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(made) + "\n"
