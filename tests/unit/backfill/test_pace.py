import asyncio
from datetime import UTC, datetime

import pytest

from exporter.backfill.pace import Pace, asked_to_wait_seconds, is_transient
from exporter.errors import BodyError, ConnectError, PollError, StatusError
from tests.support.fake_clock import FakeClock

TIMEOUT = ConnectError("timeout", "slow")
BUSY = StatusError("rate_limited", "busy", status=429, retry_after_seconds=40)


def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 25, tzinfo=UTC))


async def waited(pace: Pace, time: FakeClock) -> float:
    """Return for how long a request is held back."""
    begun = time.monotonic()
    waiting = asyncio.create_task(pace.wait())
    while not waiting.done():
        await asyncio.sleep(0)
        if time.sleepers:
            time.advance(time.sleepers[0][0] - time.monotonic())
    return time.monotonic() - begun


async def test_no_pause_by_default() -> None:
    time = clock()
    pace = Pace(time, 0)
    assert [await waited(pace, time) for _ in range(3)] == [0, 0, 0]


async def test_a_pause_after_a_request_and_after_a_response() -> None:
    time = clock()
    pace = Pace(time, 2)
    assert [await waited(pace, time) for _ in range(3)] == [0, 2, 2]
    time.advance(1.5)
    pace.succeeded()
    assert await waited(pace, time) == 2
    time.advance(5)
    assert await waited(pace, time) == 0


async def test_retry_after_holds_every_request() -> None:
    time = clock()
    pace = Pace(time, 0)
    pace.failed(BUSY, time.monotonic())
    assert not pace.is_outage
    assert await waited(pace, time) == 40


async def test_longer_pauses_after_each_failure() -> None:
    time = clock()
    pace = Pace(time, 0)
    pauses = []
    for _ in range(5):
        assert not pace.is_outage
        pace.failed(TIMEOUT, time.monotonic())
        pauses.append(await waited(pace, time))
    assert pauses == [1, 2, 4, 5, 5]
    assert pace.is_outage
    pace.succeeded()
    assert not pace.is_outage
    pace.failed(TIMEOUT, time.monotonic())
    assert await waited(pace, time) == 1


def test_many_responses_that_ask_to_wait_are_an_outage_too() -> None:
    time = clock()
    pace = Pace(time, 0)
    for number in range(20):
        assert not pace.is_outage, number
        time.advance(1)
        pace.failed(BUSY, time.monotonic())
    assert pace.is_outage


def test_a_response_of_any_kind_ends_an_outage() -> None:
    time = clock()
    pace = Pace(time, 0)
    for _ in range(5):
        time.advance(1)
        pace.failed(TIMEOUT, time.monotonic())
    pace.failed(StatusError("not_found", "?", status=404), time.monotonic())
    assert not pace.is_outage


def test_requests_that_fail_at_the_same_time_count_once() -> None:
    time = clock()
    pace = Pace(time, 0)
    for number in range(5):
        time.advance(1)
        begun = time.monotonic()
        assert not pace.is_outage, number
        time.advance(10)
        for _ in range(20):
            pace.failed(TIMEOUT, begun)
    assert pace.is_outage


@pytest.mark.parametrize(
    ("error", "transient", "seconds"),
    [
        (TIMEOUT, True, None),
        (BUSY, True, 40),
        (StatusError("server_error", "down", status=503, retry_after_seconds=7), True, 7),
        (StatusError("auth", "no", status=401), False, None),
        (BodyError("too_large", "large"), False, None),
    ],
)
def test_kinds_of_failures(error: PollError, *, transient: bool, seconds: float | None) -> None:
    assert (is_transient(error), asked_to_wait_seconds(error)) == (transient, seconds)
