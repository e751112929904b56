"""The command `demo`: a simulated V-Spark and the exporter that polls it, in one process.

The clock is the real one while it serves, so that Prometheus can scrape it. It is afternoon because the orgs are in
time zones where it is afternoon now. Before it serves, it polls the day so far in a second or two.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import cycle
from typing import Final

from msgspec.structs import replace as with_fields
from structlog.typing import FilteringBoundLogger

from exporter.app import ServeOptions, serve
from exporter.cli.day_replay import ReplayClock, half_hours, replay
from exporter.config.loaded import LoadedConfig
from exporter.config.schema import Company, Config, Discovery, Org, Poll, Vspark
from exporter.config.tokens import LiteralToken
from exporter.config.units import Duration
from exporter.polling.manager import PollManager
from exporter.polling.org_day import ZoneDays, midnight
from exporter.simulator import Fault, Simulator, Site, afternoon_site, zone_at
from exporter.simulator.afternoon import HOURS, SILENT_FOLDER, SILENT_ORG
from exporter.web.server import WebServer

_INTERVAL_SECONDS: Final = 5
_FAILING: Final = ("DocTestCo", "DocTestCo-West")
_WRONG_TOKEN, _UNAVAILABLE = Fault.status(401), Fault.status(503)
_FAILS_SECONDS: Final = 60.0
_STALE_AFTER_SECONDS: Final = 1.5 * _FAILS_SECONDS
"""So that the values of the org stay while it fails."""
_FAILS_AT: Final = 9
_MISZONED: Final = "LotusTravel-Bookings"


def demo_config(site: Site, url: str) -> Config:
    """Return the configuration of two lines for a simulated site, and an interval: all else is discovered."""
    return Config(
        vspark=Vspark(url=url, token=LiteralToken(site.root_token), timeout_seconds=Duration(_INTERVAL_SECONDS)),
        poll=Poll(interval_seconds=Duration(_INTERVAL_SECONDS)),
    )


async def demo(serving: ServeOptions, log: FilteringBoundLogger) -> int:
    """Run until SIGTERM or SIGINT, and return the exit code."""
    clock = ReplayClock()
    site = afternoon_site(clock.utc())
    async with Simulator(site, clock=clock.utc) as simulator, asyncio.TaskGroup() as tasks:
        # A proxy from the environment cannot reach the simulator on this machine.
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = simulator.host
        replayed = asyncio.Event()
        loaded = LoadedConfig.of(afternoon_config(site, simulator.url, clock.utc()))

        async def replay_day(polling: PollManager, stop: asyncio.Event) -> None:
            sys.stdout.write("replay   the day so far, which takes a second or two\n")
            sys.stdout.flush()
            logging.disable(logging.WARNING)  # its recoveries after an hour would be lines of this second
            try:
                await replay(polling, _patient(loaded), clock, _times(simulator), stop)
            finally:
                logging.disable(logging.NOTSET)
            await polling.follow(loaded)
            replayed.set()

        async def fail_when_replayed() -> None:
            await replayed.wait()
            await fail_now_and_then(simulator, asyncio.sleep)

        failing = tasks.create_task(fail_when_replayed())
        try:
            return await serve(
                loaded, lambda: loaded, serving, log, partial(_show, serving, simulator), clock=clock, before=replay_day
            )
        finally:
            failing.cancel()


async def fail_now_and_then(simulator: Simulator, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Reject the token of one org for a minute, a minute later fail with status 503 for a minute, and so on."""
    for fault in cycle((_WRONG_TOKEN, _UNAVAILABLE)):
        simulator.fail(*_FAILING, fault=fault)
        await sleep(_FAILS_SECONDS)
        simulator.heal(*_FAILING)
        await sleep(_FAILS_SECONDS)


def afternoon_config(site: Site, url: str, now: datetime) -> Config:
    """Return the configuration for an afternoon site at `now`.

    It lists the companies, because one of their orgs has another zone than in V-Spark.
    """
    config = demo_config(site, url)
    wrong = Org(name=_MISZONED, timezone=zone_at(HOURS[_MISZONED] + 1, now))
    companies = (
        Company(name=company.name, orgs=(wrong,) if _MISZONED in {org.name for org in company.orgs} else None)
        for company in site.companies
    )
    poll = with_fields(config.poll, stale_after_seconds=Duration(_STALE_AFTER_SECONDS))
    return with_fields(config, poll=poll, companies=tuple(companies))


def _patient(loaded: LoadedConfig) -> LoadedConfig:
    """Return the configuration for the replay: a poll is due every half hour, and no values are stale until then."""
    config = loaded.config
    day = Duration(timedelta(days=1).total_seconds())
    poll = Poll(interval_seconds=Duration(20), stale_after_seconds=day)
    discovery = Discovery(interval_seconds=day)
    return LoadedConfig.of(with_fields(config, poll=poll, discovery=discovery))


def _times(simulator: Simulator) -> Iterator[float]:
    """Yield the Unix times of the replay, and reject the token of one org from 9 to 10 in its morning."""
    now = simulator.clock().timestamp()
    zones = {org.name: org.zone for company in simulator.site.companies for org in company.orgs}
    first_midnight = min(midnight(zone, ZoneDays().today(zone, now)) for zone in zones.values())
    for at in half_hours(first_midnight, now):
        simulator.heal(*_FAILING)
        if datetime.fromtimestamp(at, zones[_FAILING[1]]).hour == _FAILS_AT:
            simulator.fail(*_FAILING, fault=_WRONG_TOKEN)
        yield at


def _show(serving: ServeOptions, simulator: Simulator, web: WebServer) -> None:
    (url, *_) = web.urls
    sys.stdout.write(
        f"page     {url}/ (of the simulated V-Spark at {simulator.url}, token {simulator.site.root_token})\n"
        f"metrics  {url}{serving.metrics_path}\n"
        f"look at  {_FAILING[1]}, which fails every other minute: its token is rejected, the next time V-Spark "
        f"responds with 503; {SILENT_ORG}/{SILENT_FOLDER}, silent since 11:00; "
        f"{_MISZONED}, configured with a wrong time zone\n"
    )
    sys.stdout.flush()
