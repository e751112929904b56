"""A target and where its polling stands. Times are monotonic seconds, where their names say nothing else."""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Final

from structlog.typing import FilteringBoundLogger

from exporter.config.targets import Target
from exporter.config.tokens import Token
from exporter.errors import TokenError
from exporter.polling.snapshot import LastError
from exporter.polling.target_series import TargetSeries

_TOKENS_KEPT: Final = 3
_TOLD_AGAIN_SECONDS: Final = 3600.0


class TargetState:
    """One target between its polls; `day` is the org's current one, `due` when it is polled next."""

    def __init__(self, target: Target, ledger: TargetSeries, day: date | None, due: float) -> None:
        self.target = target
        self.ledger = ledger
        self.day = day
        self.due = due
        self.task: asyncio.Task[None] | None = None
        """Its poll that is under way."""
        self.again = False
        self.tried = False
        self.left = False
        """Whether it has left the configuration."""
        self.success_monotonic = 0.0
        self.last_error: LastError | None = None
        self._tokens: deque[Token] = deque(maxlen=_TOKENS_KEPT)
        self._outage: _Outage | None = None

    def note_token(self) -> None:
        """Remember the token as it is now, so that it is masked also when another has taken its place."""
        with suppress(TokenError):
            token = self.target.token.read()
            if token not in self._tokens:
                self._tokens.append(token)

    def mask(self, text: str) -> str:
        """Take the tokens out of a text that somebody will read."""
        self.note_token()
        for token in self._tokens:
            text = token.mask(text)
        return text

    def tell_failure(
        self, log: FilteringBoundLogger, begun: float, now: float, reason: str, told: Mapping[str, str]
    ) -> None:
        """Log that a poll, `begun` then, has failed: the first time, with another reason, and once an hour."""
        outage = self._outage
        if outage is None:
            outage = self._outage = _Outage(begun)
        if outage.reason != reason:
            log.warning("poll_failed", target=self.target.name, reason=reason, **told)
        elif now - outage.told >= _TOLD_AGAIN_SECONDS:
            away = round(now - outage.since, 3)
            log.warning("poll_still_failing", target=self.target.name, reason=reason, for_seconds=away, **told)
        else:
            return
        outage.reason, outage.told = reason, now

    def tell_recovery(self, log: FilteringBoundLogger, now: float) -> None:
        """Log that a poll has succeeded, where the one before had failed."""
        if self._outage is not None:
            away = round(now - self._outage.since, 3)
            log.info("poll_recovered", target=self.target.name, reason=self._outage.reason, after_seconds=away)
            self._outage = None


class _Outage:
    """A series of failures that began at `since`, and what was told of it last, and when."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.reason = ""
        self.told = 0.0
