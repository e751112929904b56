"""The series of discovery: how it went for each company, and which orgs have another time zone in V-Spark."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from exporter.config.targets import Target
from exporter.exposition.families import (
    DISCOVERY_FAILURES,
    DISCOVERY_VALUES,
    ORG_TIMEZONE_MISMATCH,
    DiscoveryFigures,
)
from exporter.exposition.store import Draft
from exporter.exposition.text_format import label_text, sample
from exporter.vspark.discovery import Outcome


class PublishedDiscovery(Struct, frozen=True):
    """What is published: the figures of each company, and whether an org's zones differ, by company and org."""

    companies: Mapping[str, DiscoveryFigures] = {}
    mismatches: Mapping[tuple[str, str], bool] = {}


class DiscoverySeries:
    """Publishes the outcomes of discoveries; `published` is their state."""

    def __init__(self) -> None:
        self.published = PublishedDiscovery()

    def put(self, outcome: Outcome | None, targets: Iterable[Target], now: float, draft: Draft) -> None:
        """Publish an outcome at `now`, a Unix time, and the zones of `targets`. None removes what was published."""
        before = self.published
        companies = {} if outcome is None else _figures(outcome, before.companies, now)
        year = datetime.fromtimestamp(now, UTC).year
        mismatches = {
            (target.company, target.org): differ(target.zone, target.vspark_zone, year)
            for target in targets
            if target.zone is not None and target.vspark_zone is not None
        }
        draft.replace(self, PublishedDiscovery(companies, mismatches))
        for company in sorted(companies.keys() | before.companies.keys()):
            if companies.get(company) != before.companies.get(company):
                _put_company(company, companies.get(company), draft)
        for org in sorted(mismatches.keys() | before.mismatches.keys()):
            if mismatches.get(org) != before.mismatches.get(org):
                labels = label_text(dict(zip(("company", "org"), org, strict=True)))
                value = mismatches.get(org)
                text = "" if value is None else sample(ORG_TIMEZONE_MISMATCH.name, labels, value)
                draft.put(ORG_TIMEZONE_MISMATCH, org, text)


@lru_cache(maxsize=1024)
def differ(one: ZoneInfo, other: ZoneInfo, year: int) -> bool:
    """Return whether two time zones have different offsets at any full hour of a year in UTC."""
    if one.key == other.key:
        return False
    moment, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while moment < end:
        if moment.astimezone(one).utcoffset() != moment.astimezone(other).utcoffset():
            return True
        moment += timedelta(hours=1)
    return False


def _figures(outcome: Outcome, before: Mapping[str, DiscoveryFigures], now: float) -> dict[str, DiscoveryFigures]:
    figures = {}
    for company in outcome.succeeded:
        known = before.get(company, DiscoveryFigures())
        figures[company] = DiscoveryFigures(up=True, last_success_timestamp_seconds=now, failures=known.failures)
    for company, error in outcome.failures.items():
        known = before.get(company, DiscoveryFigures())
        failures = {**known.failures, error.reason: known.failures.get(error.reason, 0) + 1}
        figures[company] = DiscoveryFigures(
            up=False, last_success_timestamp_seconds=known.last_success_timestamp_seconds, failures=failures
        )
    return figures


def _put_company(company: str, figures: DiscoveryFigures | None, draft: Draft) -> None:
    labels = label_text({"company": company})
    for family, value_of in DISCOVERY_VALUES.items():
        value = value_of(figures) if figures else None
        draft.put(family, (company,), "" if value is None else sample(family.name, labels, value))
    failures = sorted(figures.failures.items()) if figures else ()
    text = "".join(
        sample(DISCOVERY_FAILURES.name, label_text({"company": company, "reason": reason}), count)
        for reason, count in failures
    )
    draft.put(DISCOVERY_FAILURES, (company,), text)
