"""What another configuration does to targets that are being polled."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from exporter.config.tokens import LiteralToken, Token
from exporter.errors import TokenError
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.store import Store
from exporter.polling.target_series import TargetSeries
from exporter.simulator import Fault
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from tests.support.fake_clock import NOON, FakeClock, RunningPoller, polling, target_of, watching
from tests.support.raw_servers import CANARY, answer, client_of, serving, until

EAST = "US/Eastern"
A, B = target_of(EAST, "A"), target_of(EAST, "B")
HASHED = AgentRules(enabled=True, max_per_folder=1000, include=".*", exclude="", hash_key=b"a key of 16 bytes")


def names(watched: RunningPoller) -> list[str]:
    return [name for name, _ in watched.upstream.begun]


@contextmanager
def raising(monkeypatch: pytest.MonkeyPatch, method: str) -> Iterator[None]:
    def broken(*_: object) -> Iterator[None]:
        yield
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(TargetSeries, method, broken)
        yield


async def test_targets_that_stay_keep_values_schedule_and_connection() -> None:
    async with watching(A, B, start=NOON) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        page, requests = watched.page(), len(simulator.requests)
        assert await watched.replace(B, A) == "2 targets, 0 new, 0 changed, 0 gone"
        assert watched.page() == page
        assert (len(simulator.requests), watched.poller.ready) == (requests, True)
        await clock.pass_time(120, settled=lambda: not watched.upstream.running)
        begun = [(name, round(at - 1000, 2)) for name, at in watched.upstream.begun]
    async with watching(A, B, start=NOON) as (_, clock, watched):  # the same without a replacement
        await until(lambda: watched.poller.ready)
        await clock.pass_time(120, settled=lambda: not watched.upstream.running)
        assert [(name, round(at - 1000, 2)) for name, at in watched.upstream.begun] == begun


async def test_an_interval_that_became_shorter_is_kept_although_the_poller_sleeps() -> None:
    async with watching(A, start=NOON) as (_, clock, watched):
        await until(lambda: watched.poller.ready)
        await until(lambda: [wake - clock.monotonic() for wake, _ in clock.sleepers] == [5.0])
        await watched.replace(replace(A, interval_seconds=1.0))
        await until(lambda: watched.idle and names(watched) == ["C/O/A"] * 2)
        await clock.pass_time(1, settled=lambda: watched.idle)
        await until(lambda: names(watched) == ["C/O/A"] * 3)


class HangingToken(LiteralToken):
    """A token whose file hangs, until another object reads the same place."""

    def __init__(self, *, hangs: bool) -> None:
        super().__init__(CANARY)
        self._hangs = hangs

    async def current(self, limit_seconds: float) -> Token:
        if self._hangs:
            raise TokenError("an earlier attempt still hangs")
        return await super().current(limit_seconds)


async def test_a_reload_replaces_a_source_of_a_token_that_hangs_by_an_equal_one() -> None:
    hanging, other = (replace(A, token=HangingToken(hangs=each)) for each in (True, False))
    async with watching(hanging, start=NOON) as (_, __, watched):
        await until(lambda: watched.poller.ready)
        assert watched.value('vspark_up{company="C",folder="A",org="O"}') == 0
        assert await watched.replace(other) == "1 targets, 0 new, 0 changed, 0 gone"
        await watched.polled()
        assert watched.value('vspark_up{company="C",folder="A",org="O"}') == 1


async def test_a_new_target_is_polled_at_once() -> None:
    async with watching(A, start=NOON) as (_, __, watched):
        await until(lambda: watched.poller.ready)
        assert await watched.replace(A, B) == "2 targets, 1 new, 0 changed, 0 gone"
        await until(lambda: watched.value('vspark_up{company="C",folder="B",org="O"}') == 1)
        assert names(watched) == ["C/O/A", "C/O/B"]


async def test_a_target_that_goes_loses_every_series_and_is_polled_no_more() -> None:
    other = target_of("Asia/Kolkata", org="P")
    async with watching(A, other, start=NOON) as (simulator, clock, watched):
        simulator.fail("C", "O", "A", fault=Fault.status(404), times=1)
        await until(lambda: watched.poller.ready)
        await watched.polled()
        assert watched.lines('org="O"')
        kept = watched.text('org="P"')
        assert await watched.replace(other) == "1 targets, 0 new, 0 changed, 1 gone"
        assert watched.text() == kept
        before = len(names(watched))
        await clock.pass_time(120, settled=lambda: not watched.upstream.running)
        assert set(names(watched)[before:]) == {"C/P"}


async def test_a_poll_under_way_of_a_target_that_goes_is_broken_off() -> None:
    release = asyncio.Event()

    async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await release.wait()

    async with (
        serving(hang) as server,
        client_of(server.port) as client,
        polling(FakeClock(NOON), client, target_of(None)) as watched,
    ):
        await until(lambda: len(server.requests) == 1)
        assert await watched.replace() == "0 targets, 0 new, 0 changed, 1 gone"
        assert (watched.upstream.running, watched.page(), watched.poller.ready) == ([], "", True)
        release.set()


@pytest.mark.parametrize(
    "changed",
    [replace(A, interval_seconds=10.0), replace(A, token=LiteralToken("wrong")), replace(A, stale_after_seconds=120.0)],
    ids=["interval", "token", "stale-after"],
)
async def test_a_target_that_is_polled_in_another_way_keeps_its_values_and_is_polled_at_once(changed: object) -> None:
    async with watching(A, B, start=NOON) as (simulator, __, watched):
        await until(lambda: watched.poller.ready)
        calls = watched.text("vspark_folder_calls_today")
        assert await watched.replace(changed, B) == "2 targets, 0 new, 1 changed, 0 gone"  # type: ignore[arg-type]
        assert watched.text("vspark_folder_calls_today") == calls
        await until(lambda: watched.value('vspark_polls_total{company="C",folder="A",org="O"}') == 2)
        assert names(watched) == ["C/O/A", "C/O/B", "C/O/A"]
        wrong = simulator.requests[-1].query["token"] == "wrong"
        assert watched.value('vspark_up{company="C",folder="A",org="O"}') == (not wrong)
        assert watched.text("vspark_folder_calls_today") == calls


async def test_another_interval_counts_from_now_on() -> None:
    async with watching(A, start=NOON) as (_, clock, watched):
        await until(lambda: watched.poller.ready)
        await watched.replace(replace(A, interval_seconds=10.0))
        await until(lambda: len(names(watched)) == 2 and not watched.upstream.running)
        await clock.pass_time(60, settled=lambda: not watched.upstream.running)
        assert len(names(watched)) == 2 + 6
        gaps = [at - before for (_, before), (_, at) in pairwise(watched.upstream.begun[2:])]
        assert {round(gap, 6) for gap in gaps} == {10.0}


async def test_another_time_zone_lets_the_values_of_the_old_day_go() -> None:
    async with watching(A, start=NOON) as (simulator, __, watched):
        await until(lambda: watched.poller.ready)
        assert await watched.replace(replace(A, zone=target_of("Asia/Kolkata").zone)) == (
            "1 targets, 1 new, 0 changed, 1 gone"
        )
        await until(lambda: watched.value('vspark_up{company="C",folder="A",org="O"}') == 1)
        assert [request.query["daterange"] for request in simulator.requests] == [
            "20261123-20261123",
            "20261123-20261123",
        ]
        assert watched.text("vspark_day_start") == (
            'vspark_day_start_timestamp_seconds{company="C",org="O"} 1.7953722e+09\n'  # 18:30 UTC of the day before
        )


async def test_folders_in_place_of_the_whole_org_and_back() -> None:
    async with watching(whole := target_of(EAST), start=NOON) as (_, __, watched):
        await until(lambda: watched.poller.ready)
        calls = watched.text("vspark_folder_calls_today")
        assert await watched.replace(A, B) == "2 targets, 2 new, 0 changed, 1 gone"
        await until(lambda: len(watched.lines("vspark_up")) == 2)
        assert watched.text("vspark_folder_calls_today") == calls
        assert watched.value('vspark_up{company="C",folder="",org="O"}') is None
        assert await watched.replace(whole) == "1 targets, 1 new, 0 changed, 2 gone"
        await until(lambda: len(watched.lines("vspark_up")) == 1)
        assert watched.text("vspark_folder_calls_today") == calls
        assert len(watched.lines("vspark_day_start")) == 1


async def test_other_rules_for_agents_count_at_once_for_what_is_published() -> None:
    async with watching(A, start=NOON) as (simulator, __, watched):
        await until(lambda: watched.poller.ready)
        folder = watched.text("vspark_folder_")
        assert watched.value('vspark_agent_calls_today{agent="a1",company="C",folder="A",org="O"}') is not None
        assert await watched.replace(A, rules=HASHED) == "1 targets, 0 new, 0 changed, 0 gone"
        assert (watched.text("vspark_folder_"), len(simulator.requests)) == (folder, 1)
        assert len(watched.lines("vspark_agent_calls_today")) == 2
        assert watched.lines('agent="a') == []


async def test_values_whose_response_is_forgotten_are_removed_when_the_rules_change() -> None:
    async with watching(A, start=NOON) as (_, __, watched):
        await until(lambda: watched.poller.ready)
        watched.poller._states[0].series.read_with(Parser(Layouts()))
        await watched.replace(A, rules=HASHED)
        assert watched.lines("vspark_agent_") == watched.lines("vspark_folder_") == []
        await watched.polled()
        assert len(watched.lines("vspark_agent_calls_today")) == 2


async def test_a_running_poll_is_repeated_with_another_upstream() -> None:
    release = asyncio.Event()

    async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await release.wait()

    async with (
        serving(hang) as slow,
        serving(answer()) as quick,
        client_of(slow.port) as client,
        client_of(quick.port) as other,
        polling(FakeClock(NOON), client, target_of(None)) as watched,
    ):
        await until(lambda: len(slow.requests) == 1)
        assert await watched.replace(target_of(None), upstream=other) == "1 targets, 0 new, 0 changed, 0 gone"
        await until(lambda: watched.poller.ready)
        assert (len(slow.requests), len(quick.requests)) == (1, 1)
        assert watched.value('vspark_polls_total{company="C",folder="",org="O"}') == 1
        release.set()


@pytest.mark.parametrize("method", ["remove", "apply_rules"])
async def test_what_cannot_be_applied_changes_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching(A, B, start=NOON) as (_, __, watched):
        await until(lambda: watched.poller.ready)
        page = watched.page()
        with raising(monkeypatch, method), pytest.raises(RuntimeError):
            await watched.replace(A, rules=HASHED)
        assert watched.page() == page
        await watched.polled()
        assert watched.value('vspark_polls_total{company="C",folder="B",org="O"}') == 2
        assert watched.value('vspark_agent_calls_today{agent="a1",company="C",folder="A",org="O"}') is not None


async def test_a_lasting_failure_is_logged_once_an_hour() -> None:
    async with watching(A, start=NOON) as (simulator, _, watched):
        simulator.fail("C", "O", "A", fault=Fault.status(403))
        await until(lambda: watched.poller.ready)
        for _ in range(125):
            await watched.polled()
        simulator.heal_all()
        await watched.polled()
        logged = [each for each in watched.logged if each["event"].startswith("poll_") and each["log_level"] != "debug"]
        fields = ("event", "reason", "for_seconds", "after_seconds")
        assert [{field: each[field] for field in fields if field in each} for each in logged] == [
            {"event": "poll_failed", "reason": "auth"},
            {"event": "poll_still_failing", "reason": "auth", "for_seconds": 3600.0},
            {"event": "poll_still_failing", "reason": "auth", "for_seconds": 7200.0},
            {"event": "poll_recovered", "reason": "auth", "after_seconds": 7560.0},
        ]


async def test_what_cannot_be_applied_leaves_the_rules_and_the_polls_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise rules that failed midway would apply at the next poll, and agent ids might not be hashed."""
    async with watching(A, B, start=NOON) as (simulator, __, watched):
        simulator.fail("C", "O", "B", fault=Fault.slow(30))
        await until(lambda: watched.upstream.running == ["C/O/B"] and watched.poller._states[0].tried)
        with monkeypatch.context() as patched:
            patched.delattr(Store, "add")
            with pytest.raises(AttributeError):
                await watched.replace(A, rules=HASHED)
        assert watched.upstream.running == []
        simulator.heal_all()
        await until(lambda: watched.poller.ready)  # the cancelled poll begins again, though it is not due
        simulator.override("C", "O", "A", body=b'{"A": {"calls": 1, "agents": {"a3": 1}}}')
        await watched.polled()
        assert len(watched.lines('agent="a3"')) == 1


async def test_a_token_is_not_sent_to_the_next_upstream() -> None:
    """While the change is being made, targets that are due are polled as before."""
    moved = replace(A, token=LiteralToken("of-the-new-one"))
    async with (
        serving(answer()) as old,
        serving(answer()) as new,
        client_of(old.port) as client,
        client_of(new.port) as other,
        polling(clock := FakeClock(NOON), client, A) as watched,
    ):
        await until(lambda: watched.poller.ready)
        async with watched.poller._batches._lock:  # as if a large response were being published
            replacing = asyncio.create_task(watched.replace(moved, upstream=other))
            await asyncio.sleep(0)
            clock.advance(60)
            await until(lambda: len(old.requests) + len(new.requests) == 2)
        await replacing
        await until(lambda: bool(new.requests) and not watched.upstream.running)
        assert all("token=of-the-new-one" in line for line in new.lines)


async def test_a_target_whose_values_other_rules_remove_is_polled_at_once() -> None:
    """With another parser the last response is forgotten, so other rules cannot be applied to it."""
    async with watching(A, start=NOON) as (_, __, watched):
        await until(lambda: watched.poller.ready)
        await watched.poller.replace(
            [A], watched.upstream, parser=Parser(Layouts(calls=["anzahl"])), rules=watched.poller._rules
        )
        await watched.replace(A, rules=HASHED)
        await until(lambda: len(watched.lines("vspark_agent_calls_today")) == 2)
        assert watched.lines('agent="a') == []


async def test_a_curve_goes_by_the_interval_that_is_polled_by() -> None:
    async with watching(A, start=NOON) as (simulator, _, watched):
        simulator.override("C", "O", "A", body=b'{"A": {"calls": 1}}')
        await until(lambda: watched.poller.ready)
        await watched.replace(replace(A, interval_seconds=7200.0))
        await until(lambda: watched.value('vspark_polls_total{company="C",folder="A",org="O"}') == 2)
        simulator.override("C", "O", "A", body=b'{"A": {"calls": 5}}')
        await watched.polled(7200)
        (status,) = watched.poller.status()
        assert status.curve.half_hours(None, watched.upstream.clock.time())[-1] == 4


async def test_a_change_while_it_stops_begins_nothing() -> None:
    async with watching(A, start=NOON) as (_, __, watched):
        await until(lambda: watched.poller.ready)
        watched.task.cancel()
        await asyncio.gather(watched.task, return_exceptions=True)
        assert await watched.replace(A, B) == "2 targets, 1 new, 0 changed, 0 gone"
        assert names(watched) == ["C/O/A"]


@pytest.mark.parametrize(("new_server", "total"), [(True, 6), (False, 8)])
async def test_the_counters_do_not_continue_those_of_another_server(new_server: bool, total: int) -> None:  # noqa: FBT001 # a parameter
    """The new server's numbers may be lower. As the first response is the old one's last, it must be read again."""
    calls = {name: f'vspark_folder_calls_{name}{{company="C",folder="A",org="O"}}' for name in ("today", "total")}
    async with (
        serving(answer(b'{"calls":8}'), answer(b'{"calls":6}')) as old,
        serving(answer(status="401 Unauthorized"), answer(b'{"calls":6}')) as new,
        client_of(old.port) as client,
        client_of(new.port) as other,
        polling(FakeClock(NOON), client, A) as watched,
    ):
        await until(lambda: watched.poller.ready)
        await watched.polled()
        assert [watched.value(series) for series in calls.values()] == [6, 8]
        await watched.replace(A, upstream=other, new_server=new_server)
        await until(lambda: len(new.requests) == new_server and watched.idle)  # a new server is requested at once
        (status,) = watched.poller.status()
        assert (status.curve.midnight is None) == new_server
        assert [watched.value(series) for series in calls.values()] == [6, 8]  # until the new server has responded
        for _ in range(2 - new_server):
            await watched.polled()
        assert watched.value('vspark_up{company="C",folder="A",org="O"}') == 1
        assert [watched.value(series) for series in calls.values()] == [6, total]


async def test_a_reload_just_after_midnight_keeps_the_counters_at_0() -> None:
    async with watching(A, start=NOON.replace(hour=4, minute=59, second=59)) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        simulator.fail("C", "O", "A", fault=Fault.status(503))
        await clock.pass_time(1, settled=lambda: watched.idle)
        total = 'vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0\n'
        await until(lambda: watched.text("vspark_folder") == total)
        await watched.replace(replace(A, stale_after_seconds=600.0), rules=HASHED, new_server=True)
        assert watched.text("vspark_folder") == total
        await clock.pass_time(600, settled=lambda: watched.idle)
        assert watched.text("vspark_folder") == total
        await clock.pass_time(1, settled=lambda: watched.idle)
        await until(lambda: watched.text("vspark_folder") == "")
        await watched.replace(B)
        assert watched.lines('folder="A"') == []


async def test_a_target_that_goes_while_its_midnight_waits_leaves_nothing_behind() -> None:
    wanted = replace(A, previous_day_seconds=3600.0)
    async with watching(wanted, B, start=datetime(2026, 11, 24, 4, 59, tzinfo=UTC)) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        async with watched.poller.draft():
            replacing = asyncio.create_task(watched.replace(B))
            await until(watched.poller._batches._lock.locked)
            await asyncio.sleep(0.01)  # it waits for this draft
            clock.advance(61)
            await asyncio.sleep(0.01)  # and midnight waits for it
        assert await replacing == "1 targets, 0 new, 0 changed, 1 gone"
        before = len(simulator.requests)
        await until(lambda: watched.value('vspark_polls_total{company="C",folder="B",org="O"}') == 2 and watched.idle)
        clock.advance(1)
        await until(lambda: bool(clock.sleepers) and watched.idle)
        assert watched.lines('folder="A"') == []
        assert [request.path for request in [*simulator.requests][before:] if request.path.endswith("/A")] == []


async def test_a_target_that_stays_after_all_does_not_miss_its_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching(A, B, start=datetime(2026, 11, 24, 4, 57, tzinfo=UTC)) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready and watched.idle and bool(clock.sleepers))
        simulator.fail("C", "O", "A", fault=Fault.slow())
        clock.advance(61)
        await until(lambda: watched.upstream.running == ["C/O/A"] and bool(clock.sleepers))
        with raising(monkeypatch, "remove"):
            async with watched.poller.draft():
                clock.advance(120)
                await asyncio.sleep(0.01)  # midnight waits for this draft
                replacing = asyncio.create_task(watched.replace(B))
                await asyncio.sleep(0)  # it breaks off the poll of A
            assert isinstance((await asyncio.gather(replacing, return_exceptions=True))[0], RuntimeError)
        simulator.heal_all()
        await until(lambda: bool(clock.sleepers))
        clock.advance(5)
        await until(lambda: watched.value('vspark_polls_total{company="C",folder="A",org="O"}') == 2)
        assert [*simulator.requests][-1].query["daterange"][:8] == "20261124"
        assert watched.value('vspark_up{company="C",folder="A",org="O"}') == 1


async def test_a_bug_of_a_target_that_goes_is_not_counted_once_it_is_gone() -> None:
    async with watching(A, B, start=NOON) as (_, __, watched):
        await until(lambda: watched.poller.ready)
        state = watched.poller._states[0]

        async def meet_a_bug() -> None:
            async with watched.poller._runner.boundary(state):
                raise RuntimeError

        async with watched.poller.draft():
            replacing = asyncio.create_task(watched.replace(B))
            await asyncio.sleep(0.01)  # it waits for this draft
            recording = asyncio.create_task(meet_a_bug())
            await asyncio.sleep(0.01)  # and the record of the bug waits for it
        await asyncio.gather(replacing, recording)
        await until(lambda: watched.idle)
        assert watched.lines('folder="A"') == []
