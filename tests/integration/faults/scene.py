"""A target with faults and a healthy neighbour, polled from one simulated V-Spark by one client."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import trustme
from prometheus_client.parser import text_string_to_metric_families

from exporter.config.schema import Tls
from exporter.config.tokens import FileToken
from exporter.simulator import Fault, Simulator
from exporter.vspark.client import Client
from exporter.vspark.mapped_bodies import MappedBodies
from exporter.vspark.mapping import JqMapper
from tests.support.fake_clock import NOON, FakeClock, RunningPoller, polling, site_of, target_of
from tests.support.raw_servers import CANARY, Pauses, client_of, until

_CONCURRENCY = 2
_PATIENCE_SECONDS = 300
FAULTY, NEIGHBOUR = "O", "N"
_CALLS = ("vspark_folder_calls_today", "vspark_agent_calls_today")
_OF_POLLS = ("vspark_up{", "vspark_last_", "vspark_poll")


@dataclass
class Scene:
    """The requests, the client that sends them, and their outcome.

    `said` is the number of calls in a healthy response, `seen` the number of log lines that have been checked.
    """

    simulator: Simulator
    client: Client
    clock: FakeClock
    watched: RunningPoller
    host: str
    token_file: Path | None = None
    said: int = 0
    seen: int = 0

    def speak(self, *orgs: str) -> None:
        """Let these orgs have one call more than any org had before."""
        self.said += 1
        for org in orgs:
            self.simulator.override("C", org, body=b'{"A":{"calls":%d,"agents":{"a1":%d}}}' % (self.said, self.said))

    async def heal(self) -> None:
        """Poll both orgs while they are healthy."""
        self.speak(FAULTY, NEIGHBOUR)
        await self.watched.polled()

    async def fail(self, fault: Fault, times: int | None = None) -> None:
        """Poll the healthy neighbour, and the other org while it fails."""
        self.speak(NEIGHBOUR)
        self.simulator.fail("C", FAULTY, fault=fault, times=times)
        await self.watched.polled()

    async def fail_by_token(self, make: Callable[[Path], object]) -> None:
        """Poll the healthy neighbour, and the other org while `make` has replaced its token file."""
        assert self.token_file is not None
        self.speak(NEIGHBOUR)
        self.token_file.unlink()
        make(self.token_file)
        await self.watched.polled()
        if self.token_file.is_dir():
            self.token_file.rmdir()
        self.token_file.unlink(missing_ok=True)
        self.token_file.write_text(CANARY)

    async def fail_slowly(self, fault: Fault) -> float:
        """Do the same if it may take a minute; return the longest time in seconds for which the loop was blocked."""
        self.speak(NEIGHBOUR)
        self.simulator.fail("C", FAULTY, fault=fault)
        polls = self._polls() + 2
        self.clock.advance(60)
        longest, last = 0.0, monotonic()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while self._polls() < polls or not self.watched.idle:
                await asyncio.sleep(0)
                longest, last = max(longest, monotonic() - last), monotonic()
        return longest

    def _polls(self) -> int:
        """Count the polls that have ended."""
        return sum(state.series.published.polls.polls for state in self.watched.poller._states)

    def values(self, org: str) -> list[str]:
        """Return the samples that stem from a response."""
        return [line for line in self.watched.lines(f'org="{org}"') if not line.startswith(_OF_POLLS)]

    def published(self) -> dict[tuple[str, ...], float]:
        """Return the calls of the faulty target's folders and agents, read by Prometheus's own parser."""
        return {
            tuple(sample.labels[name] for name in ("folder", "agent") if name in sample.labels): sample.value
            for family in text_string_to_metric_families(self.watched.page())
            if family.name in _CALLS
            for sample in family.samples
            if sample.labels["org"] == FAULTY
        }

    def poll_value(self, name: str, org: str, **labels: str) -> float | None:
        """Return a poll metric of an org."""
        more = "".join(f',{label}="{value}"' for label, value in labels.items())
        return self.watched.value(f'{name}{{company="C",folder="",org="{org}"{more}}}')

    def is_fresh(self, org: str) -> bool:
        """Return whether an org's last poll has just succeeded, with the latest number."""
        return (
            self.poll_value("vspark_up", org) == 1
            and self.poll_value("vspark_last_success_timestamp_seconds", org) == self.clock.time()
            and self.watched.value(f'vspark_folder_calls_today{{company="C",folder="A",org="{org}"}}') == self.said
        )

    def warnings(self) -> list[dict[str, object]]:
        """Return the log lines above debug since the last call, with HOST:PORT and FILE."""
        names = {self.host: "HOST", str(self.simulator.port): "PORT"}
        if self.token_file:
            names = {str(self.token_file): "FILE"} | names
        seen, self.seen = self.seen, len(self.watched.logged)
        return [
            {key: _renamed(value, names) if isinstance(value, str) else value for key, value in each.items()}
            for each in self.watched.logged[seen:]
            if each["log_level"] != "debug"
        ]

    def held(self) -> dict[str, int]:
        """Count what may leak: what is there beyond an idle connection for each request at a time, with its server."""
        connector = self.client._session.connector
        assert connector is not None
        idle = sum(map(len, connector._conns.values()))
        return {
            "tasks": len(asyncio.all_tasks()) - idle,
            "descriptors": len(os.listdir("/proc/self/fd")) - 2 * idle,  # noqa: PTH208 # names are enough
            "connections in use": len(connector._acquired),
            "connections too many": max(0, idle - _CONCURRENCY),
        }


def _renamed(text: str, names: dict[str, str]) -> str:
    for name, new in names.items():
        text = text.replace(name, new)
    return text


@asynccontextmanager
async def staging(
    *,
    timeout_seconds: float,
    limit_bytes: int,
    host: str = "127.0.0.1",
    authority: trustme.CA | None = None,
    token_file: Path | None = None,
    program: str = "",
) -> AsyncIterator[Scene]:
    """Have both targets polled twice in health; at the end nothing that people see may hold the token.

    `host` is the name in the URL, `authority` the CA that the client trusts, where V-Spark speaks TLS. The faulty
    target's token is in `token_file`, if there is one. `program` is that of `stats_jq`.
    """
    clock = FakeClock(NOON)
    targets = target_of("US/Eastern", org=FAULTY), target_of("US/Eastern", org=NEIGHBOUR)
    if token_file:
        targets = replace(targets[0], token=FileToken(token_file)), targets[1]
    async with AsyncExitStack() as stack:
        context = authority and server_context(authority.issue_cert(host))
        simulator = await stack.enter_async_context(
            Simulator(site_of(*targets), clock=clock.utc, ssl_context=context or None)
        )
        bodies = MappedBodies(JqMapper(program, workers=1, max_result_bytes=limit_bytes))
        ca_file = authority and Path(stack.enter_context(authority.cert_pem.tempfile()))
        client = await stack.enter_async_context(
            client_of(
                simulator.url.replace("127.0.0.1", host),
                concurrency=_CONCURRENCY,
                timeout_seconds=timeout_seconds,
                limit_bytes=limit_bytes,
                tls=Tls(ca_file=ca_file or None),
                sleep=Pauses(),
                bodies=bodies if program else None,
            )
        )
        watched = await stack.enter_async_context(polling(clock, client, *targets))
        scene = Scene(simulator, client, clock, watched, host, token_file)
        scene.speak(FAULTY, NEIGHBOUR)
        await until(lambda: watched.poller.ready)
        await scene.heal()
        yield scene
        watched.assert_secret()


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Make what a server needs to show a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context
