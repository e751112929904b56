"""One discovery, for the commands that do not serve."""

from collections.abc import Mapping, Sequence

from exporter.config.discovered import NOTHING, NameFilter
from exporter.config.schema import Config
from exporter.errors import PollError
from exporter.vspark.client import Client
from exporter.vspark.discovery import COMPANIES, Outcome, discover


async def discover_once(config: Config) -> Outcome | None:
    """Return what V-Spark lists now; None if `discovery.enabled` is false."""
    if not config.discovery.enabled:
        return None
    concurrency = config.poll.concurrency
    async with Client(config.vspark, concurrency=concurrency, observe=lambda *_: None) as client:
        return await discover(config, NOTHING, client.get, concurrency=concurrency)


def failures_in(outcome: Outcome | None, names: Sequence[str]) -> Mapping[str, PollError]:
    """Return the companies of `names`, of all if it is empty, whose discovery has failed, and why."""
    companies = {COMPANIES, *(name.partition("/")[0] for name in names)}
    failures = outcome.failures if outcome else {}
    return {company: failure for company, failure in failures.items() if not names or company in companies}


def is_unlisted(config: Config, outcome: Outcome | None, company: str, org: str) -> bool:
    """Return whether V-Spark has been asked for this org, and has not listed it.

    It is False if a pattern of `discovery` leaves the org out: then V-Spark may list it.
    """
    names = NameFilter(config.discovery.include, config.discovery.exclude)
    if outcome is None or failures_in(outcome, [company]) or not (names.allows(company) and names.allows(company, org)):
        return False
    configured = next((each for each in config.companies or () if each.name == company), None)
    asked = config.companies is None or (configured is not None and configured.orgs is None)
    return asked and org not in outcome.discovered.companies.get(company, {})
