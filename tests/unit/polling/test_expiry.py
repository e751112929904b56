from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.targets import Target
from exporter.polling.expiry import Expiry
from exporter.polling.target_state import TargetState
from exporter.runtime.clock import Clock
from tests.support.fake_clock import NOON, FakeClock, target_of


@dataclass
class Aging:
    """A target whose age a test sets, with the interface of a TargetState; `looks` counts how often it is looked at."""

    target: Target
    expires_from: float = 0.0
    success: tuple[float, float] | None = None
    """The times of the last success on both clocks; None without values."""
    looks: list[float] = field(default_factory=list)

    def seconds_to_expiry(self, clock: Clock) -> float | None:
        self.looks.append(clock.monotonic())
        if self.success is None:
            return None
        age = max(clock.monotonic() - self.success[0], clock.time() - self.success[1])
        return self.target.stale_after_seconds - age

    def is_expired(self, clock: Clock) -> bool:
        left = self.seconds_to_expiry(clock)
        return left is not None and left < 0 and clock.monotonic() >= self.expires_from

    def succeed(self, clock: Clock) -> None:
        self.success = clock.monotonic(), clock.time()


def aging(count: int) -> list[Aging]:
    """Return targets with intervals of 1, 2, … seconds, which expire after 2, 4, … seconds."""
    return [
        Aging(target_of(None, f"F{number}", interval_seconds=number, stale_after_seconds=2 * number))
        for number in range(1, count + 1)
    ]


def expiry_of(clock: Clock, states: list[Aging]) -> Expiry:
    expiry = Expiry(clock)
    expiry.replace(cast("list[TargetState]", states))
    return expiry


actions = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 7.0])),
    st.tuples(st.just("succeed"), st.integers(0, 3)),
    st.tuples(st.just("set the clock"), st.sampled_from([-3600.0, -5.0, 2.0, 3600.0])),
    st.tuples(st.just("stand still"), st.sampled_from([1.0, 30.0])),
    st.tuples(st.just("replace"), st.just(0)),
    st.tuples(st.just("fail to remove"), st.integers(0, 3)),
)


@settings(deadline=None)
@given(st.lists(actions, max_size=60))
def test_the_expired_targets_are_those_that_a_look_at_all_of_them_finds(steps: list[tuple[str, float]]) -> None:
    clock, states = FakeClock(NOON), aging(4)
    expiry = expiry_of(clock, states)
    stubborn: set[int] = set()
    for action, value in steps:
        match action:
            case "pass":
                clock.advance(value)
            case "succeed":
                states[int(value)].succeed(clock)
            case "set the clock":
                clock.set(clock.time() + value)
            case "stand still":
                clock.advance(value)
                clock.set(clock.time() - value)
            case "replace":
                expiry.replace(cast("list[TargetState]", states))
            case "fail to remove":
                stubborn.add(int(value))
        expected = [state for state in states if state.is_expired(clock)]
        assert [*map(id, expiry.take_expired())] == [*map(id, expected)]
        for state in expected:
            if states.index(state) in stubborn:
                state.expires_from = clock.monotonic() + state.target.interval_seconds
            else:
                state.success = None


@pytest.mark.parametrize("count", [10, 1000])
def test_no_work_for_a_poll_grows_with_the_number_of_targets(count: int) -> None:
    clock = FakeClock(NOON)
    states = [Aging(target_of(None, f"F{number}")) for number in range(count)]
    expiry = expiry_of(clock, states)
    for state in states:
        state.succeed(clock)
        state.looks.clear()
    for _ in range(250):
        clock.advance(1)
        states[0].succeed(clock)
        assert expiry.take_expired() == []
    assert sum(len(state.looks) for state in states) == 0
    clock.advance(60)
    assert len(expiry.take_expired()) == count - 1


def test_the_next_look_is_when_the_first_target_may_expire_but_not_at_every_moment() -> None:
    clock, states = FakeClock(NOON), aging(3)
    assert Expiry(clock).seconds_to_next() is None
    expiry = expiry_of(clock, states[1:])
    assert expiry.seconds_to_next() == 4.0
    clock.advance(3.5)
    assert expiry.seconds_to_next() == 1.0
