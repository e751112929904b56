import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from exporter.backfill.batches import Limits
from exporter.backfill.days import Span, TargetDays
from exporter.backfill.journal import Journal
from exporter.backfill.pace import Pace
from exporter.backfill.reader import OutageError, Reader, Reading
from exporter.config.targets import Target
from exporter.errors import BodyError, ConnectError, DecodeError, PollError, StatusError
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from tests.support.fake_clock import FakeClock, target_of
from tests.support.past_upstream import Failing, PastUpstream

FIRST = date(2026, 11, 1)
LAST = date(2026, 11, 20)
DAYS = Span(FIRST, LAST)
A, B = target_of("UTC", org="A"), target_of("UTC", org="B")
TIMEOUT = ConnectError("timeout", "slow")
DOWN = ConnectError("connect", "refused")
UNREADABLE = DecodeError("unrecognized", "$", "odd")

journals = ExitStack()
"""The journals of the test that is running."""


@pytest.fixture(autouse=True)
def close_journals() -> Iterator[None]:
    with journals:
        yield


class Backfill:
    """A reader of 20 days of each target, with a clock that moves when everything waits."""

    def __init__(
        self, folder: Path, failing: Failing = lambda *_: None, *targets: Target, concurrency: int = 1
    ) -> None:
        self.clock = FakeClock(datetime(2026, 11, 25, tzinfo=UTC))
        self.upstream = PastUpstream({}, failing)
        self.journal = journals.enter_context(Journal(folder / "journal", {}, 0.0))
        self.advanced = 0
        self.targets = targets or (A,)
        planned = [TargetDays(each, each.zone, DAYS) for each in self.targets if each.zone]
        reading = Reading(Parser(Layouts()), None, concurrency, Limits(1e9, 1e9), self._advance)
        self.reader = Reader(planned, self.upstream, self.journal, reading, self.clock, Pace(self.clock, 0))

    def _advance(self, days: int) -> None:
        self.advanced += days

    async def run(self) -> float:
        """Read; return how many seconds passed."""
        running = asyncio.create_task(self.reader.run())
        begun = self.clock.monotonic()
        while not running.done():
            await asyncio.sleep(0)
            if self.clock.sleepers:
                self.clock.advance(self.clock.sleepers[0][0] - self.clock.monotonic())
        await running
        return self.clock.monotonic() - begun

    def read(self, target: Target = A) -> list[int]:
        return [day.day for day in self.journal.days_read(target, DAYS)]

    def failures(self) -> list[str]:
        return [f"{each.target} {each.days}: {each.reason}" for each in self.reader.failures]


def includes(days: Span, *numbers: int) -> bool:
    return any(day.day in numbers for day in days)


async def test_several_days_at_once(tmp_path: Path) -> None:
    backfill = Backfill(tmp_path)
    assert await backfill.run() == 0
    assert backfill.upstream.requests == [
        "C/A 2026-11-01",
        "C/A 2026-11-02 to 2026-11-03",
        "C/A 2026-11-04 to 2026-11-07",
        "C/A 2026-11-08 to 2026-11-15",
        "C/A 2026-11-16 to 2026-11-20",
    ]
    assert (backfill.read(), backfill.failures(), backfill.advanced) == ([*range(1, 21)], [], 20)


async def test_days_in_the_journal_are_not_requested(tmp_path: Path) -> None:
    backfill = Backfill(tmp_path)
    backfill.journal.add(A, Span(FIRST, date(2026, 11, 17)), [])
    backfill.journal.add(A, Span(date(2026, 11, 19), LAST), [])
    again = Reader(
        [TargetDays(A, A.zone, DAYS)] if A.zone else [],
        backfill.upstream,
        backfill.journal,
        backfill.reader._reading,
        backfill.clock,
        Pace(backfill.clock, 0),
    )
    await again.run()
    assert backfill.upstream.requests == ["C/A 2026-11-18"]


async def test_a_range_that_fails_is_halved(tmp_path: Path) -> None:
    def failing(_: Target, days: Span) -> PollError | None:
        return BodyError("too_large", "large") if len(days) > 4 else None

    backfill = Backfill(tmp_path, failing)
    await backfill.run()
    assert (backfill.read(), backfill.failures()) == ([*range(1, 21)], [])
    assert all(len(request.split()) in (2, 4) for request in backfill.upstream.requests)


async def test_an_unreadable_range_is_read_day_by_day(tmp_path: Path) -> None:
    def failing(_: Target, days: Span) -> PollError | None:
        return UNREADABLE if includes(days, 3, 9, 10) else None

    backfill = Backfill(tmp_path, failing)
    await backfill.run()
    assert backfill.read() == [day for day in range(1, 21) if day not in (3, 9, 10)]
    assert backfill.failures() == ["C/A 2026-11-03: unrecognized", "C/A 2026-11-09 to 2026-11-10: unrecognized"]
    assert backfill.advanced == 20


async def test_a_day_that_fails_at_times(tmp_path: Path) -> None:
    failures = {5: 2}

    def failing(_: Target, days: Span) -> PollError | None:
        if includes(days, 5) and failures[5]:
            failures[5] -= 1
            return TIMEOUT
        return None

    backfill = Backfill(tmp_path, failing)
    await backfill.run()
    assert (backfill.read(), backfill.failures()) == ([*range(1, 21)], [])


async def test_a_day_that_always_fails(tmp_path: Path) -> None:
    def failing(_: Target, days: Span) -> PollError | None:
        return TIMEOUT if includes(days, 5) else None

    backfill = Backfill(tmp_path, failing)
    await backfill.run()
    assert backfill.failures() == ["C/A 2026-11-05: timeout"]
    assert backfill.read() == [day for day in range(1, 21) if day != 5]
    assert backfill.upstream.requests.count("C/A 2026-11-05") == 3


async def test_what_is_the_same_on_every_day_is_requested_once(tmp_path: Path) -> None:
    def failing(target: Target, _: Span) -> PollError | None:
        return StatusError("not_found", "?", status=404) if target is A else None

    backfill = Backfill(tmp_path, failing, A, B)
    await backfill.run()
    assert backfill.failures() == ["C/A 2026-11-01 to 2026-11-20: not_found"]
    assert [each for each in backfill.upstream.requests if each.startswith("C/A")] == ["C/A 2026-11-01"]
    assert backfill.read(B) == [*range(1, 21)]
    assert backfill.advanced == 40


async def test_an_outage(tmp_path: Path) -> None:
    def failing(*_: object) -> PollError | None:
        return DOWN if len(backfill.upstream.requests) > 3 else None

    backfill = Backfill(tmp_path, failing, A, B)
    with pytest.raises(OutageError, match=r"^refused$"):
        await backfill.run()
    assert backfill.read() == [*range(1, 8)]
    assert len(backfill.upstream.requests) == 3 + 5 + 1


async def test_an_outage_from_the_start(tmp_path: Path) -> None:
    backfill = Backfill(tmp_path, lambda *_: DOWN, A, B)
    with pytest.raises(OutageError, match=r"^refused$"):
        await backfill.run()
    assert backfill.read() == []


async def test_a_target_that_never_responds_is_not_an_outage(tmp_path: Path) -> None:
    def failing(target: Target, _: Span) -> PollError | None:
        return TIMEOUT if target is A else None

    backfill = Backfill(tmp_path, failing, A, B)
    seconds = await backfill.run()
    assert backfill.failures() == ["C/A 2026-11-01 to 2026-11-20: timeout"]
    assert backfill.read(B) == [*range(1, 21)]
    assert seconds < 60
    assert len([each for each in backfill.upstream.requests if each.startswith("C/A")]) == 6


async def test_the_last_days_that_fail_are_not_an_outage(tmp_path: Path) -> None:
    def failing(_: Target, days: Span) -> PollError | None:
        return TIMEOUT if includes(days, 18, 19, 20) else None

    backfill = Backfill(tmp_path, failing)
    await backfill.run()
    assert backfill.failures() == ["C/A 2026-11-18 to 2026-11-20: timeout"]


async def test_a_short_interruption_of_many_requests(tmp_path: Path) -> None:
    """It costs no day, although more requests fail than make an outage one after the other."""
    backfill = Backfill(tmp_path, lambda *_: None, A, concurrency=10)
    fetch = backfill.upstream.fetch
    until = backfill.clock.monotonic() + 3

    async def interrupted(target: Target, day: date | None, last_day: date | None = None) -> bytes:
        begun = backfill.clock.monotonic()
        await asyncio.sleep(0.001)
        if begun < until:
            raise DOWN
        return await fetch(target, day, last_day)

    backfill.upstream.fetch = interrupted  # type: ignore[method-assign]
    await backfill.run()
    assert (backfill.read(), backfill.failures()) == ([*range(1, 21)], [])


async def test_retry_after(tmp_path: Path) -> None:
    def failing(*_: object) -> PollError | None:
        busy = StatusError("rate_limited", "busy", status=429, retry_after_seconds=30)
        return busy if len(backfill.upstream.requests) in (2, 3) else None

    backfill = Backfill(tmp_path, failing)
    assert await backfill.run() == 60
    assert (backfill.read(), backfill.failures()) == ([*range(1, 21)], [])


async def test_a_day_that_is_always_to_be_requested_later(tmp_path: Path) -> None:
    """A proxy may respond so if V-Spark takes too long for a day."""

    def failing(_: Target, days: Span) -> PollError | None:
        busy = StatusError("server_error", "busy", status=503, retry_after_seconds=1)
        return busy if includes(days, 5) else None

    backfill = Backfill(tmp_path, failing)
    async with asyncio.timeout(10):
        await backfill.run()
    assert backfill.failures() == ["C/A 2026-11-05: server_error"]
    assert backfill.read() == [day for day in range(1, 21) if day != 5]


async def test_concurrency(tmp_path: Path) -> None:
    backfill = Backfill(tmp_path, lambda *_: None, A, B, concurrency=3)
    fetch, running, most = backfill.upstream.fetch, 0, 0

    async def slow(target: Target, day: date | None, last_day: date | None = None) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return await fetch(target, day, last_day)

    backfill.upstream.fetch = slow  # type: ignore[method-assign]
    await backfill.run()
    assert most == 3
    assert backfill.read(A) == backfill.read(B) == [*range(1, 21)]


async def test_a_cancelled_reader_leaves_no_request(tmp_path: Path) -> None:
    backfill = Backfill(tmp_path)
    cancelled: list[str] = []

    async def hanging(target: Target, *_: object) -> bytes:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(target.name)
            raise
        return b""

    backfill.upstream.fetch = hanging  # type: ignore[method-assign, assignment]
    running = asyncio.create_task(backfill.reader.run())
    await asyncio.sleep(0.001)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert cancelled == ["C/A"]
