"""Waiting for polls, and the CPU time of one."""

import time

from tools.bench.measure import Server


def wait_for_polls(upstream: Server, polls: int, interval_seconds: float) -> None:
    """Wait until the upstream has sent that many more responses, and half an interval for the last one's processing."""
    expected = int(upstream.get("/responses")) + polls
    while int(upstream.get("/responses")) < expected:
        time.sleep(0.02)
    time.sleep(interval_seconds / 2)


def poll_milliseconds(exporter: Server, upstream: Server, mode: str, polls: int, interval_seconds: float) -> float:
    """Return the mean CPU time of a poll while the upstream's responses change by `mode`."""
    upstream.get(f"/mode/{mode}", post=True)
    wait_for_polls(upstream, 1, interval_seconds)
    before = exporter.cpu_seconds()
    wait_for_polls(upstream, polls, interval_seconds)
    return (exporter.cpu_seconds() - before) / polls * 1000
