import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.stats.model import AgentDay, AgentDays
from exporter.stats.totals import Sum, merged, sum_of
from tests.support.finished_steps import finished


def test_a_sum_of_one_part_is_that_part_to_the_last_bit() -> None:
    total = Sum()
    total.add(3, 0.1)
    total.add(5, None)
    total.add(0, 7.0)
    assert (total.calls, total.average_seconds) == (8, 0.1)


def test_a_sum_of_nothing_has_no_mean() -> None:
    assert (Sum().calls, Sum().average_seconds) == (0, None)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_merged_agents_keep_the_order_in_which_they_were_first_seen(size: int) -> None:
    agents = AgentDays.of([AgentDay("b", 1, 4.0), AgentDay("a", 2), AgentDay("b", 3, 8.0), AgentDay("a", 1, 5.0)])
    parts = list(agents.slices(size))
    assert finished(merged(parts)) == (AgentDay("b", 4, 7.0), AgentDay("a", 3, 5.0))
    assert list(agents.slices(size)) == parts


@pytest.mark.parametrize("size", [1, 2])
def test_agents_that_are_all_different_are_merged_by_themselves(size: int) -> None:
    agents = AgentDays.of([AgentDay("a", 1, 60.0), AgentDay("b", 3, 20.0)])
    assert finished(merged(list(agents.slices(size)))) == agents
    assert finished(merged([])) == ()


def test_very_many_agents_are_added_up_with_pauses() -> None:
    agents = AgentDays([f"a{number}" for number in range(10_000)] * 2, [1] * 20_000, [4.0] * 20_000)
    steps, pauses = merged([agents]), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            together = end.value
            break
        pauses += 1
    assert together == AgentDays(agents.agents[:10_000], [2] * 10_000, [4.0] * 10_000)
    assert pauses >= 25
    total = finished(sum_of(together))
    assert (total.calls, total.average_seconds) == (20_000, 4.0)


averages = st.none() | st.floats(min_value=0, max_value=1e15)


@example([AgentDay("a", 0, 7.0), AgentDay("a", 3, 0.1)], 0)
@example([AgentDay("a", 3, 0.1), AgentDay("a", 2)], 0)
@given(st.lists(st.builds(AgentDay, st.just("a"), st.integers(0, 2**53), averages), max_size=6), st.integers(0, 3))
def test_agents_are_added_up_as_one_after_the_other_to_the_last_bit(agents: list[AgentDay], before: int) -> None:
    one_by_one, together = Sum(), Sum()
    for total in (one_by_one, together):
        total.add(before, 0.1)
    for agent in agents:
        one_by_one.add(agent.calls, agent.average_seconds)
    together.add_all(AgentDays.of(agents))
    assert (together.calls, together.average_seconds) == (one_by_one.calls, one_by_one.average_seconds)
