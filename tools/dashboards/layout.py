"""A dashboard, assembled from rows of panels, and its JSON."""

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, Panel

_TAG: Final = "vspark"

Rows = Mapping[str, Sequence[Builder[Panel]]]
"""The panels of each row, by the row's title."""


def lay_out(
    title: str,
    uid: str,
    description: str,
    variables: Sequence[Builder[dashboard.VariableModel]],
    rows: Rows,
    *,
    since: str,
) -> dashboard.Dashboard:
    """Return a dashboard whose time range starts at `since`, such as `now-24h`.

    It links to the other dashboards with the same tag.
    """
    builder = (
        Dashboard(title)
        .uid(uid)
        .description(description)
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
    built = builder.build()
    for number, panel_or_row in enumerate(built.panels or (), 1):
        panel_or_row.id_val = number
    return built


def to_json(built: dashboard.Dashboard) -> str:
    """Return a dashboard as JSON. The text is the same in every run."""
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(built) + "\n"
