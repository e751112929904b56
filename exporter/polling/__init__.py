"""When each target is polled, and how success, failure, midnight and age change its series.

Takes in targets and response bodies. Publishes series in the `Store`, and snapshots for the status page. Open `poller`
first, then `target_series`.
"""
