"""Panels as these dashboards have them: a title, what it says, and its queries."""

from collections.abc import Mapping, Sequence
from typing import Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, histogram, stat, table, timeseries
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery as AnyQuery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueGraphMode,
    DataSourceRef,
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
from grafana_foundation_sdk.models.units import LocaleFormat

from tools.dashboards.variables import DATASOURCE


class _Panel(Protocol):
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def targets(self, targets: list[Builder[AnyQuery]]) -> Self: ...
    def unit(self, unit: str) -> Self: ...


P = TypeVar("P", bound=_Panel)


def over_time(expression: str, legend: str) -> Dataquery:
    """Ask for a line over the dashboard's time; `legend` names labels as `{{label}}`."""
    return Dataquery().expr(expression).legend_format(legend).range()


def now(expression: str, legend: str = "") -> Dataquery:
    """Ask for values at the end of the dashboard's time."""
    return Dataquery().expr(expression).legend_format(legend).instant()


def rows(expression: str) -> Dataquery:
    """Ask for values at the end of the dashboard's time, as rows with a column for each label."""
    return now(expression).format(PromQueryFormat.TABLE)


def number(title: str, says: str, *queries: Dataquery, unit: str) -> stat.Panel:
    """Show each query's value as a large number."""
    return (
        _filled(stat.Panel(), title, says, queries, unit)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(BigValueGraphMode.NONE)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("blue"))
    )


def lines(title: str, says: str, *queries: Dataquery, unit: str) -> timeseries.Panel:
    """Show lines over time, and in the legend their last value and their maximum."""
    return (
        _filled(timeseries.Panel(), title, says, queries, unit)
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


def stacked(title: str, says: str, *queries: Dataquery, unit: str) -> timeseries.Panel:
    """Show areas over time, each upon the one before: parts of a whole."""
    return (
        lines(title, says, *queries, unit=unit)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .fill_opacity(30)
    )


def bars(title: str, says: str, query: Dataquery, *, unit: str) -> bargauge.Panel:
    """Show a bar for each value, in the order in which they come."""
    return (
        _filled(bargauge.Panel(), title, says, [query], unit)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.GRADIENT)
        .min(0)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.CONTINUOUS_BL_PU))
    )


def distribution(title: str, says: str, query: Dataquery, *, unit: str) -> histogram.Panel:
    """Show how many of the query's values lie in each range."""
    return (
        _filled(histogram.Panel(), title, says, [query], unit)
        .bucket_count(20)
        .fill_opacity(60)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("blue"))
        .legend(common.VizLegendOptions().show_legend(show_legend=False))
    )


def grid(
    title: str, says: str, columns: Mapping[str, Dataquery], labels: Sequence[str], units: Mapping[str, str]
) -> table.Panel:
    """Show a row for each combination of `labels` and a column for each of the queries, which ask for rows.

    `units` are those of the columns that are no plain numbers. The first column decides the order.
    """
    names = {f"Value #{ref}": column for ref, column in zip(_refs(len(columns)), columns, strict=True)}
    # Grafana calls the column "Value" where only one query has an answer.
    names["Value"] = next(iter(columns))
    order = [*labels, *names]
    panel = (
        _filled(table.Panel(), title, says, list(columns.values()), LocaleFormat)
        .with_transformation(DataTransformerConfig("merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                "filterFieldsByName",
                options={"include": {"names": order}},
            )
        )
        .with_transformation(
            DataTransformerConfig(
                "organize",
                options={
                    "indexByName": {name: index for index, name in enumerate(order)},
                    "renameByName": {**{label: label.capitalize() for label in labels}, **names},
                },
            )
        )
        .sort_by([common.TableSortByFieldState().display_name(next(iter(columns))).desc(desc=True)])
    )
    for column, unit in units.items():
        panel = panel.override_by_name(column, [DynamicConfigValue("unit", unit)])
    return panel


def thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Colour values from each bound on; the first has none."""
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=bound, color=colour) for bound, colour in steps])
    )


def threshold_override(*steps: tuple[float | None, str]) -> DynamicConfigValue:
    """Give the same for the fields of an override."""
    return DynamicConfigValue("thresholds", thresholds(*steps).build())


def colour_override(colour: str) -> DynamicConfigValue:
    """Give the fields of an override this colour."""
    return DynamicConfigValue("color", dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color(colour).build())


def by_thresholds() -> dashboard.FieldColor:
    """Take the colour from the thresholds."""
    return dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS)


def _filled(panel: P, title: str, says: str, queries: Sequence[Dataquery], unit: str) -> P:
    named = [query.datasource(DATASOURCE).ref_id(ref) for ref, query in zip(_refs(len(queries)), queries, strict=True)]
    return panel.title(title).description(says).datasource(DATASOURCE).targets([*named]).unit(unit)


def _refs(count: int) -> str:
    return "ABCDEFGHIJ"[:count]
