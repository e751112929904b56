import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from exporter.config.targets import Target
from exporter.config.tokens import FileToken
from exporter.errors import INTERNAL, REASONS
from exporter.exposition.families import PollFigures
from exporter.exposition.store import Draft
from exporter.exposition.text_format import Format
from exporter.polling.poll import Upstream
from exporter.polling.schedule import offset_seconds
from exporter.polling.target_series import TargetSeries
from exporter.runtime.steps import Steps
from exporter.simulator import Fault, Simulator
from exporter.vspark.mapped_bodies import MappedBodies
from exporter.vspark.mapping import JqMapper
from tests.support.fake_clock import NOON, FakeClock, RunningPoller, polling, site_of, target_of, watching
from tests.support.raw_servers import CANARY, CANARY_IN_URL, Conversation, answer, client_of, serving, until
from tests.support.samples import failure_samples


def held(release: asyncio.Event, body: bytes = b"[]") -> Conversation:
    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(answer(body))

    return reply


# When


async def test_the_first_polls_are_made_at_once_within_the_concurrency() -> None:
    together = asyncio.Barrier(3)
    running, most = 0, 0

    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await together.wait()
        running -= 1
        writer.write(answer())

    clock = FakeClock(NOON)
    targets = [target_of(None, f"F{number}") for number in range(9)]
    async with (
        serving(reply) as server,
        client_of(server.port, concurrency=3) as client,
        polling(clock, client, *targets) as watched,
    ):
        await until(lambda: watched.poller.ready)
        assert watched.upstream.begun == [(target.name, 1000.0) for target in targets]
        assert (most, len(server.requests)) == (3, 9)


async def test_every_target_keeps_its_own_interval_spread_by_its_hash() -> None:
    targets = [target_of(None, f"Test0{number}") for number in range(5)]
    targets += [target_of(None, org=f"O{number}", interval_seconds=30.0) for number in range(3)]
    clock = FakeClock(NOON)
    async with (
        serving(answer()) as server,
        client_of(server.port) as client,
        polling(clock, client, *targets) as watched,
    ):
        await until(lambda: watched.poller.ready)
        await clock.pass_time(120, settled=lambda: not watched.upstream.running)
        begun = {
            target.name: [round(at - 1000, 2) for name, at in watched.upstream.begun if name == target.name]
            for target in targets
        }
        assert begun == {
            "C/O/Test00": [0.0, 23.98, 83.98],
            "C/O/Test01": [0.0, 15.84, 75.84],
            "C/O/Test02": [0.0, 7.69, 67.69],
            "C/O/Test03": [0.0, 59.55, 119.55],
            "C/O/Test04": [0.0, 56.56, 116.56],
            "C/O0": [0.0, 11.38, 41.38, 71.38, 101.38],
            "C/O1": [0.0, 22.98, 52.98, 82.98, 112.98],
            "C/O2": [0.0, 4.59, 34.59, 64.59, 94.59],
        }
        assert watched.lines("vspark_polls_skipped_total") == [
            f'vspark_polls_skipped_total{{company="C",folder="{target.folder or ""}",org="{target.org}"}} 0.0'
            for target in targets
        ]


@pytest.mark.parametrize("name", ["Test{:02}", "{}", "Folder {:04}", "{:03} of a long name"])
def test_names_that_are_nearly_the_same_make_no_burst(name: str) -> None:
    offsets = [offset_seconds(target_of(None, name.format(number))) for number in range(120)]
    assert all(0 <= offset < 60 for offset in offsets)
    assert max(Counter(map(int, offsets)).values()) <= 8  # in a second, where 2 are the mean


async def test_polls_of_a_target_never_overlap_and_missed_ticks_are_counted() -> None:
    release = asyncio.Event()
    skipped = 'vspark_polls_skipped_total{company="C",folder="",org="O"}'
    polls = 'vspark_polls_total{company="C",folder="",org="O"}'
    clock = FakeClock(NOON)
    async with (
        serving(answer(), held(release), answer()) as server,
        client_of(server.port) as client,
        polling(clock, client, target_of(None, interval_seconds=10.0)) as watched,
    ):
        await until(lambda: watched.poller.ready)
        await clock.pass_time(10)
        await until(lambda: len(server.requests) == 2)
        await clock.pass_time(20)
        clock.advance(20)  # in one step, as if the event loop had been blocked
        await until(lambda: len(clock.sleepers) == 1)
        assert (watched.value(polls), watched.value(skipped), len(server.requests)) == (1, 0, 2)
        release.set()
        await until(lambda: watched.value(polls) == 2)
        assert watched.value(skipped) == 4
        await watched.polled(10)
        assert (watched.value(polls), watched.value(skipped), len(server.requests)) == (3, 4, 3)


async def test_a_poll_that_was_not_due_takes_the_place_of_one_that_is() -> None:
    release = asyncio.Event()
    clock = FakeClock(NOON)
    async with (
        serving(held(release), answer()) as server,
        client_of(server.port) as client,
        polling(clock, client, target_of(None, interval_seconds=10.0)) as watched,
    ):
        await until(lambda: len(server.requests) == 1)
        await clock.pass_time(10)  # one poll is due, whose place the first one takes
        await clock.pass_time(20)  # two are skipped
        release.set()
        await until(lambda: watched.poller.ready)
        assert watched.value('vspark_polls_skipped_total{company="C",folder="",org="O"}') == 2
        await watched.polled(10)
        assert len(server.requests) == 2


async def test_ready_once_every_target_has_been_tried_and_then_for_ever() -> None:
    release = asyncio.Event()
    targets = [target_of(None, "A"), target_of(None, "B"), target_of(None, "C")]
    async with (
        serving(answer(), answer(status="401 Unauthorized"), held(release), answer(status="500 Oh")) as server,
        client_of(server.port, concurrency=3) as client,
        polling(FakeClock(NOON), client, *targets) as watched,
    ):
        assert not watched.poller.ready
        await until(lambda: len(watched.lines("vspark_up")) == 2)
        assert not watched.poller.ready
        release.set()
        await until(lambda: watched.poller.ready)
        assert sorted(line[-3:] for line in watched.lines("vspark_up")) == ["0.0", "1.0", "1.0"]
        await watched.polled()
        assert [line[-3:] for line in watched.lines("vspark_up")] == ["0.0", "0.0", "0.0"]
        assert watched.poller.ready


async def test_cancelling_ends_the_requests_in_flight() -> None:
    async with watching(target_of(None, "A"), target_of("US/Eastern", "B")) as (simulator, _, watched):
        simulator.fail("C", "O", "A", fault=Fault.slow())
        simulator.fail("C", "O", "B", fault=Fault.slow())
        await until(lambda: len(simulator.requests) == 2)
        assert watched.upstream.running == ["C/O/A", "C/O/B"]
        watched.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watched.task
        assert watched.upstream.running == []
        assert not {"C/O/A", "C/O/B"} & {task.get_name() for task in asyncio.all_tasks()}
        assert (watched.text(), watched.events()) == ("", [])


async def test_a_clock_that_is_a_day_ahead_for_a_moment() -> None:
    release, body = asyncio.Event(), b'{"calls":3}'
    calls = 'vspark_folder_calls_today{company="C",folder="A",org="O"}'
    clock = FakeClock(NOON)
    async with (
        serving(held(release, body), answer(body)) as server,
        client_of(server.port) as client,
        polling(clock, client, target_of("US/Eastern", "A")) as watched,
    ):
        await until(lambda: len(server.requests) == 1)
        clock.set(NOON.timestamp() + 86400)  # the poller sleeps and does not notice, but the response arrives
        release.set()
        await until(lambda: watched.idle)
        assert (watched.events(), watched.text()) == ([("answer_too_late", "C/O/A", "")], "")
        assert not watched.poller.ready
        clock.set(NOON.timestamp())
        clock.advance(60)
        await until(lambda: watched.poller.ready)
        assert watched.value(calls) == 3


# What goes wrong


class Routes(dict[str, Upstream]):
    """A separate upstream for each folder."""

    async def fetch(self, target: Target, day: date | None, *, spare: bool = False) -> bytes:
        return await self[target.folder or ""].fetch(target, day, spare=spare)


class Buggy:
    async def fetch(self, target: Target, day: date | None, *, spare: bool = False) -> bytes:  # noqa: ARG002
        raise RuntimeError(f"{target.name} {day} {CANARY} ?token={CANARY_IN_URL}")


FAULTS: Mapping[str, Fault] = {
    "timeout": Fault.slow(),
    "disconnected": Fault.reset(),
    "auth": Fault.status(400),
    "not_found": Fault.status(404),
    "rate_limited": Fault.status(429),
    "redirect": Fault.redirect(),
    "client_error": Fault.status(418),
    "server_error": Fault.status(503),
    "too_large": Fault.oversized(20_000),
    "bad_encoding": Fault.bad_gzip(),
    "not_json": Fault.html(),
    "unrecognized": Fault.error_json(),
}
URLS: Mapping[str, str] = {
    "dns": "http://vspark.invalid:3000",
    "connect": "http://127.0.0.1:1",
    "tls": "https://127.0.0.1:{port}",
}


@pytest.mark.parametrize("reason", REASONS)
async def test_a_target_that_fails_and_its_neighbour_that_does_not(reason: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(CANARY)
    good, bad = target_of("US/Eastern", "A"), replace(target_of("US/Eastern", "B"), token=FileToken(token))
    bad.token.read()  # as when a configuration is loaded
    url, timeout_seconds = URLS.get(reason, "http://127.0.0.1:{port}"), 0.2 if reason == "timeout" else 5.0
    bodies = MappedBodies(JqMapper("empty", workers=1, max_result_bytes=0)) if reason == "mapping" else None
    clock = FakeClock(NOON)
    async with (
        Simulator(site_of(good, bad), clock=clock.utc) as simulator,
        client_of(simulator.url) as client,
        client_of(
            url.format(port=simulator.port), timeout_seconds=timeout_seconds, limit_bytes=10_000, bodies=bodies
        ) as failing,
        polling(clock, Routes(A=client, B=Buggy() if reason == INTERNAL else failing), good, bad) as watched,
    ):
        if reason == "no_token":
            token.unlink()
        if reason in FAULTS:
            simulator.fail("C", "O", "B", fault=FAULTS[reason])
        await until(lambda: watched.poller.ready)
        await watched.polled()
        assert watched.lines('folder="B"') == [
            'vspark_up{company="C",folder="B",org="O"} 0.0',
            'vspark_last_poll_timestamp_seconds{company="C",folder="B",org="O"} 1.79545326e+09',
            'vspark_last_poll_duration_seconds{company="C",folder="B",org="O"} 0.0',
            'vspark_polls_total{company="C",folder="B",org="O"} 2.0',
            'vspark_polls_skipped_total{company="C",folder="B",org="O"} 0.0',
            *failure_samples({reason: 2}, folder="B"),
        ]
        assert watched.lines('folder="A"')[-6 - len(REASONS) :] == [
            'vspark_up{company="C",folder="A",org="O"} 1.0',
            'vspark_last_poll_timestamp_seconds{company="C",folder="A",org="O"} 1.79545326e+09',
            'vspark_last_success_timestamp_seconds{company="C",folder="A",org="O"} 1.79545326e+09',
            'vspark_last_poll_duration_seconds{company="C",folder="A",org="O"} 0.0',
            'vspark_polls_total{company="C",folder="A",org="O"} 2.0',
            'vspark_polls_skipped_total{company="C",folder="A",org="O"} 0.0',
            *failure_samples({}, folder="A"),
        ]
        assert watched.events() == [("poll_failed", "C/O/B", reason)]
        watched.assert_secret()


async def test_a_bug_is_logged_with_its_traceback_and_without_the_token() -> None:
    async with polling(FakeClock(NOON), Buggy(), target_of("US/Eastern", "A")) as watched:
        await until(lambda: watched.poller.ready)
        (logged,) = (dict(each) for each in watched.logged)
        trace = logged.pop("traceback")
        assert trace.startswith("Traceback (most recent call last):\n")
        assert trace.endswith("\nRuntimeError: C/O/A 2026-11-23 *** ?token=***\n")
        assert logged == {
            "event": "poll_failed",
            "log_level": "warning",
            "target": "C/O/A",
            "reason": "internal",
            "error": "a bug of this program",
        }


async def test_the_log_of_failures() -> None:
    async with watching(target_of("US/Eastern", "A")) as (simulator, _, watched):
        await until(lambda: watched.poller.ready)
        for fault in (Fault.status(500), Fault.status(500), Fault.status(401), Fault.status(401), None, None):
            simulator.heal_all()
            if fault is not None:
                simulator.fail("C", "O", "A", fault=fault)
            await watched.polled()
        assert [line for line in watched.logged if line["log_level"] != "debug"] == [
            {
                "event": "poll_failed",
                "log_level": "warning",
                "target": "C/O/A",
                "reason": "server_error",
                "error": "V-Spark, or a proxy in front of it, fails: check its log "
                "(status 500 Internal Server Error; it says: Internal Server Error)",
            },
            {
                "event": "poll_failed",
                "log_level": "warning",
                "target": "C/O/A",
                "reason": "auth",
                "error": "the token from the configuration file is rejected: check that it belongs to this company "
                "(status 401 Unauthorized; it says: Unauthorized)",
            },
            {
                "event": "poll_recovered",
                "log_level": "info",
                "target": "C/O/A",
                "reason": "auth",
                "after_seconds": 240.0,
            },
        ]


async def test_values_that_a_bug_kept_from_being_published_come_with_the_next_response(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = b'[{"folder":"A","calls":1},{"folder":"B","calls":1}]', b'[{"folder":"B","calls":2}]'
    clock = FakeClock(NOON)
    async with (
        serving(answer(first), answer(second)) as server,
        client_of(server.port) as client,
        polling(clock, client, target_of("US/Eastern")) as watched,
    ):
        await until(lambda: watched.poller.ready)
        with monkeypatch.context() as bug:
            bug.setattr(Draft, "commit", broken_once(Draft.commit))
            await watched.polled()
        assert watched.lines('reason="internal"') != []
        assert watched.value('vspark_folder_calls_today{company="C",folder="B",org="O"}') == 1
        await watched.polled()
        assert watched.value('vspark_folder_calls_today{company="C",folder="A",org="O"}') == 0
        assert watched.value('vspark_folder_calls_today{company="C",folder="B",org="O"}') == 2
        assert len(watched.lines("vspark_folder_calls_today")) == 2


def broken_once(publish: Callable[[Draft], None]) -> Callable[[Draft], None]:
    calls = 0

    def broken(draft: Draft) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("a bug")
        publish(draft)

    return broken


async def test_a_token_in_a_long_key_of_the_response_is_not_cut_in_two() -> None:
    body = b'{"Cannot read /stats/DocTestCo/O?token=%s":{"x":1}}' % CANARY_IN_URL.encode()
    async with (
        serving(answer(body)) as server,
        client_of(server.port) as client,
        polling(FakeClock(NOON), client, target_of(None)) as watched,
    ):
        await until(lambda: watched.poller.ready)
        assert watched.events() == [("poll_failed", "C/O", "unrecognized")]
        watched.assert_secret()


async def test_an_error_while_a_failure_is_recorded_does_not_end_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    put_polls = TargetSeries.put_polls

    def broken(self: TargetSeries, polls: PollFigures, draft: Draft) -> None:
        if self.target.folder == "B":
            raise RuntimeError(f"no place for {CANARY}")
        put_polls(self, polls, draft)

    monkeypatch.setattr(TargetSeries, "put_polls", broken)
    async with watching(target_of("US/Eastern", "A"), target_of("US/Eastern", "B")) as (_, _, watched):
        await until(lambda: watched.poller.ready)
        for _ in range(2):
            await watched.polled()
            # B's polls publish nothing, and one that still ran would miss the next.
            await until(
                lambda: not watched.upstream.running and all(not each.polling for each in watched.poller.status())
            )
        assert not watched.task.done()
        assert watched.value('vspark_polls_total{company="C",folder="A",org="O"}') == 3
        assert watched.events() == [("poll_not_recorded", "C/O/B", "")] * 3
        watched.assert_secret()


def break_b(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Let a method of the series of folder B raise."""
    right = getattr(TargetSeries, method)

    def wrong(self: TargetSeries, *arguments: object) -> Steps[object]:
        yield
        if self.target.folder == "B":
            raise RuntimeError(f"no place for {CANARY}")
        return (yield from right(self, *arguments))

    monkeypatch.setattr(TargetSeries, method, wrong)


def assert_only_b_met_a_bug(watched: RunningPoller, *, failures: int) -> None:
    assert not watched.task.done()
    internal = 'vspark_poll_failures_total{company="C",folder="%s",org="O",reason="internal"}'
    assert [watched.value(internal % folder) for folder in ("A", "B")] == [0, failures]
    (bug,) = (dict(each) for each in watched.logged if each.get("reason") == "internal")
    assert bug.pop("traceback").endswith("\nRuntimeError: no place for ***\n")
    assert bug == {
        "event": "poll_failed",
        "log_level": "warning",
        "target": "C/O/B",
        "reason": "internal",
        "error": "a bug of this program",
    }
    watched.assert_secret()


@pytest.mark.parametrize(("method", "failures"), [("read", 2), ("begin_day", 3)])
async def test_a_bug_in_a_poll_or_at_midnight_does_not_affect_another_target(
    method: str, failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = target_of("US/Eastern", "A"), target_of("US/Eastern", "B")
    before_midnight = NOON.replace(hour=4, minute=59, second=50)
    async with watching(good, bad, start=before_midnight) as (_, clock, watched):
        await until(lambda: watched.poller.ready)
        with monkeypatch.context() as patch:
            break_b(patch, method)
            await clock.pass_time(
                59, settled=lambda: watched.idle
            )  # midnight, the polls at once, and those that are due
            await until(lambda: watched.idle)
            assert_only_b_met_a_bug(watched, failures=failures)
            assert watched.value('vspark_up{company="C",folder="A",org="O"}') == 1
            assert watched.value('vspark_up{company="C",folder="B",org="O"}') == 0
        await watched.polled()
        midnight = datetime(2026, 11, 23, 5, tzinfo=UTC).timestamp()
        for folder in ("A", "B"):
            labels = f'{{company="C",folder="{folder}",org="O"}}'
            assert watched.value(f"vspark_up{labels}") == 1
            assert watched.value(f"vspark_folder_calls_created{labels}", Format.OPENMETRICS) == midnight


async def test_a_bug_while_old_values_are_removed_does_not_affect_another_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with watching(target_of(None, "A"), target_of(None, "B")) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        for folder in ("A", "B"):
            simulator.fail("C", "O", folder, fault=Fault.status(503))
        with monkeypatch.context() as patch:
            break_b(patch, "drop_values")
            await clock.pass_time(302, settled=lambda: watched.idle)
            await until(lambda: watched.idle and not watched.lines('vspark_folder_calls_today{company="C",folder="A"'))
            assert_only_b_met_a_bug(watched, failures=1)
            polls = 'vspark_polls_total{company="C",folder="%s",org="O"}'
            assert watched.value(polls % "A") == watched.value(polls % "B") == 6
            await clock.pass_time(60, settled=lambda: watched.idle)  # it is tried again once in an interval
            await until(lambda: watched.idle)
            internal = 'vspark_poll_failures_total{company="C",folder="B",org="O",reason="internal"}'
            assert watched.value(internal) == 2
        await clock.pass_time(60, settled=lambda: watched.idle)
        await until(lambda: watched.lines("vspark_folder") == [])


async def test_polls_that_midnight_begins_leave_the_event_loop_room_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [target_of("US/Eastern", folder) for folder in ("A", "B")]
    async with watching(*targets, start=datetime(2026, 11, 24, 4, 59, 59, tzinfo=UTC)) as (_, clock, watched):
        await until(lambda: watched.poller.ready and watched.idle and bool(clock.sleepers))
        monkeypatch.setattr("exporter.runtime.steps.Pauses.due", True)
        begun = [len(watched.upstream.begun)]
        clock.advance(1)
        while begun[-1] < 4:
            await asyncio.sleep(0)
            begun.append(len(watched.upstream.begun))
        assert sorted(set(begun)) == [2, 3, 4]
