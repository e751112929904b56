"""How long to wait before the next discovery. After a failure it is soon, with growing pauses."""

from typing import Final

from exporter.errors import StatusError
from exporter.vspark.discovery import Outcome

_FIRST_SECONDS: Final = 5.0
_LONGEST_SECONDS: Final = 60.0
"""While nothing at all can be discovered. Such a discovery has few requests, and until it succeeds little is polled."""


class DiscoveryPauses:
    """The pauses after failed discoveries in a row: 5 s, and each twice the one before.

    The longest is one minute if a discovery fails as a whole. If only some companies fail, it is the interval of
    discovery, because each attempt requests the other companies too.
    """

    def __init__(self) -> None:
        self._next = _FIRST_SECONDS

    def after(self, outcome: Outcome | None, interval_seconds: float) -> float:
        """Return the seconds from an outcome to the next discovery, at most the interval; None: nothing was requested.

        A Retry-After of V-Spark's makes it longer.
        """
        if outcome is None or not outcome.failures:
            self._next = _FIRST_SECONDS
            return interval_seconds
        pause = self._next if outcome.succeeded else min(self._next, _LONGEST_SECONDS)
        self._next = min(pause * 2, interval_seconds)
        requested = [
            error.retry_after_seconds or 0.0 for error in outcome.failures.values() if isinstance(error, StatusError)
        ]
        return min(max([pause, *requested]), interval_seconds)
