"""The status page and its JSON.

Takes in snapshots of the targets; gives HTML and JSON text. Knows no token and no URL of V-Spark's. Open `overview`
first.
"""
