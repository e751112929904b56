"""An ordinary exporter to compare with: `json.loads`, prometheus_client's Gauges, `generate_latest` for each scrape."""

import argparse
import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest

_FOLDER = ["company", "org", "folder"]


class Exporter:
    """Polls one org and sets Gauges."""

    def __init__(self, url: str, interval_seconds: float) -> None:
        self._url = url
        self._interval_seconds = interval_seconds
        self.registry = CollectorRegistry()
        self.ready = asyncio.Event()
        self._calls = Gauge("vspark_folder_calls_today", "Calls.", _FOLDER, registry=self.registry)
        self._average = Gauge("vspark_folder_call_duration_average_seconds", "Mean.", _FOLDER, registry=self.registry)
        self._agent_calls = Gauge("vspark_agent_calls_today", "Calls.", [*_FOLDER, "agent"], registry=self.registry)
        self._agent_average = Gauge(
            "vspark_agent_call_duration_average_seconds", "Mean.", [*_FOLDER, "agent"], registry=self.registry
        )

    async def run(self) -> None:
        """Poll until cancelled."""
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(self._url) as response:
                    self._set(json.loads(await response.read()))
                self.ready.set()
                await asyncio.sleep(self._interval_seconds)

    def _set(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            labels = ("WideCo", "WideCo-Org", record["folder"])
            self._calls.labels(*labels).set(record["calls"])
            self._average.labels(*labels).set(_seconds(record["avgduration"]))
            for agent, values in record["agents"].items():
                self._agent_calls.labels(*labels, agent).set(values["calls"])
                self._agent_average.labels(*labels, agent).set(_seconds(values["avgduration"]))


def _seconds(duration: str) -> int:
    hours, minutes, seconds = duration.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def main() -> None:
    """Serve until the process is terminated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--interval", type=float, required=True)
    flags = parser.parse_args()

    async def polling(app: web.Application) -> AsyncIterator[None]:
        exporter = Exporter(flags.url, flags.interval)
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
        return web.Response(status=200 if request.app["exporter"].ready.is_set() else 503)

    app = web.Application()
    app.cleanup_ctx.append(polling)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)
    web.run_app(app, host="127.0.0.1", port=flags.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
