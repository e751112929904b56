import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from exporter.cli.day_replay import ReplayClock, half_hours


def test_the_end_of_each_half_hour() -> None:
    assert list(half_hours(7200.0, 11_000.0)) == [8999.0, 9000.0, 10_799.0, 10_800.0, 11_000.0]
    assert list(half_hours(7200.0, 9000.0)) == [9000.0]
    assert list(half_hours(7200.0, 7200.0)) == [7200.0]


def test_the_clock_is_the_machines_but_for_a_replay() -> None:
    clock = ReplayClock()
    assert time.time() <= clock.time() <= time.time()
    assert time.monotonic() <= clock.monotonic() <= time.monotonic()
    clock.move(86_400.0)
    assert (clock.time(), clock.utc()) == (86_400.0, datetime(1970, 1, 2, tzinfo=UTC))
    first = clock.monotonic()
    clock.move(88_200.0)
    assert (clock.time(), clock.monotonic() - first) == (88_200.0, 1800.0)
    clock.release()
    assert time.time() <= clock.time() <= time.time()
    assert time.monotonic() <= clock.monotonic() <= time.monotonic()


async def test_sleepers_wake_when_the_replay_has_reached_their_time() -> None:
    clock = ReplayClock()
    clock.move(1000.0)
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async def turns() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    sleepers = [asyncio.create_task(sleep(seconds), name=f"{seconds}") for seconds in (5.0, 10.0, 60.0, 0.0)]
    moves: list[tuple[Callable[[], None], list[float], set[str]]] = [
        (lambda: None, [0.0], {"5.0", "10.0", "60.0"}),
        (lambda: clock.move(1005.0), [0.0, 5.0], {"10.0", "60.0"}),
        (lambda: clock.move(1011.0), [0.0, 5.0, 10.0], {"60.0"}),
        (clock.release, [0.0, 5.0, 10.0, 60.0], set()),
    ]
    for move, expected, sleeping in moves:
        move()
        await turns()
        assert (woken, clock.sleeping) == (expected, sleeping)
    await asyncio.gather(*sleepers)
