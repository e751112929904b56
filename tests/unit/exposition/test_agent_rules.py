import hashlib
import hmac
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.agent_rules import OTHER, AgentRules
from exporter.stats.model import AgentDay, AgentDays
from tests.support.finished_steps import finished

A, B, C, D = AgentDay("a", 5, 10.0), AgentDay("b", 1, 60.0), AgentDay("c", 3), AgentDay("d", 3, 20.0)
ALL = (A, B, C, D)


def apply(agents: tuple[AgentDay, ...], **changes: Any) -> tuple[tuple[AgentDay, ...], int]:
    section: dict[str, Any] = {"enabled": True, "max_per_folder": 1000, "include": ".*", "exclude": ""}
    found, folded = finished(AgentRules(**(section | changes)).apply(AgentDays.of(agents)))
    return tuple(found), folded


def test_all_agents_are_apply() -> None:
    assert apply(ALL) == (ALL, 0)
    assert apply(()) == ((), 0)


def test_no_agents_are_shown_where_they_are_switched_off() -> None:
    assert apply(ALL, enabled=False, max_per_folder=1) == ((), 0)


@pytest.mark.parametrize(
    ("include", "exclude", "shown"),
    [
        (".*", "", ["001", "002", "test-1", "x\ny", "", "Süd"]),
        ("[0-9]+", "", ["001", "002"]),
        ("[0-9]", "", []),
        ("00", "", []),
        ("00.", "002", ["001"]),
        (".*", "test-.*", ["001", "002", "x\ny", "", "Süd"]),
        (".*", "test", ["001", "002", "test-1", "x\ny", "", "Süd"]),
        (".*", ".*", ["x\ny"]),
        ("(?s).*", "(?s).*", []),
        ("", "", [""]),
        ("(?i)SÜD|001", "", ["001", "Süd"]),
        ("001|x", "", ["001"]),
    ],
)
def test_filters_match_the_whole_id(include: str, exclude: str, shown: list[str]) -> None:
    agents = tuple(AgentDay(agent, 1) for agent in ("001", "002", "test-1", "x\ny", "", "Süd"))
    found, folded = apply(agents, include=include, exclude=exclude)
    assert ([agent.agent for agent in found], folded) == (shown, 0)


@pytest.mark.parametrize(
    ("most", "shown", "folded"),
    [
        (5, ALL, 0),
        (4, ALL, 0),
        (3, (A, C, D, AgentDay(OTHER, 1, 60.0)), 1),
        (2, (A, C, AgentDay(OTHER, 4, 30.0)), 2),
        (1, (A, AgentDay(OTHER, 7, 30.0)), 3),
    ],
)
def test_the_busiest_stay_and_the_rest_add_up(most: int, shown: tuple[AgentDay, ...], folded: int) -> None:
    assert apply(ALL, max_per_folder=most) == (shown, folded)


def test_among_the_equally_busy_the_ids_decide_whatever_the_order() -> None:
    agents = tuple(AgentDay(agent, 2) for agent in "edcba")
    assert apply(agents, max_per_folder=2) == ((AgentDay("a", 2), AgentDay("b", 2), AgentDay(OTHER, 6)), 3)


def test_the_rest_has_no_mean_where_none_of_it_has() -> None:
    assert apply((A, C, AgentDay("e", 1)), max_per_folder=1) == ((A, AgentDay(OTHER, 4)), 2)


def test_an_agent_that_is_called_as_the_rest_is_added_to_it() -> None:
    called_so = AgentDay(OTHER, 9, 10.0)
    assert apply((called_so, A, B), max_per_folder=2) == ((AgentDay(OTHER, 10, 15.0), A), 1)
    assert apply((called_so, A)) == ((called_so, A), 0)


def test_ids_are_hashed_with_the_key() -> None:
    expected = hmac.new(b"key", "Süd 7".encode(), hashlib.sha256).hexdigest()[:16]
    assert apply((AgentDay("Süd 7", 3, 4.0),), hash_key=b"key") == ((AgentDay(expected, 3, 4.0),), 0)


def test_a_hash_is_known() -> None:
    # RFC 4231, test case 2: the key "Jefe".
    agent = AgentDay("what do ya want for nothing?", 1)
    assert apply((agent,), hash_key=b"Jefe") == ((AgentDay("5bdcc146bf60754e", 1),), 0)


def test_filters_come_before_the_hash_and_the_cap_after_it() -> None:
    found, folded = apply(ALL, hash_key=b"key", exclude="a", max_per_folder=2)
    names = {agent.agent: hmac.new(b"key", agent.agent.encode(), hashlib.sha256).hexdigest()[:16] for agent in ALL}
    assert (sorted(agent.calls for agent in found), folded) == ([1, 3, 3], 1)
    assert {agent.agent for agent in found} == {names["c"], names["d"], OTHER}
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in names.values())


some_agents = st.lists(
    st.builds(AgentDay, st.text(max_size=4), st.integers(1, 9), st.none() | st.integers(0, 9).map(float)),
    max_size=8,
    unique_by=lambda agent: agent.agent,
).map(tuple)


@given(some_agents, st.integers(min_value=1, max_value=5))
def test_no_call_is_lost_by_the_cap(agents: tuple[AgentDay, ...], most: int) -> None:
    shown, folded = apply(agents, max_per_folder=most)
    assert sum(agent.calls for agent in shown) == sum(agent.calls for agent in agents)
    assert folded == max(0, len(agents) - most)
    assert len(shown) == len({agent.agent for agent in shown}) <= most + 1
    kept = [agent.calls for agent in shown if agent.agent != OTHER]
    rest = sorted((agent.calls for agent in agents), reverse=True)[most:]
    assert not kept or not rest or min(kept) >= max(rest)


@given(some_agents)
def test_the_hash_changes_names_alone(agents: tuple[AgentDay, ...]) -> None:
    shown, _ = apply(agents, hash_key=b"key")
    assert [(agent.calls, agent.average_seconds) for agent in shown] == [
        (agent.calls, agent.average_seconds) for agent in agents
    ]
