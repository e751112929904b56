"""The status page and its JSON.

Takes in snapshots of the targets and returns HTML and JSON text. Knows no token and no URL of V-Spark. Open `overview`
first.
"""
