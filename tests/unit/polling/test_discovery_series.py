from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from exporter.config.discovered import NOTHING
from exporter.errors import TokenError
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format
from exporter.polling.discovery_series import DiscoverySeries, differ
from exporter.vspark.discovery import Outcome
from tests.support.exposition_oracle import assert_valid
from tests.support.fake_clock import NOON, target_of
from tests.support.finished_steps import publish

NOW = NOON.timestamp()


def outcome(*succeeded: str, failed: str | None = None) -> Outcome:
    failures = {} if failed is None else {failed: TokenError("no token")}
    return Outcome(NOTHING, failures, frozenset(succeeded), ())


class Published:
    """Outcomes of discovery, published one after the other."""

    def __init__(self) -> None:
        self.store = Store()
        self.series = DiscoverySeries()

    def put(self, found: Outcome | None, now: float, *zones: tuple[str, str]) -> list[str]:
        """Return the samples after an outcome with an org for each pair of zones: configured, V-Spark's."""
        targets = [
            replace(target_of(one, org=f"O{number}"), vspark_zone=ZoneInfo(other))
            for number, (one, other) in enumerate(zones)
        ]
        draft = self.store.draft()
        self.series.put(found, targets, now, draft)
        publish(self.store, draft)
        page = b"".join(self.store.pages[Format.TEXT].text()[1])
        assert_valid(page, Format.TEXT)
        return [line for line in page.decode().splitlines() if not line.startswith("#")]


def test_outcomes_one_after_the_other() -> None:
    published = Published()
    assert published.put(outcome("A", failed=""), 1000.0) == [
        'vspark_discovery_up{company=""} 0.0',
        'vspark_discovery_up{company="A"} 1.0',
        'vspark_discovery_last_success_timestamp_seconds{company="A"} 1000.0',
        'vspark_discovery_failures_total{company="",reason="no_token"} 1.0',
    ]
    assert published.put(outcome("", failed="A"), 2000.0) == [
        'vspark_discovery_up{company=""} 1.0',
        'vspark_discovery_up{company="A"} 0.0',
        'vspark_discovery_last_success_timestamp_seconds{company=""} 2000.0',
        'vspark_discovery_last_success_timestamp_seconds{company="A"} 1000.0',
        'vspark_discovery_failures_total{company="",reason="no_token"} 1.0',
        'vspark_discovery_failures_total{company="A",reason="no_token"} 1.0',
    ]
    assert published.put(outcome("B"), 3000.0) == [
        'vspark_discovery_up{company="B"} 1.0',
        'vspark_discovery_last_success_timestamp_seconds{company="B"} 3000.0',
    ]
    assert published.put(None, 4000.0) == []


def test_orgs_with_another_zone() -> None:
    published = Published()
    pairs = [("Asia/Tokyo", "Asia/Kolkata"), ("US/Eastern", "America/New_York")]
    assert published.put(None, NOW, *pairs) == [
        'vspark_org_timezone_mismatch{company="C",org="O0"} 1.0',
        'vspark_org_timezone_mismatch{company="C",org="O1"} 0.0',
    ]
    assert published.put(None, NOW) == []


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("US/Eastern", "US/Eastern", False),
        ("US/Eastern", "America/New_York", False),
        ("America/New_York", "America/Toronto", False),
        ("America/Phoenix", "America/Denver", True),  # only in summer
        ("Europe/London", "UTC", True),  # only in summer
        ("Asia/Kolkata", "Asia/Kathmandu", True),
    ],
)
def test_zones_differ_if_their_offsets_do_at_any_time_of_the_year(one: str, other: str, *, different: bool) -> None:
    assert differ(ZoneInfo(one), ZoneInfo(other), 2026) is different
