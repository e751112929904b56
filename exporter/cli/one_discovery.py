"""One discovery, for the commands that do not serve."""

from exporter.config.discovered import NOTHING
from exporter.config.schema import Config
from exporter.vspark.client import Client
from exporter.vspark.discovery import Outcome, discover


async def discover_once(config: Config) -> Outcome | None:
    """Return what V-Spark lists now; None if `discovery.enabled` is false."""
    if not config.discovery.enabled:
        return None
    concurrency = config.poll.concurrency
    async with Client(config.vspark, concurrency=concurrency, observe=lambda *_: None) as client:
        return await discover(config, NOTHING, client.get, concurrency=concurrency)
