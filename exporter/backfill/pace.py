"""When the next request may be sent: after the pauses that the user and V-Spark want, and later after failures."""

import math
from typing import Final

from exporter.errors import PollError, StatusError
from exporter.runtime.clock import Clock

_TRANSIENT: Final = ("dns", "connect", "timeout", "disconnected", "server_error", "rate_limited")
_LONGEST_PAUSE_SECONDS: Final = 5.0
_MOST_IN_A_ROW: Final = 5
_MOST_LIMITED_IN_A_ROW: Final = 20


def is_transient(error: PollError) -> bool:
    """Return whether the same request may succeed later."""
    return error.reason in _TRANSIENT


def asked_to_wait_seconds(error: PollError) -> float | None:
    """Return the value of Retry-After in seconds, None without one."""
    return error.retry_after_seconds if isinstance(error, StatusError) else None


class InARow:
    """The number of failed requests without a success in between. Those that run at the same time count once.

    Otherwise a short interruption would look like a long one if many requests run at a time.
    """

    def __init__(self) -> None:
        self.count = 0
        self._counted_at = -math.inf

    def add(self, begun: float, now: float) -> bool:
        """Record that a request that was sent at `begun` has failed; return whether it counts."""
        if begun <= self._counted_at:
            return False
        self.count += 1
        self._counted_at = now
        return True


class Pace:
    """Holds requests back. `pause_seconds` is the least time from a request or a response to the next request."""

    def __init__(self, clock: Clock, pause_seconds: float) -> None:
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._not_before = clock.monotonic()
        self._failures = InARow()
        self._limited = InARow()

    @property
    def is_outage(self) -> bool:
        """Whether so many requests in a row have failed that V-Spark may be down."""
        return self._failures.count >= _MOST_IN_A_ROW or self._limited.count >= _MOST_LIMITED_IN_A_ROW

    async def wait(self) -> None:
        """Wait until the next request may be sent. It counts as sent then."""
        while (left := self._not_before - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)
        self._hold(self._pause_seconds)

    def succeeded(self) -> None:
        """Record a response."""
        self._failures, self._limited = InARow(), InARow()
        self._hold(self._pause_seconds)

    def failed(self, error: PollError, begun: float) -> None:
        """Record the failure of a request that was sent at `begun`."""
        now = self._clock.monotonic()
        self._hold(self._pause_seconds)
        asked_seconds = asked_to_wait_seconds(error)
        if asked_seconds is not None:
            self._limited.add(begun, now)
            self._hold(asked_seconds)
        elif not is_transient(error):  # V-Spark responds
            self._failures, self._limited = InARow(), InARow()
        elif self._failures.add(begun, now):
            self._hold(min(2.0 ** (self._failures.count - 1), _LONGEST_PAUSE_SECONDS))

    def _hold(self, seconds: float) -> None:
        self._not_before = max(self._not_before, self._clock.monotonic() + seconds)
