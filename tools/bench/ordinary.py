"""An ordinary exporter to compare with: `json.loads`, prometheus_client's Gauges, `generate_latest` for each scrape.

It reads the same configuration file and sends the same requests: all targets at once at the start, then each on its own
offset within the interval, at most `concurrency` at a time.
"""

import argparse
import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

_FOLDER = ["company", "org", "folder"]


class Target(NamedTuple):
    """One request; without a `folder`, it is for the whole org."""

    company: str
    org: str
    folder: str = ""


class Exporter:
    """Polls targets and sets Gauges."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._url = config["vspark"]["url"]
        self._token = config["vspark"]["token"]
        self._interval_seconds = float(config["poll"]["interval"].removesuffix("ms")) / 1000
        self._concurrency = config["poll"]["concurrency"]
        self._targets = [
            Target(company["name"], org["name"], folder)
            for company in config["companies"]
            for org in company["orgs"]
            for folder in org.get("folders", [""])
        ]
        self._tried: set[Target] = set()
        self.registry = CollectorRegistry()
        self._calls = Gauge("vspark_folder_calls_today", "Calls.", _FOLDER, registry=self.registry)
        self._average = Gauge("vspark_folder_call_duration_average_seconds", "Mean.", _FOLDER, registry=self.registry)
        self._agent_calls = Gauge("vspark_agent_calls_today", "Calls.", [*_FOLDER, "agent"], registry=self.registry)
        self._agent_average = Gauge(
            "vspark_agent_call_duration_average_seconds", "Mean.", [*_FOLDER, "agent"], registry=self.registry
        )
        self._up = Gauge("vspark_up", "1 if the last poll succeeded.", _FOLDER, registry=self.registry)
        self._failures = Counter("vspark_poll_failures", "Failed polls.", _FOLDER, registry=self.registry)

    @property
    def ready(self) -> bool:
        """Whether every target has been polled."""
        return len(self._tried) == len(self._targets)

    async def run(self) -> None:
        """Poll until cancelled."""
        connector = aiohttp.TCPConnector(limit=self._concurrency)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
            slots = asyncio.Semaphore(self._concurrency)
            for target in self._targets:
                tasks.create_task(self._follow(target, session, slots))

    async def _follow(self, target: Target, session: aiohttp.ClientSession, slots: asyncio.Semaphore) -> None:
        now = asyncio.get_running_loop().time
        due = now() + random.random() * self._interval_seconds
        while True:
            async with slots:
                await self._poll(target, session)
            while due <= now():
                due += self._interval_seconds
            await asyncio.sleep(due - now())

    async def _poll(self, target: Target, session: aiohttp.ClientSession) -> None:
        try:
            path = "/".join(filter(None, target))
            async with session.get(f"{self._url}/stats/{path}", params={"token": self._token}) as response:
                response.raise_for_status()
                body = json.loads(await response.read())
            for record in body if isinstance(body, list) else [body]:
                self.set_values(target, record)
            self._up.labels(*target).set(1)
        except (aiohttp.ClientError, ValueError, KeyError):
            self._up.labels(*target).set(0)
            self._failures.labels(*target).inc()
        self._tried.add(target)

    def set_values(self, target: Target, record: dict[str, Any]) -> None:
        """Set the Gauges of a folder by its day record."""
        labels = (target.company, target.org, record.get("folder") or target.folder)
        calls, seconds = 0, 0
        for agent, values in _agents(record):
            numbers = values.get("overall", values)
            mean = _seconds(numbers)
            self._agent_calls.labels(*labels, agent).set(values["calls"])
            self._agent_average.labels(*labels, agent).set(mean)
            calls += values["calls"]
            seconds += values["calls"] * mean
        if "calls" in record:
            self._calls.labels(*labels).set(record["calls"])
            self._average.labels(*labels).set(_seconds(record))
        elif calls:
            self._calls.labels(*labels).set(calls)
            self._average.labels(*labels).set(seconds / calls)

    def remove_values(self, target: Target, agents: Iterable[str]) -> None:
        """Remove the series of a folder and its agents."""
        for agent in agents:
            self._agent_calls.remove(*target, agent)
            self._agent_average.remove(*target, agent)
        self._calls.remove(*target)
        self._average.remove(*target)


def _agents(record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    match record["agents"]:
        case dict(agents):
            yield from agents.items()
        case list(agents):
            for each in agents:
                yield each["agent"], each
        case _:  # their number; they are fields of the record
            for name, value in record.items():
                if isinstance(value, dict):
                    yield name, value


def _seconds(values: dict[str, Any]) -> int:
    duration = values.get("avgduration") or values["duration"]
    hours, minutes, seconds = duration.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def main() -> None:
    """Serve until the process is terminated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    flags = parser.parse_args()
    config = json.loads(flags.config.read_text("utf-8"))

    async def polling(app: web.Application) -> AsyncIterator[None]:
        exporter = Exporter(config)
        app["exporter"] = exporter
        task = asyncio.create_task(exporter.run())
        yield
        task.cancel()

    async def metrics(request: web.Request) -> web.Response:
        output = generate_latest(request.app["exporter"].registry)
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            output = gzip.compress(output)
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=output, headers=headers)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def ready(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.app["exporter"].ready else 503)

    app = web.Application()
    app.cleanup_ctx.append(polling)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)
    web.run_app(app, host="127.0.0.1", port=flags.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
