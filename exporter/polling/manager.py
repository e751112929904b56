"""Polling by a plan, and by another one when told."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from structlog.typing import FilteringBoundLogger

from exporter.config.loaded import LoadedConfig
from exporter.config.schema import Agents, StatsFields
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.store import Store
from exporter.polling.poller import Poller, Replaced
from exporter.runtime.clock import Clock
from exporter.runtime.files import read_secret
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from exporter.vspark.client import Client


class Polling:
    """Connections to V-Spark and the poller that uses them; to be used as an asynchronous context manager.

    The poller has to be run beside it. Raises ConfigError where a file of `vspark.tls` cannot be used.
    """

    def __init__(
        self, plan: LoadedConfig, store: Store, telemetry: SelfMetrics, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._plan = plan
        self._stopped = False
        self._telemetry = telemetry
        self._client = self._make_client(plan)
        self._reader = make_reader(plan.config.stats_fields)
        self._rules = make_rules(plan.config.agents)
        self.poller = Poller(
            plan.targets, self._client, store, reader=self._reader, rules=self._rules, clock=clock, log=log
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped = True
        await self._client.__aexit__(kind, error, traceback)

    async def follow(self, plan: LoadedConfig) -> Replaced:
        """Poll by another plan; what is the same in both stays as it is, connections too.

        Raises ConfigError as above; nothing is changed then.
        """
        before, old = self._plan, self._client
        config = plan.config
        reader = self._reader if config.stats_fields == before.config.stats_fields else make_reader(config.stats_fields)
        rules = self._rules if plan.showing == before.showing else make_rules(config.agents)
        client = old if plan.connection == before.connection else self._make_client(plan)
        async with AsyncExitStack() as unused:
            if client is not old:
                await unused.enter_async_context(client)
            replaced = await self.poller.replace(plan.targets, client, reader=reader, rules=rules)
            if self._stopped:  # while that was done, or before
                return replaced
            unused.pop_all()
            if client is not old:
                unused.push_async_exit(old)
            self._plan, self._client, self._reader, self._rules = plan, client, reader, rules
        return replaced

    def _make_client(self, plan: LoadedConfig) -> Client:
        config = plan.config
        return Client(config.vspark, concurrency=config.poll.concurrency, observe=self._telemetry.observe_request)


def make_rules(agents: Agents) -> AgentRules:
    """Make the rules for which agents are shown."""
    return AgentRules(
        enabled=agents.enabled,
        max_per_folder=agents.max_per_folder,
        include=agents.include,
        exclude=agents.exclude,
        hash_key=read_secret(agents.hash_key_file).strip() if agents.hash_key_file else None,
    )


def make_reader(fields: StatsFields) -> Parser:
    """Make the reader for an installation's names."""
    return Parser(Layouts(fields.calls, fields.average_duration, fields.agents))
