import pytest

from exporter.errors import REASONS
from exporter.exposition.families import FolderFigures
from exporter.polling.snapshot import Figures, LastError, State, TargetStatus
from exporter.simulator import Fault
from exporter.status.overview import Totals
from tests.support.fake_clock import NOON, FakeClock, Polling, polling, target_of, watching
from tests.support.raw_servers import CANARY, CANARY_IN_URL, answer, client_of, serving, until
from tests.support.target_statuses import AUTH, status_of

EASTERN = "US/Eastern"
LATE = NOON.replace(hour=4, minute=58, day=24)
"""Two minutes before midnight in US/Eastern."""


def only(watched: Polling) -> TargetStatus:
    (status,) = watched.poller.status()
    return status


# A target's way


async def test_a_target_from_its_first_poll_through_failures_to_its_recovery() -> None:
    async with watching(target_of(EASTERN, "A")) as (simulator, clock, watched):
        first = only(watched)
        assert (first.state, first.never_succeeded, first.polls, first.last_poll) == (State.WAITING, True, 0, None)
        assert (first.figures, first.folders, first.success_age_seconds) == (None, {}, None)
        await until(lambda: watched.poller.ready)
        ok = only(watched)
        assert (ok.state, ok.polling, ok.last_success, ok.success_age_seconds) == (State.OK, False, clock.time(), 0.0)
        assert ok.figures == Figures(calls=191, average_seconds=273.0, agents=2)
        assert (ok.last_error, ok.polls, ok.failures) == (None, 1, 0)
        simulator.fail("C", "O", "A", fault=Fault.status(401))
        await watched.polled()
        failing = only(watched)
        error = LastError(
            "auth",
            "the token from the configuration file is rejected: check that it belongs to this company "
            "(status 401 Unauthorized; it says: Unauthorized)",
            REASONS["auth"],
            clock.time(),
        )
        assert (failing.state, failing.figures, failing.success_age_seconds) == (State.FAILING, ok.figures, 60.0)
        assert (failing.last_error, failing.recovered, failing.failures) == (error, False, 1)
        for _ in range(5):
            await watched.polled()
        await until(lambda: not watched.lines("vspark_folder_calls_today"))
        stale = only(watched)
        assert (stale.state, stale.figures, stale.folders, stale.never_succeeded) == (State.STALE, None, {}, False)
        assert (stale.success_age_seconds, stale.failures) == (360.0, 6)
        simulator.heal_all()
        await watched.polled()
        recovered = only(watched)
        assert (recovered.state, recovered.recovered) == (State.OK, True)
        assert recovered.last_error is not None
        assert recovered.last_error.at == clock.time() - 60
        # What was given before does not change.
        assert (ok.state, ok.polls, failing.figures, first.polls) == (State.OK, 1, ok.figures, 0)


async def test_a_target_that_has_never_succeeded_is_failing() -> None:
    async with watching(target_of(EASTERN, "A")) as (simulator, _, watched):
        simulator.fail("C", "O", "A", fault=Fault.status(404))
        await until(lambda: watched.poller.ready)
        status = only(watched)
        assert (status.state, status.never_succeeded, status.success_age_seconds) == (State.FAILING, True, None)


async def test_a_new_day_waits_for_its_first_answer() -> None:
    async with watching(target_of(EASTERN, "A"), start=LATE) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        simulator.fail("C", "O", "A", fault=Fault.slow())
        clock.advance(121)
        await until(lambda: not watched.lines("vspark_folder_calls_today"))
        status = only(watched)
        assert (status.state, status.never_succeeded, status.polling, status.figures) == (
            *(State.WAITING, False, True),
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


async def test_the_token_is_nowhere_in_it() -> None:
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
    assert Figures.of(folders) == Figures(calls=45, average_seconds=70.0, agents=3)
    assert Figures.of([]) == Figures(calls=0, average_seconds=None, agents=0)


def test_totals() -> None:
    targets = [
        status_of("A"),
        status_of(state=State.FAILING, folders={"x": FolderFigures(calls=1, agents=1), "y": FolderFigures(calls=2)}),
        status_of("B", State.STALE),
        status_of("D", State.WAITING),
        status_of("E", State.WAITING),
    ]
    states = {State.STALE: 1, State.FAILING: 1, State.WAITING: 2, State.OK: 1}
    assert Totals.of(targets) == Totals(targets=5, states=states, unknown=3, folders=3, calls=1237, agents=6)


def test_totals_of_nothing_that_is_known_are_no_zeros() -> None:
    nothing = dict.fromkeys(State, 0)
    assert Totals.of([]) == Totals(0, nothing, 0, None, None, None)
    assert Totals.of([status_of("B", State.STALE)]) == Totals(1, {**nothing, State.STALE: 1}, 1, None, None, None)


def test_only_the_beginning_of_a_long_error_is_kept() -> None:
    error = LastError.of("unrecognized", "x" * 1_000_000, 0.0)
    assert (len(error.text), error.text[-2:], error.hint) == (1001, "x…", REASONS["unrecognized"])
    assert AUTH.text == "the token is refused"
