from exporter.config.discovered import NOTHING
from exporter.errors import StatusError, TokenError
from exporter.polling.discovery_pauses import DiscoveryPauses
from exporter.vspark.discovery import Outcome

INTERVAL = 600.0
OK = Outcome(NOTHING, {}, frozenset({""}), ())
ALL_FAIL = Outcome(NOTHING, {"": TokenError("none")}, frozenset(), ())
SOME_FAIL = Outcome(NOTHING, {"A": TokenError("none")}, frozenset({"", "B"}), ())


def failed(retry_after_seconds: float) -> Outcome:
    error = StatusError("server_error", "text", status=503, retry_after_seconds=retry_after_seconds)
    return Outcome(NOTHING, {"": error, "A": TokenError("none")}, frozenset(), ())


def test_a_discovery_that_succeeds_or_is_not_enabled_is_repeated_after_the_interval() -> None:
    pauses = DiscoveryPauses()
    assert [pauses.after(outcome, INTERVAL) for outcome in (OK, None, OK)] == [INTERVAL] * 3


def test_while_all_fails_the_pauses_grow_to_a_minute() -> None:
    pauses = DiscoveryPauses()
    assert [pauses.after(ALL_FAIL, INTERVAL) for _ in range(7)] == [5, 10, 20, 40, 60, 60, 60]


def test_while_some_companies_fail_the_pauses_grow_to_the_interval() -> None:
    pauses = DiscoveryPauses()
    assert [pauses.after(SOME_FAIL, INTERVAL) for _ in range(9)] == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    assert pauses.after(ALL_FAIL, INTERVAL) == 60


def test_a_success_begins_again_with_short_pauses() -> None:
    pauses = DiscoveryPauses()
    outcomes = (ALL_FAIL, ALL_FAIL, OK, ALL_FAIL, None, SOME_FAIL)
    assert [pauses.after(outcome, INTERVAL) for outcome in outcomes] == [5, 10, INTERVAL, 5, INTERVAL, 5]


def test_no_pause_is_longer_than_the_interval() -> None:
    pauses = DiscoveryPauses()
    assert [pauses.after(ALL_FAIL, 12.0) for _ in range(3)] == [5, 10, 12]
    assert DiscoveryPauses().after(ALL_FAIL, 3.0) == 3


def test_retry_after_makes_a_pause_longer() -> None:
    pauses = DiscoveryPauses()
    seconds = (2.0, 0.0, 300.0, 9999.0)
    assert [pauses.after(failed(each), INTERVAL) for each in seconds] == [5, 10, 300, INTERVAL]
