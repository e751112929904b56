"""What could not be read, by target and days."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exporter.backfill.days import Span, spans
from exporter.config.targets import Target
from exporter.errors import PollError


class Failure(NamedTuple):
    """Days of a target that could not be read. No token is in `message`."""

    target: str
    days: Span
    reason: str
    message: str


def masked(target: Target, error: PollError) -> str:
    """Return the message of an error of a target without its token, which a response may contain."""
    token = target.token.known
    return token.mask(str(error)) if token else str(error)


class Failures:
    """Collects failures, those of consecutive days with the same message as one."""

    def __init__(self) -> None:
        self._days: dict[tuple[str, str, str], list[Span]] = {}

    def add(self, target: Target, days: Sequence[Span], error: PollError) -> None:
        """Add days that could not be read because of `error`."""
        self._days.setdefault((target.name, error.reason, masked(target, error)), []).extend(days)

    def __bool__(self) -> bool:
        return bool(self._days)

    def __iter__(self) -> Iterator[Failure]:
        """Yield the failures in the order of targets and days."""
        found = [
            Failure(target, days, reason, message)
            for (target, reason, message), all_days in self._days.items()
            for days in spans([day for span in sorted(all_days) for day in span])
        ]
        return iter(sorted(found))
