"""The kinds of panels and queries that the dashboards use."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, histogram, stat, table, text, timeseries
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery as AnyQuery
from grafana_foundation_sdk.models.common import (
    BarAlignment,
    BarGaugeDisplayMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    GraphGradientMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode
from grafana_foundation_sdk.models.units import LocaleFormat

from tools.dashboards.variables import DATASOURCE


class _Panel(Protocol):
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def targets(self, targets: list[Builder[AnyQuery]]) -> Self: ...
    def unit(self, unit: str) -> Self: ...


P = TypeVar("P", bound=_Panel)

_LABEL_TITLES: Final = {"pythonversion": "Python version", "total_shards": "Total shards"}
"""Column titles that are not just the label's name."""


def range_query(expression: str, legend: str) -> Dataquery:
    """Return a query for series over the dashboard's time range; `legend` refers to labels as `{{label}}`."""
    return Dataquery().expr(expression).legend_format(legend).range()


def instant_query(expression: str, legend: str = "") -> Dataquery:
    """Return a query for values at the end of the dashboard's time range."""
    return Dataquery().expr(expression).legend_format(legend).instant()


def table_query(expression: str) -> Dataquery:
    """Return a query for values at the end of the dashboard's time range, as rows with a column for each label."""
    return instant_query(expression).format(PromQueryFormat.TABLE)


def stat_panel(title: str, description: str, *queries: Dataquery, unit: str) -> stat.Panel:
    """Return a panel that shows the value of each query as a large number."""
    return (
        _configured(stat.Panel(), title, description, queries, unit)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(BigValueGraphMode.NONE)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("blue"))
    )


def line_panel(title: str, description: str, *queries: Dataquery, unit: str) -> timeseries.Panel:
    """Return a panel with lines over time, and their last and maximum values in the legend."""
    return (
        _configured(timeseries.Panel(), title, description, queries, unit)
        .min(0)
        .line_width(2)
        .fill_opacity(8)
        .gradient_mode(GraphGradientMode.OPACITY)
        .show_points(VisibilityMode.NEVER)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull", "max"])
        )
    )


def stacked_panel(title: str, description: str, *queries: Dataquery, unit: str) -> timeseries.Panel:
    """Return a panel with stacked areas over time: parts of a total."""
    return (
        line_panel(title, description, *queries, unit=unit)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .fill_opacity(30)
    )


def day_panel(title: str, description: str, *queries: Dataquery, since: str, unit: str) -> timeseries.Panel:
    """Return a panel with a bar for each day since `since`, such as `3w`, whatever the dashboard's time range."""
    return (
        line_panel(title, description, *queries, unit=unit)
        .draw_style(GraphDrawStyle.BARS)
        .bar_alignment(BarAlignment.CENTER)
        .bar_width_factor(0.8)
        .line_width(1)
        .fill_opacity(60)
        .gradient_mode(GraphGradientMode.NONE)
        .interval("1d")
        .time_from(since)
    )


def polls_panel() -> text.Panel:
    """Return a panel that says what is polled and how often; needs `variables.poll_figures`."""
    return (
        text.Panel()
        .title("What is polled")
        .description("Targets and their polls, from the exporter's own metrics of the last half hour.")
        .mode(TextMode.MARKDOWN)
        .content(
            "**Targets:** $targets, in $orgs orgs. **Polls:** each about every $seconds s. A target is a folder, "
            "or a whole org in one request. Values are as old as the target's last successful poll."
        )
        .span(24)
        .height(3)
    )


def bar_panel(title: str, description: str, query: Dataquery, *, unit: str) -> bargauge.Panel:
    """Return a panel with a horizontal bar for each value, in the order of the query's result."""
    return (
        _configured(bargauge.Panel(), title, description, [query], unit)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.GRADIENT)
        .min(0)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.CONTINUOUS_BL_PU))
    )


def histogram_panel(title: str, description: str, query: Dataquery, *, unit: str) -> histogram.Panel:
    """Return a panel that counts the query's values by range."""
    return (
        _configured(histogram.Panel(), title, description, [query], unit)
        .bucket_count(20)
        .fill_opacity(60)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("blue"))
        .legend(common.VizLegendOptions().show_legend(show_legend=False))
    )


def table_panel(
    title: str, description: str, columns: Mapping[str, Dataquery], labels: Sequence[str], units: Mapping[str, str]
) -> table.Panel:
    """Return a table with a row for each combination of `labels` and a column for each query.

    The queries come from `table_query`. `units` holds the units of columns that are not plain numbers. The rows are
    sorted by the first query's column, in descending order.
    """
    names = {f"Value #{ref}": column for ref, column in zip(_ref_ids(len(columns)), columns, strict=True)}
    # If only one query returns a result, Grafana names its column "Value".
    names["Value"] = next(iter(columns))
    columns_in_order = [*labels, *names]
    panel = (
        _configured(table.Panel(), title, description, list(columns.values()), LocaleFormat)
        .with_transformation(DataTransformerConfig("merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                "filterFieldsByName",
                options={"include": {"names": columns_in_order}},
            )
        )
        .with_transformation(
            DataTransformerConfig(
                "organize",
                options={
                    "indexByName": {name: index for index, name in enumerate(columns_in_order)},
                    "renameByName": {
                        **{label: _LABEL_TITLES.get(label, label.capitalize()) for label in labels},
                        **names,
                    },
                },
            )
        )
        .sort_by([common.TableSortByFieldState().display_name(next(iter(columns))).desc(desc=True)])
    )
    for column, unit in units.items():
        panel = panel.override_by_name(column, [DynamicConfigValue("unit", unit)])
    return panel


def thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Return thresholds, each a lower bound and a color; the bound of the first is None."""
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=bound, color=color) for bound, color in steps])
    )


def threshold_override(*steps: tuple[float | None, str]) -> DynamicConfigValue:
    """Return the property of an override that sets these thresholds."""
    return DynamicConfigValue("thresholds", thresholds(*steps).build())


def color_override(color: str) -> DynamicConfigValue:
    """Return the property of an override that sets a fixed color."""
    return DynamicConfigValue("color", dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color(color).build())


def beside(alignment: BarAlignment) -> DynamicConfigValue:
    """Return the property of an override that draws bars before or after their point in time."""
    return DynamicConfigValue("custom.barAlignment", alignment)


def dashed() -> DynamicConfigValue:
    """Return the property of an override that draws a dashed line."""
    return DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]})


def color_by_thresholds() -> dashboard.FieldColor:
    """Return the color scheme that follows the thresholds."""
    return dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS)


def _configured(panel: P, title: str, description: str, queries: Sequence[Dataquery], unit: str) -> P:
    with_ids = [
        query.datasource(DATASOURCE).ref_id(ref) for ref, query in zip(_ref_ids(len(queries)), queries, strict=True)
    ]
    return panel.title(title).description(description).datasource(DATASOURCE).targets([*with_ids]).unit(unit)


def _ref_ids(count: int) -> str:
    return "ABCDEFGHIJ"[:count]
