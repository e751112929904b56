"""The HTTP server of the exporter.

Takes in connections; returns the finished pages of the `Store`, the status page and the health endpoints. Open `server`
first.
"""
