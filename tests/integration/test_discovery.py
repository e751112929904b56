"""Discovery against the simulator: what is polled, with which token, and what is published and logged."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import structlog
from structlog.testing import LogCapture

from exporter.config.loaded import ALL, LoadedConfig, Share
from exporter.config.schema import Company, Config, Discovery, Org, Vspark
from exporter.config.tokens import LiteralToken
from exporter.config.units import Duration
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format
from exporter.polling.manager import PollManager
from exporter.simulator import Company as SimulatedCompany
from exporter.simulator import Fault, Folder, Simulator, Site
from exporter.simulator import Org as SimulatedOrg
from tests.support.exposition_oracle import assert_valid
from tests.support.fake_clock import FakeClock
from tests.support.raw_servers import until

NOON = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)  # a Monday, 12:00 in US/Eastern
ROOT, A_TOKEN, B_TOKEN = "root-c4n4ry", "a-c4n4ry", "b-c4n4ry"
EAST = SimulatedOrg("A-East", "US/Eastern", (Folder("Busy", 500), Folder("Silent", 0)))
KOLKATA = SimulatedOrg("A-India", "Asia/Kolkata", (Folder("Sales", 500),))
WEST = SimulatedOrg("B-West", "US/Pacific", (Folder("West", 500),))
SITE = Site((SimulatedCompany("A", A_TOKEN, (EAST, KOLKATA)), SimulatedCompany("B", B_TOKEN, (WEST,))), root_token=ROOT)
EVERY = 600.0


def with_orgs(*orgs: SimulatedOrg) -> Site:
    """Return the site with other orgs in company A."""
    return replace(SITE, companies=(SimulatedCompany("A", A_TOKEN, orgs), *SITE.companies[1:]))


class Discovering:
    """A poll manager that discovers, on a clock that a test moves."""

    def __init__(self, simulator: Simulator, clock: FakeClock, config: Config, share: Share) -> None:
        capture = LogCapture()
        self.simulator = simulator
        self.clock = clock
        self.store = Store()
        self.logged = capture.entries
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[capture])
        self.manager = PollManager(LoadedConfig.of(config, share), self.store, SelfMetrics(process=False), clock, log)

    def samples(self, *names: str) -> list[str]:
        """Return the samples of these families, without their prefix `vspark_`."""
        page = b"".join(self.store.pages[Format.TEXT].text()[1])
        assert_valid(page, Format.TEXT)
        assert b"c4n4ry" not in page
        lines = page.decode().splitlines()
        return [
            line.removeprefix("vspark_")
            for name in names
            for line in lines
            if line.partition("{")[0] == f"vspark_{name}"
        ]

    def events(self, *names: str) -> list[dict[str, object]]:
        assert "c4n4ry" not in repr(self.logged)
        return [dict(entry) for entry in self.logged if entry["event"] in names]

    @property
    def requests(self) -> list[tuple[str, str]]:
        """The path and the token of each request so far."""
        return [(request.path, request.query["token"]) for request in self.simulator.requests]

    async def settled(self) -> None:
        """Wait until the first discovery and all polls have ended."""
        await until(
            lambda: (
                self.manager.ready
                and all(not status.polling for status in self.manager.poller.status())
                and not self.store.changed
            )
        )

    async def discovered_again(self, seconds: float = EVERY) -> None:
        """Let time pass until the next discovery has ended, after `seconds`, and the polls that it began."""
        before = sum(path.startswith(("/list", "/config")) for path, _ in self.requests)
        await self.clock.pass_time(seconds)
        await until(lambda: sum(path.startswith(("/list", "/config")) for path, _ in self.requests) > before)
        await asyncio.sleep(0)
        await until(lambda: not self.manager.discovering)
        await self.settled()


def config_of(
    url: str, companies: Sequence[Company] | None = None, discovery: Discovery | None = None, token: str | None = ROOT
) -> Config:
    return Config(
        vspark=Vspark(url=url, token=LiteralToken(token) if token else None),
        companies=None if companies is None else tuple(companies),
        discovery=discovery or Discovery(interval_seconds=Duration(EVERY)),
    )


@asynccontextmanager
async def discovering(
    companies: Sequence[Company] | None = None,
    *,
    site: Site = SITE,
    discovery: Discovery | None = None,
    token: str | None = ROOT,
    share: Share = ALL,
    fail: Sequence[str] = (),
) -> AsyncIterator[Discovering]:
    clock = FakeClock(NOON)
    async with Simulator(site, clock=clock.utc) as simulator:
        for path in fail:
            simulator.fail_path(path, fault=Fault.status(403))
        running = Discovering(simulator, clock, config_of(simulator.url, companies, discovery, token), share)
        async with running.manager:
            task = asyncio.create_task(running.manager.run())
            try:
                await running.settled()
                yield running
            finally:
                task.cancel()
                await asyncio.wait({task})


async def test_two_lines_are_a_complete_configuration() -> None:
    async with discovering() as running:
        assert running.samples("folder_calls_today", "discovery_up", "org_timezone_mismatch") == [
            'folder_calls_today{company="A",folder="Busy",org="A-East"} 219.0',
            'folder_calls_today{company="A",folder="Silent",org="A-East"} 0.0',
            'folder_calls_today{company="A",folder="Sales",org="A-India"} 559.0',
            'folder_calls_today{company="B",folder="West",org="B-West"} 51.0',
            'discovery_up{company=""} 1.0',
            'discovery_up{company="A"} 1.0',
            'discovery_up{company="B"} 1.0',
            'org_timezone_mismatch{company="A",org="A-East"} 0.0',
            'org_timezone_mismatch{company="A",org="A-India"} 0.0',
            'org_timezone_mismatch{company="B",org="B-West"} 0.0',
        ]
        assert sorted(running.requests) == [
            ("/config/A/orgs", ROOT),
            ("/config/B/orgs", ROOT),
            ("/list", ROOT),
            ("/list/A/A-East/folders", ROOT),
            ("/list/A/A-India/folders", ROOT),
            ("/list/A/orgs", ROOT),
            ("/list/B/B-West/folders", ROOT),
            ("/list/B/orgs", ROOT),
            ("/stats/A/A-East", ROOT),
            ("/stats/A/A-India", ROOT),
            ("/stats/B/B-West", ROOT),
        ]
        days = {request.path: request.query.get("daterange") for request in running.simulator.requests}
        assert days["/stats/A/A-India"] == "20261123-20261123"


async def test_a_company_token_is_used_for_its_own_company_only() -> None:
    companies = [Company(name="A", token=LiteralToken(A_TOKEN)), Company(name="B")]
    async with discovering(companies) as running:
        assert {path.split("/")[2]: token for path, token in running.requests} == {"A": A_TOKEN, "B": ROOT}
        assert running.samples("discovery_up") == ['discovery_up{company="A"} 1.0', 'discovery_up{company="B"} 1.0']


async def test_names_in_the_file_are_not_listed() -> None:
    orgs = (Org("A-East", folders=("Busy",)), Org("A-India"))
    async with discovering([Company(name="A", token=LiteralToken(A_TOKEN), orgs=orgs)], token=None) as running:
        assert sorted(path for path, _ in running.requests) == [
            "/config/A/orgs",
            "/list/A/A-India/folders",
            "/stats/A/A-East/Busy",
            "/stats/A/A-India",
        ]


async def test_a_disabled_discovery_sends_no_request() -> None:
    companies = [Company(name="A", orgs=(Org("A-East", "US/Eastern"),))]
    async with discovering(companies, discovery=Discovery(enabled=False)) as running:
        await running.clock.pass_time(3600)
        await running.settled()
        assert {path for path, _ in running.requests} == {"/stats/A/A-East"}
        assert running.samples("discovery_up", "org_timezone_mismatch") == []


async def test_patterns_choose_companies_orgs_and_folders() -> None:
    discovery = Discovery(interval_seconds=Duration(EVERY), include="A(/.*)?", exclude=".*/(A-India|Busy)")
    async with discovering(discovery=discovery) as running:
        assert running.samples("folder_calls_today", "up") == [
            'folder_calls_today{company="A",folder="Silent",org="A-East"} 0.0',
            'up{company="A",folder="",org="A-East"} 1.0',
        ]


async def test_what_is_new_appears_and_what_is_deleted_disappears() -> None:
    async with discovering() as running:
        new = SimulatedOrg("A-New", "UTC", (Folder("N", 0),))
        running.simulator.site = with_orgs(replace(EAST, folders=(Folder("Later", 0), Folder("Silent", 0))), new)
        await running.discovered_again()
        assert running.samples("folder_calls_today") == [
            'folder_calls_today{company="A",folder="Later",org="A-East"} 0.0',
            'folder_calls_today{company="A",folder="Silent",org="A-East"} 0.0',
            'folder_calls_today{company="A",folder="N",org="A-New"} 0.0',
            'folder_calls_today{company="B",folder="West",org="B-West"} 59.0',
        ]
        assert [sample for sample in running.samples("up", "org_timezone_mismatch") if "A-India" in sample] == []
        assert running.events("targets_discovered")[1:] == [
            {"event": "targets_discovered", "log_level": "info", "targets": 3, "added": 1, "changed": 1, "removed": 1}
        ]


async def test_after_a_failure_what_is_known_stays() -> None:
    async with discovering() as running:
        before = running.samples("folder_calls_total")
        for path in ("/list", "/config/A/orgs", "/list/B/orgs"):
            running.simulator.fail_path(path, fault=Fault.status(403))
        for seconds in (EVERY, 5.0):
            await running.discovered_again(seconds)
        assert len(running.samples("folder_calls_total")) == len(before) == 4
        assert running.samples("discovery_up", "discovery_failures_total") == [
            'discovery_up{company=""} 0.0',
            'discovery_up{company="A"} 0.0',
            'discovery_up{company="B"} 0.0',
            'discovery_failures_total{company="",reason="auth"} 2.0',
            'discovery_failures_total{company="A",reason="auth"} 2.0',
            'discovery_failures_total{company="B",reason="auth"} 2.0',
        ]
        assert running.samples("discovery_last_success_timestamp_seconds")[0] == (
            'discovery_last_success_timestamp_seconds{company=""} 1.7954532e+09'
        )
        assert [(event["company"], event["reason"]) for event in running.events("discovery_failed")] == [
            ("", "auth"),
            ("A", "auth"),
            ("B", "auth"),
        ]
        running.simulator.heal_all()
        await running.discovered_again(10.0)
        assert running.samples("discovery_up") == [
            'discovery_up{company=""} 1.0',
            'discovery_up{company="A"} 1.0',
            'discovery_up{company="B"} 1.0',
        ]
        assert sorted(str(event["company"]) for event in running.events("discovery_recovered")) == ["", "A", "B"]


async def test_a_discovery_that_fails_at_the_start_is_repeated_soon_and_logged_once() -> None:
    async with discovering(fail=("/list",)) as running:
        for seconds in (5.0, 10.0, 20.0, 40.0, 60.0):
            assert running.samples("up") == []
            assert running.manager.ready
            await running.discovered_again(seconds)
        assert running.requests == [("/list", ROOT)] * 6
        assert [(event["company"], event["reason"]) for event in running.events("discovery_failed")] == [("", "auth")]
        running.simulator.heal_all()
        await running.discovered_again(60.0)
        assert len(running.samples("up")) == 3
        assert [(event["company"], event["after_seconds"]) for event in running.events("discovery_recovered")] == [
            ("", 195.0)
        ]


async def test_without_any_success_what_the_file_names_is_polled() -> None:
    companies = [Company(name="A", orgs=(Org("A-East", "US/Eastern", ("Busy",)), Org("A-India")))]
    async with discovering(companies, fail=("/config/A/orgs", "/list/A/A-India/folders")) as running:
        assert running.samples("up", "discovery_up") == [
            'up{company="A",folder="Busy",org="A-East"} 1.0',
            'up{company="A",folder="",org="A-India"} 1.0',
            'discovery_up{company="A"} 0.0',
        ]
        days = {request.path: request.query.get("daterange") for request in running.simulator.requests}
        assert (days["/stats/A/A-East/Busy"], days["/stats/A/A-India"]) == ("20261123-20261123", None)
        assert [event["place"] for event in running.events("no_time_zone")] == [
            "A/A-India has no time zone, so no date is sent and the server's today counts"
        ]


@pytest.mark.parametrize(("zone", "differs"), [("Asia/Tokyo", 1.0), ("Asia/Calcutta", 0.0)])
async def test_the_file_wins_over_v_spark_s_time_zone(zone: str, differs: float) -> None:
    async with discovering([Company(name="A", orgs=(Org("A-India", zone),))]) as running:
        assert running.samples("org_timezone_mismatch") == [
            f'org_timezone_mismatch{{company="A",org="A-India"}} {differs}'
        ]
        (status,) = running.manager.poller.status()
        assert (status.target.zone and status.target.zone.key) == zone
        assert (status.target.vspark_zone and status.target.vspark_zone.key) == "Asia/Kolkata"


async def test_names_that_cannot_be_polled_are_left_out_and_logged_once() -> None:
    names = ("a/b", "new\nline", "x" * 3000, "..", "Good")
    org = SimulatedOrg("A-East", "US/Eastern", tuple(Folder(name, 0) for name in names))
    async with discovering(site=with_orgs(org)) as running:
        await running.discovered_again()
        assert running.samples("folder_calls_today")[:2] == [
            'folder_calls_today{company="A",folder="Good",org="A-East"} 0.0',
            'folder_calls_today{company="A",folder="a/b",org="A-East"} 0.0',
        ]
        assert running.events("names_left_out") == [
            {
                "event": "names_left_out",
                "log_level": "warning",
                "count": 3,
                "names": "/list/A/A-East/folders: 'new\\nline' contains a control character or a lone surrogate; "
                "/list/A/A-East/folders: a name of 3,000 characters; at most 1,024 are accepted; "
                "/list/A/A-East/folders: a name must not be '..', which is removed from a URL",
            }
        ]


async def test_a_zone_that_is_not_in_the_tz_database() -> None:
    running_site = SITE  # the simulator cannot have such a zone itself
    async with discovering(site=running_site, fail=()) as running:
        body = b'{"A-East":{"timezone":"Mars/Base"},"A-India":{"timezone":"Asia/Kolkata"}}'
        running.simulator.fail_path("/config/A/orgs", fault=Fault.answer(body))
        await running.discovered_again()
        zones = {
            status.target.org: status.target.zone and status.target.zone.key
            for status in running.manager.poller.status()
        }
        assert zones == {"A-East": None, "A-India": "Asia/Kolkata", "B-West": "US/Pacific"}


async def test_each_shard_polls_its_own_part_of_what_is_discovered() -> None:
    polled: list[str] = []
    for number in range(3):
        async with discovering(share=Share(number, 3)) as running:
            polled += [status.target.name for status in running.manager.poller.status()]
    assert sorted(polled) == ["A/A-East", "A/A-India", "B/B-West"]


async def test_a_reload_discovers_at_once() -> None:
    async with discovering([Company(name="B")]) as running:
        await running.manager.follow(LoadedConfig.of(config_of(running.simulator.url)))
        await until(lambda: len(list(running.manager.poller.status())) == 3)
        await running.settled()
        assert len(running.samples("folder_calls_today")) == 4


async def test_a_reload_without_changes_discovers_at_once_too() -> None:
    async with discovering(fail=("/list",)) as running:
        running.simulator.heal_all()
        await running.manager.follow(LoadedConfig.of(config_of(running.simulator.url)))
        await until(lambda: len(list(running.manager.poller.status())) == 3)
        await running.settled()
        assert len(running.samples("folder_calls_today")) == 4


async def test_very_many_folders() -> None:
    names = b"[" + b",".join(b'"F%06d"' % number for number in range(20_000)) + b"]"
    async with discovering([Company(name="A", orgs=(Org("A-East", "US/Eastern"),))]) as running:
        running.simulator.fail_path("/list/A/A-East/folders", fault=Fault.answer(names))
        await running.discovered_again()
        (status,) = running.manager.poller.status()
        assert len(status.folders) == 20_001  # with the one that has calls


async def test_a_reload_keeps_it_ready() -> None:
    async with discovering([Company(name="A", orgs=(Org("A-East"),))]) as running:
        running.simulator.fail("B", "B-West", fault=Fault.slow(30))
        await running.manager.follow(LoadedConfig.of(config_of(running.simulator.url)))
        await until(lambda: [status.target.name for status in running.manager.poller.status()][-1:] == ["B/B-West"])
        assert not running.manager.poller.ready
        assert running.manager.ready


async def test_another_installation_is_discovered_anew() -> None:
    async with discovering() as running, Simulator(with_orgs(), clock=running.clock.utc) as other:
        other.site = replace(other.site, companies=other.site.companies[1:])
        await running.manager.follow(LoadedConfig.of(config_of(other.url)))
        await until(lambda: running.samples("up") == ['up{company="B",folder="",org="B-West"} 1.0'])
        assert running.samples("discovery_up") == [
            'discovery_up{company=""} 1.0',
            'discovery_up{company="B"} 1.0',
        ]
