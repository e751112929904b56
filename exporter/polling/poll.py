"""A poll of one target: what is asked, and what is published of what comes of it."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from exporter.config.targets import Target
from exporter.errors import INTERNAL, PollError
from exporter.exposition.store import Draft, Store
from exporter.polling.org_day import Days
from exporter.polling.snapshot import LastError
from exporter.polling.target_series import Taken
from exporter.polling.target_state import TargetState
from exporter.runtime.clock import Clock
from exporter.runtime.steps import paced


class Upstream(Protocol):
    """Where answers come from."""

    async def fetch(self, target: Target, day: date | None) -> bytes:
        """Give the body of an answer; raises PollError."""
        ...


class Publisher:
    """Asks `upstream`, which may be replaced, and publishes in `store`, one change at a time."""

    def __init__(self, upstream: Upstream, store: Store, days: Days, clock: Clock, log: FilteringBoundLogger) -> None:
        self.upstream = upstream
        self._store = store
        self._days = days
        self._clock = clock
        self._log = log
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Draft]:
        """Publish what the block writes, unless it ends with an exception."""
        async with self._lock:
            draft = self._store.draft()
            yield draft
            draft.publish()

    async def poll(self, polled: TargetState) -> None:
        """Poll a target, and again for as long as that is wanted when it has ended."""
        polled.again = True
        while polled.again:
            polled.again = False
            try:
                await self._poll(polled)
            except Exception:  # noqa: BLE001 # what fails while a failure is told ends no other target's polling
                trace = polled.mask(traceback.format_exc())
                self._log.error("poll_not_recorded", target=polled.target.name, traceback=trace)
            polled.tried = True
        polled.task = None

    async def _poll(self, polled: TargetState) -> None:
        begun, day = self._clock.monotonic(), polled.day
        polled.note_token()
        try:
            body = await self.upstream.fetch(polled.target, day)
            await self._take(polled, body, day, begun)
        except PollError as error:
            await self._end_badly(polled, begun, error.reason, error=polled.mask(str(error)))
        except Exception:  # noqa: BLE001 # the boundary of a target: a bug met by one is no other's business
            trace = polled.mask(traceback.format_exc())
            await self._end_badly(polled, begun, INTERNAL, error="a bug of this program", traceback=trace)

    async def _take(self, polled: TargetState, body: bytes, day: date | None, begun: float) -> None:
        """Publish what an answer says, unless its day is over."""
        ledger, zone = polled.ledger, polled.target.zone
        async with self._lock:
            draft = self._store.draft()
            taken: Taken | None = await paced(ledger.read(body, day, draft))
            now = self._clock.time()
            if zone is not None and day != self._days.today(zone, now):
                self._log.info("answer_too_late", target=polled.target.name, day=day and day.isoformat())
                ledger.forget_answer()
                draft = self._store.draft()
                taken = None
            with ledger.undone_on_error():
                if taken is not None:
                    await paced(ledger.settle(taken, day, now, draft))
                polled.success_monotonic = self._clock.monotonic()
                ledger.polls.last_success_timestamp_seconds = now
                self._publish_poll(polled, draft, begun, up=True)
            if taken is not None:
                await paced(ledger.draw(taken, day, now, polled.target.interval_seconds))
        seconds = round(self._clock.monotonic() - begun, 3)
        self._log.debug("poll_succeeded", target=polled.target.name, bytes=len(body), seconds=seconds)
        polled.tell_recovery(self._log, self._clock.monotonic())

    async def _end_badly(self, polled: TargetState, begun: float, reason: str, **told: str) -> None:
        polled.last_error = LastError.of(reason, told["error"], self._clock.time())
        async with self._lock:
            polled.ledger.polls.failures[reason] += 1
            self._publish_poll(polled, self._store.draft(), begun, up=False)
        polled.tell_failure(self._log, begun, self._clock.monotonic(), reason, told)

    def _publish_poll(self, polled: TargetState, draft: Draft, begun: float, *, up: bool) -> None:
        polls = polled.ledger.polls
        polls.up = up
        polls.polls += 1
        polls.last_poll_timestamp_seconds = self._clock.time()
        polls.last_poll_duration_seconds = self._clock.monotonic() - begun
        polled.ledger.put_polls(draft)
        draft.publish()
