import pytest

from exporter.errors import REASONS
from exporter.exposition.families import FolderFigures, PollFigures
from exporter.polling.snapshot import Health, TargetFigures, TargetStatus
from exporter.polling.target_state import LastError
from exporter.simulator import Fault
from exporter.status.overview import Totals
from tests.support.fake_clock import NOON, FakeClock, RunningPoller, polling, target_of, watching
from tests.support.raw_servers import CANARY, CANARY_IN_URL, answer, client_of, serving, until
from tests.support.target_statuses import AUTH, status_of

EASTERN = "US/Eastern"
LATE = NOON.replace(hour=4, minute=58, day=24)
"""Two minutes before midnight in US/Eastern."""


def only(watched: RunningPoller) -> TargetStatus:
    (status,) = watched.poller.status()
    return status


# From the first poll to a recovery


async def test_a_target_from_its_first_poll_through_failures_to_its_recovery() -> None:
    async with watching(target_of(EASTERN, "A")) as (simulator, clock, watched):
        first = only(watched)
        assert (first.health, first.polls) == (Health.WAITING, PollFigures())
        assert (first.figures, first.folders, first.success_age_seconds) == (None, {}, None)
        await until(lambda: watched.poller.ready)
        ok = only(watched)
        assert (ok.health, ok.polling, ok.success_age_seconds, ok.last_error) == (Health.OK, False, 0.0, None)
        assert ok.polls == PollFigures(
            up=True, last_poll_timestamp_seconds=clock.time(), last_success_timestamp_seconds=clock.time(), polls=1
        )
        assert ok.figures == TargetFigures(calls=191, average_seconds=273.0, agents=2)
        simulator.fail("C", "O", "A", fault=Fault.status(401))
        await watched.polled()
        failing = only(watched)
        error = LastError(
            "auth",
            "the token from the configuration file is rejected: check that it is valid for this request "
            "(status 401 Unauthorized; it says: Unauthorized)",
            REASONS["auth"].action,
            clock.time(),
        )
        assert (failing.health, failing.figures, failing.success_age_seconds) == (Health.FAILING, ok.figures, 60.0)
        assert (failing.last_error, failing.recovered, failing.polls.failures) == (error, False, {"auth": 1})
        for _ in range(5):
            await watched.polled()
        await until(lambda: not watched.lines("vspark_folder_calls_today"))
        stale = only(watched)
        assert (stale.health, stale.figures, stale.folders) == (Health.STALE, None, {})
        assert (stale.success_age_seconds, stale.polls.failures) == (360.0, {"auth": 6})
        simulator.heal_all()
        await watched.polled()
        recovered = only(watched)
        assert (recovered.health, recovered.recovered) == (Health.OK, True)
        assert recovered.last_error is not None
        assert recovered.last_error.at == clock.time() - 60
        # Earlier snapshots do not change.
        assert (ok.health, ok.polls.polls, failing.figures, first.polls.polls) == (Health.OK, 1, ok.figures, 0)


async def test_a_target_that_has_never_succeeded_is_failing() -> None:
    async with watching(target_of(EASTERN, "A")) as (simulator, _, watched):
        simulator.fail("C", "O", "A", fault=Fault.status(404))
        await until(lambda: watched.poller.ready)
        status = only(watched)
        assert (status.health, status.success_age_seconds) == (Health.FAILING, None)


async def test_a_new_day_waits_for_its_first_response() -> None:
    async with watching(target_of(EASTERN, "A"), start=LATE) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        simulator.fail("C", "O", "A", fault=Fault.slow())
        clock.advance(121)
        await until(lambda: not watched.lines("vspark_folder_calls_today"))
        status = only(watched)
        assert (status.health, status.success_age_seconds, status.polling, status.figures) == (
            *(Health.WAITING, 121.0, True),
            None,
        )


async def test_when_the_next_poll_is() -> None:
    targets = [target_of(EASTERN, name) for name in ("A", "B")]
    async with watching(*targets) as (_, clock, watched):
        await until(lambda: watched.poller.ready and bool(clock.sleepers))
        before = [status.next_poll_seconds for status in watched.poller.status()]
        assert all(0 < seconds <= 60 for seconds in before)
        assert len(set(before)) == 2
        clock.advance(min(before) / 2)
        assert [status.next_poll_seconds for status in watched.poller.status()] == pytest.approx(
            [seconds - min(before) / 2 for seconds in before]
        )
        await watched.polled(60 - min(before) / 2)
        assert [status.next_poll_seconds for status in watched.poller.status()] == pytest.approx(before)


async def test_a_snapshot_does_not_contain_the_token() -> None:
    body = f"Cannot read /stats/C/O?token={CANARY_IN_URL} {CANARY}".encode()
    async with (
        serving(answer(body, status="418 Teapot")) as server,
        client_of(server.port) as client,
        polling(FakeClock(NOON), client, target_of(None)) as watched,
    ):
        await until(lambda: watched.poller.ready)
        status = only(watched)
        assert status.last_error is not None
        assert "token=*** ***" in status.last_error.text
        assert "canary" not in repr(status)


async def test_the_curve_of_the_day() -> None:
    async with watching(target_of(EASTERN, interval_seconds=900.0, stale_after_seconds=1e6)) as (
        simulator,
        clock,
        watched,
    ):
        await until(lambda: watched.poller.ready)
        for number in range(10):
            if number in (4, 5, 6):
                simulator.fail("C", "O", fault=Fault.status(401))
            else:
                simulator.heal_all()
            await watched.polled(900)
        curve = only(watched).curve
        total = only(watched).figures
        drawn = curve.half_hours(None, clock.time())
        assert drawn[:24] == [None] * 24
        # All polls failed from half past one to two.
        assert [number is None for number in drawn[24:]] == [False, False, False, True, False, False]
        assert curve.since == NOON.timestamp()
        assert total is not None
        assert 0 < sum(number or 0 for number in drawn) < total.calls
        folders = [[number or 0 for number in curve.half_hours(name, clock.time())] for name in ("A", "B")]
        assert [a + b for a, b in zip(*folders, strict=True)] == [number or 0 for number in drawn]


# Sums


def test_figures() -> None:
    folders = [
        FolderFigures(calls=30, average_seconds=60.0, agents=2),
        FolderFigures(calls=10, average_seconds=100.0, agents=1),
        FolderFigures(calls=5),
        FolderFigures(),
    ]
    assert TargetFigures.of(folders) == TargetFigures(calls=45, average_seconds=70.0, agents=3)
    assert TargetFigures.of([]) == TargetFigures(calls=0, average_seconds=None, agents=0)


def test_totals() -> None:
    targets = [
        status_of("A"),
        status_of(health=Health.FAILING, folders={"x": FolderFigures(calls=1, agents=1), "y": FolderFigures(calls=2)}),
        status_of("B", Health.STALE),
        status_of("D", Health.WAITING),
        status_of("E", Health.WAITING),
    ]
    states = {Health.STALE: 1, Health.FAILING: 1, Health.WAITING: 2, Health.OK: 1}
    assert Totals.of(targets) == Totals(targets=5, by_health=states, without_values=3, folders=3, calls=1237, agents=6)


def test_totals_without_any_values_are_not_zero() -> None:
    nothing = dict.fromkeys(Health, 0)
    assert Totals.of([]) == Totals(0, nothing, 0, None, None, None)
    assert Totals.of([status_of("B", Health.STALE)]) == Totals(1, {**nothing, Health.STALE: 1}, 1, None, None, None)


def test_only_the_beginning_of_a_long_error_is_kept() -> None:
    error = LastError.of("unrecognized", "x" * 1_000_000, 0.0)
    assert (len(error.text), error.text[-2:], error.hint) == (1001, "x…", REASONS["unrecognized"].action)
    assert AUTH.text == "the token is rejected"
