"""When each target is polled, and what success, failure, midnight and age mean for its series.

Takes in targets and response bodies; publishes their series in the `Store`. Open `poller` first, then `target_series`.
"""
