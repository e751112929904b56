"""What can be chosen at the top of a dashboard, and the label selectors that these choices make."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
JOB: Final = 'job="$job"'
FOLDERS: Final = f'{JOB},company=~"$company",org=~"$org",folder=~"$folder"'
"""Selects the series of the chosen folders."""
ORGS: Final = f'{JOB},company=~"$company",org=~"$org"'
"""Selects the series that orgs have one of."""

_ALL: Final = VariableOption(selected=True, text=["All"], value=["$__all"])


def datasource() -> DatasourceVariable:
    """Choose among the Prometheus data sources."""
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def job() -> QueryVariable:
    """Choose the scrape job; one at a time, because the same calls may be scraped by two."""
    return _labels("job", "Job", "vspark_exporter_build_info")


def folders() -> list[QueryVariable]:
    """Choose companies, of these orgs, of these folders; at first all of them."""
    calls = "vspark_folder_calls_today"
    return [
        _many("company", "Company", f"{calls}{{{JOB}}}"),
        _many("org", "Org", f'{calls}{{{JOB},company=~"$company"}}'),
        _many("folder", "Folder", f"{calls}{{{ORGS}}}"),
    ]


def _labels(name: str, label: str, series: str) -> QueryVariable:
    query = f"label_values({series}, {name})"
    return (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .definition(query)
        .query({"query": query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def _many(name: str, label: str, series: str) -> QueryVariable:
    # ".*" keeps a selector short where there are thousands of folders.
    return _labels(name, label, series).multi(multi=True).include_all(include_all=True).all_value(".*").current(_ALL)
