"""How many days of a target one request is for. It adapts to the size and time of the responses."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from exporter.backfill.days import ONE_DAY, Span
from exporter.config.schema import Vspark

_MOST_DAYS: Final = 31
_GROWTH: Final = 2
_MOST_BYTES: Final = 2 * 1024**2
"""Far more are no faster, and several responses are in memory at the same time."""
_SHARE: Final = 4
"""A response is to take a quarter of what is allowed in time and size: days are not alike."""


class Limits(NamedTuple):
    """What the response to one request should not exceed."""

    response_bytes: float
    seconds: float
    days: int = _MOST_DAYS

    @classmethod
    def of(cls, vspark: Vspark, *, one_day: bool) -> "Limits":
        """Return the limits for an installation; `one_day`: each request is for one day, as live polls are."""
        size = min(_MOST_BYTES, vspark.max_response_bytes / _SHARE)
        return cls(size, vspark.timeout_seconds / _SHARE, 1 if one_day else _MOST_DAYS)


class Batches:
    """The days of one target that are still to be requested."""

    def __init__(self, days: Iterable[Span], limits: Limits) -> None:
        self._left = list(days)
        self._limits = limits
        self._most = limits.days
        self._days = 1

    def __bool__(self) -> bool:
        return bool(self._left)

    def take(self) -> Span:
        """Remove the days of the next request, and return them."""
        span = self._left.pop(0)
        last = min(span.last, span.first + (self._days - 1) * ONE_DAY)
        if last < span.last:
            self._left.insert(0, Span(last + ONE_DAY, span.last))
        return Span(span.first, last)

    def put_back(self, days: Span) -> None:
        """Request days again, after the others."""
        self._left.append(days)

    def take_all(self) -> list[Span]:
        """Remove all days that are left, and return them."""
        left, self._left = sorted(self._left), []
        return left

    def succeeded(self, days: Span, response_bytes: int, seconds: float) -> None:
        """Adapt to a response: at most twice as many days as this one had."""
        bytes_each, seconds_each = max(response_bytes / len(days), 1), max(seconds / len(days), 1e-6)
        fitting = min(self._limits.response_bytes / bytes_each, self._limits.seconds / seconds_each)
        self._days = max(1, min(int(fitting), _GROWTH * len(days), self._most))

    def failed(self, days: Span, *, for_good: bool) -> None:
        """Adapt to a failed request of several days; `for_good`: one day at a time from now on."""
        self._days = max(1, len(days) // _GROWTH)
        if for_good:
            self._days = self._most = 1
