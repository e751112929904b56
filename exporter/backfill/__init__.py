"""Past days of V-Spark become a file of OpenMetrics samples for a time series database.

Takes in targets, a range of days and a client. Returns the file, and what could not be read. Start with `history`; the
command is in `exporter/cli/backfill.py`.
"""
