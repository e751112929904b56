from datetime import date

from exporter.backfill.batches import Batches, Limits
from exporter.backfill.days import Span
from exporter.config.schema import Vspark
from exporter.config.tokens import LiteralToken
from exporter.config.units import Duration, Size

YEAR = Span(date(2026, 1, 1), date(2026, 12, 31))
LIMITS = Limits(response_bytes=1000, seconds=2.5)


def taken(batches: Batches, response_bytes: int, seconds: float, requests: int) -> list[int]:
    """Return for how many days the next requests are, if each day takes so many bytes and seconds."""
    lengths = []
    for _ in range(requests):
        days = batches.take()
        lengths.append(len(days))
        batches.succeeded(days, response_bytes * len(days), seconds * len(days))
    return lengths


def test_it_grows_until_a_response_is_large_or_slow() -> None:
    assert taken(Batches([YEAR], LIMITS), 10, 0.001, 8) == [1, 2, 4, 8, 16, 31, 31, 31]
    assert taken(Batches([YEAR], LIMITS), 100, 0.001, 6) == [1, 2, 4, 8, 10, 10]
    assert taken(Batches([YEAR], LIMITS), 10, 0.5, 5) == [1, 2, 4, 5, 5]
    assert taken(Batches([YEAR], LIMITS), 5000, 0.001, 3) == [1, 1, 1]
    assert taken(Batches([YEAR], LIMITS), 0, 0.0, 3) == [1, 2, 4]


def test_it_shrinks_when_responses_become_larger() -> None:
    batches = Batches([YEAR], LIMITS)
    assert taken(batches, 10, 0.001, 5)[-1] == 16
    assert taken(batches, 200, 0.001, 3) == [31, 5, 5]


def test_it_shrinks_after_failures() -> None:
    batches = Batches([YEAR], LIMITS)
    taken(batches, 10, 0.001, 4)
    days = batches.take()
    assert len(days) == 16
    batches.failed(days, for_good=False)
    batches.put_back(days)
    assert taken(batches, 10, 0.001, 2) == [8, 16]


def test_one_day_at_a_time_for_good() -> None:
    batches = Batches([YEAR], LIMITS)
    taken(batches, 10, 0.001, 4)
    days = batches.take()
    batches.failed(days, for_good=True)
    assert taken(batches, 10, 0.001, 4) == [1, 1, 1, 1]


def test_every_day_is_taken_once() -> None:
    batches = Batches([Span(date(2026, 1, 1), date(2026, 1, 5)), Span(date(2026, 3, 1), date(2026, 3, 1))], LIMITS)
    first = batches.take()
    batches.put_back(first)
    days = []
    while batches:
        span = batches.take()
        days += [f"{day:%m-%d}" for day in span]
        batches.succeeded(span, 1, 0.001)
    assert days == ["01-02", "01-03", "01-04", "01-05", "03-01", "01-01"]


def test_all_that_is_left() -> None:
    batches = Batches([YEAR], LIMITS)
    batches.put_back(batches.take())
    assert [str(span) for span in batches.take_all()] == ["2026-01-01", "2026-01-02 to 2026-12-31"]
    assert not batches


def test_limits() -> None:
    vspark = Vspark(url="http://v", token=LiteralToken("t"), timeout_seconds=Duration(10))
    assert Limits.of(vspark, one_day=False) == (2 * 1024**2, 2.5, 31)
    small = Vspark(url="http://v", token=LiteralToken("t"), max_response_bytes=Size(1000))
    assert Limits.of(small, one_day=True) == (250, 2.5, 1)
