"""Exposition text, compressed when it changes, and the pages that a scrape returns.

Takes in `FolderDay` values and returns finished bytes in text format 0.0.4 and OpenMetrics 1.0. Open `families` first:
it defines every metric of V-Spark's data.
"""
