"""The log of discovery, and which companies fail now. A failure is logged once, and once more when it is over."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from exporter.config.loaded import NO_ZONE
from exporter.config.targets import Target
from exporter.errors import PollError
from exporter.polling.poller import Replaced
from exporter.vspark.discovery import Outcome

_LEFT_OUT_LOGGED = 5


class DiscoveryFailure(Struct, frozen=True):
    """The discovery of a company fails, since `since`, a Unix time. No text holds a token."""

    company: str
    reason: str
    text: str
    since: float


class DiscoveryLog:
    """Logs outcomes of discovery; `failures` are those of the last one, by company."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._left_out: tuple[str, ...] = ()
        self._without_zone: set[str] = set()
        self.failures: Mapping[str, DiscoveryFailure] = {}

    def targets_changed(self, replaced: Replaced, targets: Iterable[Target]) -> None:
        """Log how many targets a discovery has added, changed and removed, and which orgs have no time zone."""
        self._log.info("targets_discovered", **replaced._asdict())
        without_zone = {f"{target.company}/{target.org}" for target in targets if target.zone is None}
        for org in sorted(without_zone - self._without_zone):
            self._log.warning("no_time_zone", place=f"{org} has {NO_ZONE}")
        self._without_zone = without_zone

    def record(self, outcome: Outcome | None, now: float) -> None:
        """Log what is new about an outcome; None: discovery is not enabled."""
        failures = _failures(outcome.failures, self.failures, now) if outcome else {}
        for company, failure in failures.items():
            known = self.failures.get(company)
            if known is None or known.reason != failure.reason:
                self._log.warning("discovery_failed", company=company, reason=failure.reason, error=failure.text)
        for company in self.failures.keys() - failures.keys():
            if outcome is not None and company in outcome.succeeded:
                seconds = round(now - self.failures[company].since, 3)
                self._log.info("discovery_recovered", company=company, after_seconds=seconds)
        self.failures = failures
        left_out = outcome.left_out if outcome else ()
        if left_out and left_out != self._left_out:
            self._log.warning("names_left_out", count=len(left_out), names=_beginning(left_out))
        self._left_out = left_out


def _failures(
    errors: Mapping[str, PollError], known: Mapping[str, DiscoveryFailure], now: float
) -> dict[str, DiscoveryFailure]:
    return {
        company: DiscoveryFailure(company, error.reason, str(error), known[company].since if company in known else now)
        for company, error in errors.items()
    }


def _beginning(texts: Iterable[str]) -> str:
    texts = list(texts)
    more = [f"and {len(texts) - _LEFT_OUT_LOGGED:,} more"] if len(texts) > _LEFT_OUT_LOGGED else []
    return "; ".join([*texts[:_LEFT_OUT_LOGGED], *more])
