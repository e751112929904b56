import time

from exporter.runtime.clock import Clock, SystemClock


async def test_the_clock_of_the_machine() -> None:
    clock: Clock = SystemClock()
    before = time.time(), time.monotonic()
    await clock.sleep(0)
    found = clock.time(), clock.monotonic()
    after = time.time(), time.monotonic()
    assert before <= found <= after
    assert before[1] <= found[1] <= after[1]
