"""A poller, its connections to V-Spark, the discovery of its targets, and changes of the configuration."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final, Self

from msgspec import structs
from structlog.typing import FilteringBoundLogger

from exporter.config.discovered import NOTHING, Discovered
from exporter.config.loaded import LoadedConfig
from exporter.config.schema import Agents, Config, StatsFields
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.store import Store
from exporter.polling.discovery_log import DiscoveryLog
from exporter.polling.discovery_pauses import DiscoveryPauses
from exporter.polling.discovery_series import DiscoverySeries
from exporter.polling.poller import Poller, Replaced
from exporter.runtime.clock import Clock
from exporter.runtime.files import read_secret
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from exporter.vspark.client import Client
from exporter.vspark.discovery import Outcome, discover
from exporter.vspark.mapped_bodies import MappedBodies
from exporter.vspark.mapping import JqMapper

POLLER: Final = "poller"
"""The name of the task that begins polls. It sleeps by the clock when none is due."""


class PollManager:
    """The poller of a configuration, its client and its discovery. An asynchronous context manager around `run`.

    Raises ConfigError if a file of `vspark.tls` cannot be used.
    """

    def __init__(
        self, loaded: LoadedConfig, store: Store, self_metrics: SelfMetrics, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._loaded = loaded
        self._stopped = False
        self._ready = False
        self._self_metrics = self_metrics
        self._clock = clock
        self._client = self._make_client(loaded)
        self._parser = make_parser(loaded.config.stats_fields)
        self._rules = make_rules(loaded.config.agents)
        self._discovered = _at_start(loaded)
        """What is known of V-Spark by now; None before the first discovery has ended."""
        self._discovery_series = DiscoverySeries()
        self._targets = loaded.targets(self._discovered)
        self._changing = asyncio.Lock()
        self._discover_now = asyncio.Event()
        self._discovery_pauses = DiscoveryPauses()
        self.discovery_log = DiscoveryLog(log)
        self.discovering = False
        """Whether a discovery is running."""
        self.poller = Poller(
            self._targets, self._client, store, parser=self._parser, rules=self._rules, clock=clock, log=log
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped = True
        await self._client.__aexit__()

    @property
    def ready(self) -> bool:
        """Whether the first discovery and the first poll of every target have ended. Once true, it stays true."""
        self._ready = self._ready or (self._discovered is not None and self.poller.ready)
        return self._ready

    async def run(self) -> None:
        """Poll, and discover what the configuration leaves out, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.poller.run(), name=POLLER)
            tasks.create_task(self._keep_discovering(), name="discovery")

    async def follow(self, loaded: LoadedConfig) -> Replaced:
        """Poll by another configuration, and discover at once. What has not changed is kept, connections too.

        Raises ConfigError as above; nothing is changed then.
        """
        async with self._changing:
            before, old = self._loaded, self._client
            self._ready = self.ready
            config = loaded.config
            same_fields = config.stats_fields == before.config.stats_fields
            parser = self._parser if same_fields else make_parser(config.stats_fields)
            rules = self._rules if loaded.showing == before.showing else make_rules(config.agents)
            client = old if loaded.connection == before.connection else self._make_client(loaded)
            same_vspark = config.vspark.url == before.config.vspark.url and config.discovery.enabled
            discovered = self._discovered if same_vspark else _at_start(loaded)
            targets = loaded.targets(discovered)
            async with AsyncExitStack() as unused:
                if client is not old:
                    await unused.enter_async_context(client)
                replaced = await self.poller.replace(
                    targets,
                    client,
                    parser=parser,
                    rules=rules,
                    new_server=config.vspark.url != before.config.vspark.url,
                )
                if self._stopped:  # meanwhile, or before
                    return replaced
                unused.pop_all()
                if client is not old:
                    unused.push_async_exit(old)
                self._loaded, self._client, self._parser, self._rules = loaded, client, parser, rules
                self._discovered, self._targets = discovered, targets
        self._discovery_pauses = DiscoveryPauses()
        self._discover_now.set()
        return replaced

    async def _keep_discovering(self) -> None:
        while True:
            self._discover_now.clear()
            self.discovering = True
            outcome = await self._discover()
            self.discovering = False
            pause = self._discovery_pauses.after(outcome, self._loaded.config.discovery.interval_seconds)
            waiting = asyncio.create_task(self._discover_now.wait())
            sleeping = asyncio.create_task(self._clock.sleep(pause))
            try:
                await asyncio.wait({waiting, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                sleeping.cancel()

    async def _discover(self) -> Outcome | None:
        loaded, client = self._loaded, self._client
        outcome = None
        if loaded.config.discovery.enabled:
            # Half of the slots, so that a discovery of many orgs does not keep polls waiting.
            slots = max(1, loaded.config.poll.concurrency // 2)
            outcome = await discover(loaded.config, self._discovered or NOTHING, client.get, concurrency=slots)
        async with self._changing:
            if self._loaded is not loaded:  # a reload came in between, and has requested another discovery
                self._discover_now.set()
                return None
            discovered = outcome.discovered if outcome else NOTHING
            targets = loaded.targets(discovered)
            if targets != self._targets:
                replaced = await self.poller.replace(targets, client, parser=self._parser, rules=self._rules)
                self.discovery_log.targets_changed(replaced, targets)
            self._discovered, self._targets = discovered, targets
            async with self.poller.draft() as draft:
                self._discovery_series.put(outcome, targets, self._clock.time(), draft)
        self.discovery_log.record(outcome, self._clock.time())
        return outcome

    def _make_client(self, loaded: LoadedConfig) -> Client:
        config = loaded.config
        return Client(
            config.vspark,
            concurrency=config.poll.concurrency,
            observe=self._self_metrics.observe_request,
            bodies=make_bodies(config),
        )


def _at_start(loaded: LoadedConfig) -> Discovered | None:
    return None if loaded.config.discovery.enabled else NOTHING


def make_rules(agents: Agents) -> AgentRules:
    """Return the rules that the section `agents` describes. Reads the hash key."""
    return AgentRules(
        enabled=agents.enabled,
        max_per_folder=agents.max_per_folder,
        include=agents.include,
        exclude=agents.exclude,
        hash_key=read_secret(agents.hash_key_file).strip() if agents.hash_key_file else None,
    )


def make_bodies(config: Config) -> MappedBodies | None:
    """Return what maps responses by `stats_jq`; None if the key is not set."""
    if not config.stats_jq:
        return None
    max_bytes = config.vspark.max_response_bytes
    workers = config.poll.concurrency + bool(config.poll.previous_day_seconds)  # today's bodies wait for no other
    return MappedBodies(JqMapper(config.stats_jq, workers=workers, max_result_bytes=max_bytes))


def make_parser(fields: StatsFields) -> Parser:
    """Return a parser that knows an installation's own field names and its unit of durations."""
    return Parser(Layouts(**structs.asdict(fields)))
