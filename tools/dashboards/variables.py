"""The variables at the top of a dashboard, and the label matchers that use them."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableHide, VariableOption, VariableRefresh, VariableSort

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
JOB_MATCHER: Final = 'job="$job",namespace="$namespace"'
"""Matches the series of the exporters of one V-Spark. Outside Kubernetes, `$namespace` is empty."""
FOLDER_MATCHERS: Final = f'{JOB_MATCHER},company=~"$company",org=~"$org",folder=~"$folder"'
"""Match the series of the selected folders."""
ORG_MATCHERS: Final = f'{JOB_MATCHER},company=~"$company",org=~"$org"'
"""Match the series of the selected orgs that have no label `folder`."""

_ALL: Final = VariableOption(selected=True, text=["All"], value=["$__all"])


def datasource() -> DatasourceVariable:
    """Return the variable that selects the Prometheus data source."""
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def job() -> QueryVariable:
    """Return the variable that selects the scrape job: only one, because two jobs may scrape the same calls."""
    return _label_values("job", "Job", "vspark_exporter_build_info")


def namespace() -> QueryVariable:
    """Return the variable that selects the namespace of Kubernetes: releases in two namespaces have the same job."""
    return _label_values("namespace", "Namespace", 'vspark_exporter_build_info{job="$job"}')


def folders() -> list[QueryVariable]:
    """Return the variables that select companies, their orgs and their folders; initially all of them."""
    calls = "vspark_folder_calls_today"
    return [
        _multi_value("company", "Company", f"{calls}{{{JOB_MATCHER}}}"),
        _multi_value("org", "Org", f'{calls}{{{JOB_MATCHER},company=~"$company"}}'),
        _multi_value("folder", "Folder", f"{calls}{{{ORG_MATCHERS}}}"),
    ]


def poll_figures() -> list[QueryVariable]:
    """Return hidden variables for texts: the numbers of orgs and targets, and the mean seconds between their polls."""
    up, polls = f"vspark_up{{{JOB_MATCHER}}}", f"vspark_polls_total{{{JOB_MATCHER}}}[30m]"
    # Not a rate: that would be too low until half an hour after the start of the exporter.
    per_second = f"avg(deriv({polls}) unless resets({polls}) > 0)"
    return [
        _number("orgs", f"count(count by (company, org) ({up}))"),
        _number("targets", f"count(count by (company, org, folder) ({up}))"),
        _number("seconds", f"round(1 / {per_second})"),
    ]


def _number(name: str, expression: str) -> QueryVariable:
    query = f"query_result({expression})"
    return (
        QueryVariable(name)
        .datasource(DATASOURCE)
        .definition(query)
        .query({"query": query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .regex(r"/\} (\S+) \S+$/")  # the result is: {} VALUE TIME
        .hide(VariableHide.HIDE_VARIABLE)
    )


def _label_values(name: str, label: str, series: str) -> QueryVariable:
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


def _multi_value(name: str, label: str, series: str) -> QueryVariable:
    # Without an explicit value, "All" becomes a list of every folder, and there may be thousands.
    return (
        _label_values(name, label, series).multi(multi=True).include_all(include_all=True).all_value(".*").current(_ALL)
    )
