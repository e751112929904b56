from pathlib import Path

from exporter.config import Agents
from exporter.model import AgentDay, AgentDays
from exporter.polling import make_rules
from tests.steps import finished


def test_rules(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    agents = AgentDays.of(AgentDay(agent, calls) for agent, calls in (("a1", 3), ("a2", 2), ("a3", 1), ("b1", 9)))
    assert finished(make_rules(Agents()).apply(agents)) == (agents, 0)
    assert finished(make_rules(Agents(enabled=False)).apply(agents)) == (AgentDays(), 0)
    assert finished(make_rules(Agents(include="a.*", exclude="a3", max_per_folder=1)).apply(agents)) == (
        AgentDays.of([AgentDay("a1", 3), AgentDay("_other", 2)]),
        1,
    )
    hashed = finished(make_rules(Agents(include="a1", hash_key_file=key)).apply(agents))
    assert hashed == (AgentDays.of([AgentDay("0d558d0621d53ba4", 3)]), 0)
