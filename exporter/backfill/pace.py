"""When the next request may be sent: after the pauses that the user and V-Spark want, and later after failures."""

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


class Pace:
    """Holds requests back. `pause_seconds` is the least time from a request or a response to the next request."""

    def __init__(self, clock: Clock, pause_seconds: float) -> None:
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._not_before = clock.monotonic()
        self._failures = 0
        self._limited = 0

    @property
    def is_outage(self) -> bool:
        """Whether so many requests in a row have failed that V-Spark may be down."""
        return self._failures >= _MOST_IN_A_ROW or self._limited >= _MOST_LIMITED_IN_A_ROW

    async def wait(self) -> None:
        """Wait until the next request may be sent. It counts as sent then."""
        while (left := self._not_before - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)
        self._hold(self._pause_seconds)

    def succeeded(self) -> None:
        """Record a response."""
        self._failures = self._limited = 0
        self._hold(self._pause_seconds)

    def failed(self, error: PollError) -> None:
        """Record a failed request."""
        self._hold(self._pause_seconds)
        asked_seconds = asked_to_wait_seconds(error)
        if asked_seconds is not None:
            self._limited += 1
            self._hold(asked_seconds)
        elif is_transient(error):
            self._hold(min(2.0**self._failures, _LONGEST_PAUSE_SECONDS))
            self._failures += 1
        else:  # V-Spark responds
            self._failures = self._limited = 0

    def _hold(self, seconds: float) -> None:
        self._not_before = max(self._not_before, self._clock.monotonic() + seconds)
