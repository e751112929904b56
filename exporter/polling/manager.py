"""A poller, its connections to V-Spark, and how both follow a change of the configuration."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from msgspec import structs
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


class PollManager:
    """The poller of a configuration and its client. An asynchronous context manager; run `poller` inside it.

    Raises ConfigError if a file of `vspark.tls` cannot be used.
    """

    def __init__(
        self, loaded: LoadedConfig, store: Store, self_metrics: SelfMetrics, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._loaded = loaded
        self._stopped = False
        self._self_metrics = self_metrics
        self._client = self._make_client(loaded)
        self._parser = make_parser(loaded.config.stats_fields)
        self._rules = make_rules(loaded.config.agents)
        self.poller = Poller(
            loaded.targets, self._client, store, parser=self._parser, rules=self._rules, clock=clock, log=log
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped = True
        await self._client.__aexit__(kind, error, traceback)

    async def follow(self, loaded: LoadedConfig) -> Replaced:
        """Poll by another configuration. What has not changed is kept, connections too.

        Raises ConfigError as above; nothing is changed then.
        """
        before, old = self._loaded, self._client
        config = loaded.config
        parser = self._parser if config.stats_fields == before.config.stats_fields else make_parser(config.stats_fields)
        rules = self._rules if loaded.showing == before.showing else make_rules(config.agents)
        client = old if loaded.connection == before.connection else self._make_client(loaded)
        async with AsyncExitStack() as unused:
            if client is not old:
                await unused.enter_async_context(client)
            replaced = await self.poller.replace(loaded.targets, client, parser=parser, rules=rules)
            if self._stopped:  # meanwhile, or before
                return replaced
            unused.pop_all()
            if client is not old:
                unused.push_async_exit(old)
            self._loaded, self._client, self._parser, self._rules = loaded, client, parser, rules
        return replaced

    def _make_client(self, loaded: LoadedConfig) -> Client:
        config = loaded.config
        return Client(config.vspark, concurrency=config.poll.concurrency, observe=self._self_metrics.observe_request)


def make_rules(agents: Agents) -> AgentRules:
    """Return the rules that the section `agents` describes. Reads the hash key."""
    return AgentRules(
        enabled=agents.enabled,
        max_per_folder=agents.max_per_folder,
        include=agents.include,
        exclude=agents.exclude,
        hash_key=read_secret(agents.hash_key_file).strip() if agents.hash_key_file else None,
    )


def make_parser(fields: StatsFields) -> Parser:
    """Return a parser that knows an installation's own field names and its unit of durations."""
    return Parser(Layouts(**structs.asdict(fields)))
