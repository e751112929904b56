"""What any asyncio program needs: a clock, threads, log lines, files, work in steps, and the internals of aiohttp.

Knows nothing of V-Spark. Open `clock` first: every time in the exporter comes from its `Clock`.
"""
