from datetime import date

from exporter.backfill.days import Span
from exporter.backfill.failures import Failures
from exporter.errors import ConnectError, DecodeError
from tests.support.fake_clock import target_of
from tests.support.raw_servers import CANARY


def day(number: int) -> Span:
    return Span(date(2026, 11, number), date(2026, 11, number))


def test_consecutive_days_are_one_failure() -> None:
    failures = Failures()
    assert not failures
    one, other = target_of("UTC"), target_of("UTC", "F", org="P")
    failures.add(other, [day(9)], ConnectError("timeout", "slow"))
    failures.add(one, [day(5), day(3)], ConnectError("timeout", "slow"))
    failures.add(one, [day(4)], ConnectError("timeout", "slow"))
    failures.add(one, [day(6)], ConnectError("connect", "refused"))
    failures.add(one, [day(8)], ConnectError("timeout", "slow"))
    assert failures
    assert [(each.target, str(each.days), each.reason, each.message) for each in failures] == [
        ("C/O", "2026-11-03 to 2026-11-05", "timeout", "slow"),
        ("C/O", "2026-11-06", "connect", "refused"),
        ("C/O", "2026-11-08", "timeout", "slow"),
        ("C/P/F", "2026-11-09", "timeout", "slow"),
    ]


def test_a_token_in_a_response_is_masked() -> None:
    failures = Failures()
    failures.add(target_of("UTC"), [day(1)], DecodeError("unrecognized", "$", f"it says {CANARY}"))
    assert [each.message for each in failures] == ["$: it says ***"]
