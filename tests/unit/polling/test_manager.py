import asyncio
from datetime import date
from pathlib import Path
from typing import Self

import pytest
import structlog
from structlog.testing import LogCapture

from exporter.config.loaded import LoadedConfig
from exporter.config.schema import Agents, StatsFields
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.store import Store
from exporter.polling.manager import PollManager, make_parser, make_rules
from exporter.polling.poller import Replaced
from exporter.stats.changes import ChangeTracker
from exporter.stats.model import AgentDay, AgentDays, FolderDay
from exporter.vspark.client import Client
from tests.support.fake_clock import NOON, FakeClock
from tests.support.finished_steps import finished
from tests.support.parsed_bodies import parsed, request_for
from tests.support.raw_servers import until


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


@pytest.mark.parametrize(
    ("vspark", "new_server"),
    [
        ('{url: "http://127.0.0.1:1", token: a-token}', False),
        ('{url: "http://127.0.0.1:1", token: another-token, timeout: 5s}', False),
        ('{url: "http://127.0.0.1:2", token: a-token}', True),
    ],
)
async def test_another_url_is_another_server(
    vspark: str,
    new_server: bool,  # noqa: FBT001 # a parameter
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def plan(vspark: str) -> LoadedConfig:
        path = tmp_path / "config.yaml"
        path.write_text(f"vspark: {vspark}\ncompanies: [{{name: C, orgs: [{{name: O, timezone: UTC}}]}}]\n")
        return LoadedConfig.load(path)

    told: list[object] = []

    async def replace(*_: object, **options: object) -> Replaced:
        told.append(options["new_server"])
        return Replaced(1, 0, 0, 0)

    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[LogCapture()])
    before = plan('{url: "http://127.0.0.1:1", token: a-token}')
    async with PollManager(before, Store(), SelfMetrics(process=False), FakeClock(NOON), log) as manager:
        monkeypatch.setattr(manager.poller, "replace", replace)
        await manager.follow(plan(vspark))
    assert told == [new_server]


def test_a_parser_knows_the_names_and_the_unit_of_the_configuration() -> None:
    fields = StatsFields(
        *(("anzahl",), ("mittel",), ("summe",), ("wer",), ("kennung",), ("ordner",), ("datum",)),
        duration_unit="minutes",
    )
    agents = '[{"kennung":7,"anzahl":2,"summe":3},{"kennung":8,"anzahl":1}]'
    body = f'[{{"ordner":"A","datum":"20261123","anzahl":3,"mittel":1,"wer":{agents}}}]'
    tracker = ChangeTracker(make_parser(fields))
    days, _, _ = parsed(tracker, body.encode(), request_for(None, date(2026, 11, 23)))
    assert days == {"A": FolderDay("A", 3, 60.0, (AgentDay("7", 2, 90.0), AgentDay("8", 1)))}


async def test_a_plan_that_comes_while_it_stops_leaves_no_connections_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload by HTTP may still be loading when the polling ends."""

    def plan(concurrency: int) -> LoadedConfig:
        path = tmp_path / "config.yaml"
        path.write_text(
            'vspark: {url: "http://127.0.0.1:1", token: a-token}\n'
            f"poll: {{concurrency: {concurrency}}}\n"
            "companies: [{name: C, orgs: [{name: O, timezone: UTC}]}]\n"
        )
        return LoadedConfig.load(path)

    opened: list[Client] = []

    class Remembered(Client):
        async def __aenter__(self) -> Self:
            opened.append(self)
            return await super().__aenter__()

    monkeypatch.setattr("exporter.polling.manager.Client", Remembered)
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[LogCapture()])
    async with PollManager(plan(1), Store(), SelfMetrics(process=False), FakeClock(NOON), log) as polling:
        await polling.follow(plan(2))
        async with polling.poller._batches._lock:
            following = asyncio.create_task(polling.follow(plan(3)))
            await until(lambda: len(opened) == 3)
            await polling.__aexit__(None, None, None)
        await following
    await polling.follow(plan(4))
    assert [client._session.closed for client in opened] == [True] * 4
