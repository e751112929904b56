"""What any asyncio program needs: a clock, threads, log lines, files, text for a terminal.

Takes in nothing of V-Spark's. Open `clock` first: every time in the exporter comes from its `Clock`.
"""
