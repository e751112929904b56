"""Day records as exposition text, compressed once, and the pages that a scrape returns.

Takes in `FolderDay` values; gives finished bytes in text format 0.0.4 and OpenMetrics 1.0. Open `families` first: every
metric of V-Spark's is defined there.
"""
