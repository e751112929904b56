import asyncio
import logging
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import pytest
import structlog
from structlog.testing import LogCapture
from structlog.typing import FilteringBoundLogger

from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.families import AGENT_CALLS, POLL_FAILURES
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format
from exporter.polling.batches import Batches
from exporter.polling.org_day import OrgSeries
from exporter.polling.target_series import TargetSeries
from exporter.polling.target_state import TargetState
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from tests.support.fake_clock import NOON, FakeClock, target_of


class WorkingClock(FakeClock):
    """A clock on which each look at it takes `work_seconds`, as if the work in between did."""

    work_seconds = 0.0

    def monotonic(self) -> float:
        if self.work_seconds:
            self.advance(self.work_seconds)
        return super().monotonic()


class Published(NamedTuple):
    """Running batches, and what they publish."""

    batches: Batches
    store: Store
    clock: WorkingClock
    logged: Sequence[MutableMapping[str, Any]]

    async def commit(self, *folders: str, family: Any = AGENT_CALLS) -> None:
        async with self.batches.draft() as draft:
            for folder in folders:
                draft.put(family, ("C", "O", folder), f"{folder} 1\n")
            draft.commit()

    @property
    def lines(self) -> list[str]:
        page = b"".join(self.store.pages[Format.TEXT].text()[1]).decode()
        return [line for line in page.splitlines() if not line.startswith("#")]


@asynccontextmanager
async def publishing() -> AsyncIterator[Published]:
    capture = LogCapture()
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    store, clock = Store(), WorkingClock(NOON)
    batches = Batches(store, clock, log)
    task = asyncio.create_task(batches.run())
    try:
        yield Published(batches, store, clock, capture.entries)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


def new_state() -> TargetState:
    target = target_of(None)
    rules = AgentRules(enabled=True, max_per_folder=1000, include=".*", exclude="")
    return TargetState(target, TargetSeries(target, Parser(Layouts()), rules, OrgSeries()), None, 0.0)


async def test_a_single_change_is_published_at_once() -> None:
    async with publishing() as published:
        for folder in ("A", "B", "C"):
            await published.commit(folder)
            await settle()
            assert published.lines[-1] == f"{folder} 1"
        assert published.clock.sleepers == []


async def test_the_next_publication_waits_for_twenty_times_as_long_as_the_last_one_has_worked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.exposition.store._FEW_TEXTS", -1)
    async with publishing() as published:
        published.clock.work_seconds = 0.001
        await published.commit("A")
        await settle()
        published.clock.work_seconds = 0.0
        worked_seconds = 0.002  # for the block that was put, and then for the page
        ends_at = published.clock.monotonic() + 40 * worked_seconds
        for folder in ("B", "C"):
            await published.commit(folder)
            await settle()
        ((wakes_at, _),) = published.clock.sleepers
        assert wakes_at == pytest.approx(ends_at, abs=0.002)
        assert published.lines == ["A 1"]
        published.clock.advance(wakes_at - published.clock.monotonic())
        await settle()
        assert published.lines == ["A 1", "B 1", "C 1"]


async def test_a_batch_that_takes_much_memory_does_not_wait() -> None:
    async with publishing() as published:
        published.clock.work_seconds = 0.001
        await published.commit("A")
        await settle()
        for number in range(1, 11):
            async with published.batches.draft() as draft:
                draft.put(AGENT_CALLS, ("C", "O", f"{number}"), "x 1\n" * 110_000)
                draft.commit()
            assert published.store.pending_size < 5_000_000
            assert len(published.lines) == (1 if number < 10 else 1_100_001)


async def test_a_change_that_is_not_of_a_poll_is_published_at_once_with_all_before_it() -> None:
    async with publishing() as published:
        published.clock.work_seconds = 0.001
        await published.commit("A")
        await settle()
        await published.commit("B")
        async with published.batches.at_once() as draft:
            draft.put(AGENT_CALLS, ("C", "O", "A"), "")
        assert published.lines == ["B 1"]


async def test_one_change_that_fails_in_a_batch_leaves_the_others() -> None:
    async with publishing() as published:
        published.clock.work_seconds = 0.001
        await published.commit("A")
        await settle()
        await published.commit("B", "C")
        for context in (published.batches.draft(), published.batches.at_once()):
            with suppress(RuntimeError):
                async with context as draft:
                    draft.put(AGENT_CALLS, ("C", "O", "B"), "half of a poll\n")
                    raise RuntimeError
        async with published.batches.draft() as draft:
            draft.put(AGENT_CALLS, ("C", "O", "A"), "too late\n")  # and not committed
        await published.commit("D")
        assert published.lines == ["A 1"]
        published.clock.work_seconds = 0.0
        published.clock.advance(10)
        await settle()
        assert published.lines == ["A 1", "B 1", "C 1", "D 1"]


@pytest.mark.parametrize("few", [-1, 64])
async def test_a_page_with_half_of_a_batch_is_never_seen(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.exposition.store._FEW_TEXTS", few)
    monkeypatch.setattr("exporter.runtime.steps.Pauses.due", True)  # a pause after each step
    monkeypatch.setattr("exporter.runtime.steps.Pauses._PAUSE_SECONDS", 0)
    async with publishing() as published:
        seen = set()
        for number in range(1, 4):
            async with published.batches.draft() as draft:
                for family in (AGENT_CALLS, POLL_FAILURES):
                    for folder in "ABC":
                        draft.put(family, ("C", "O", folder), f"x {number}\n")
                draft.commit()
            for _ in range(30):
                await asyncio.sleep(0)
                seen.add(tuple(published.lines))
        assert seen - {()} == {(f"x {number}",) * 6 for number in range(1, 4)}


async def test_a_target_counts_as_tried_once_its_first_poll_is_published() -> None:
    async with publishing() as published:
        published.clock.work_seconds = 0.001
        await published.commit("A")
        await settle()
        state = new_state()
        await published.commit("B")
        published.batches.first_poll_ended(state)
        await settle()
        assert (state.tried, published.lines) == (False, ["A 1"])
        published.clock.work_seconds = 0.0
        published.clock.advance(10)
        await settle()
        assert (state.tried, published.lines) == (True, ["A 1", "B 1"])


async def test_what_a_bug_kept_from_being_published_comes_with_the_next_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.exposition.store._FEW_TEXTS", -1)
    async with publishing() as published:
        with monkeypatch.context() as bug:
            bug.setattr("exporter.exposition.store.merged", lambda *_: 1 / 0)
            await published.commit("A")
            await settle()
        assert published.lines == []
        assert [(each["event"], each["log_level"]) for each in published.logged] == [("page_not_published", "error")]
        assert "ZeroDivisionError" in published.logged[0]["traceback"]
        await published.commit("B", family=POLL_FAILURES)
        await settle()
        assert published.lines == []
        published.clock.advance(10)
        await settle()
        assert published.lines == ["A 1", "B 1"]


async def test_a_change_that_a_bug_kept_from_being_published_at_once_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.exposition.store._FEW_TEXTS", -1)
    async with publishing() as published:
        with monkeypatch.context() as bug:
            bug.setattr("exporter.exposition.store.merged", lambda *_: 1 / 0)
            async with published.batches.at_once() as draft:
                draft.put(AGENT_CALLS, ("C", "O", "A"), "A 1\n")
            await settle()
        assert (published.lines, len(published.logged)) == ([], 1)
        published.clock.advance(10)
        await settle()
        assert (published.lines, len(published.logged)) == (["A 1"], 1)


async def test_a_draft_that_ends_with_a_pause_is_not_followed_by_another_publication() -> None:
    async with publishing() as published:
        published.clock.work_seconds = 0.001
        await published.commit("A")
        await settle()
        await published.commit("B")
        await settle()
        assert published.lines == ["A 1"]
        published.clock.advance(10)  # wakes what publishes, which finds out that it need not
        await published.commit("C")
        assert published.lines == ["A 1", "B 1", "C 1"]
        await published.commit("D")
        await settle()
        assert published.lines == ["A 1", "B 1", "C 1"]


async def test_a_target_whose_first_poll_is_published_with_its_end_counts_as_tried_at_once() -> None:
    async with publishing() as published:
        published.clock.work_seconds = 0.001
        state = new_state()
        await published.commit("A")
        published.batches.first_poll_ended(state)
        assert (state.tried, published.lines) == (True, ["A 1"])


async def test_a_machine_that_stood_still_during_a_publication_delays_the_next_one_by_ten_seconds_at_most() -> None:
    async with publishing() as published:
        published.clock.work_seconds = 600.0
        await published.commit("A")
        await settle()
        published.clock.work_seconds = 0.0
        await published.commit("B")
        await settle()
        assert published.lines == ["A 1"]
        published.clock.advance(10)
        await settle()
        assert published.lines == ["A 1", "B 1"]


async def test_a_change_whose_publication_is_broken_off_is_published_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.exposition.store._FEW_TEXTS", -1)
    monkeypatch.setattr("exporter.runtime.steps.Pauses.due", True)  # a pause after each step
    monkeypatch.setattr("exporter.runtime.steps.Pauses._PAUSE_SECONDS", 0)

    async def change() -> None:
        async with published.batches.at_once() as draft:
            draft.put(AGENT_CALLS, ("C", "O", "A"), "A 1\n")

    async with publishing() as published:
        changing = asyncio.create_task(change())
        while not published.store.changed:
            await asyncio.sleep(0)
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)
        assert changing.cancelled()
        await settle()
        assert published.lines == ["A 1"]
