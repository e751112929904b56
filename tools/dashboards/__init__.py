"""The Grafana dashboards as code. `python -m tools.dashboards` writes the JSON that the chart ships.

`calls` and `exporter` define the two dashboards from the panels of `panels`, the variables of `variables` and the frame
of `layout`. Read `calls` first.
"""
