"""When changes are published: those of polls in batches, because each publication compresses again what it touches."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from structlog.typing import FilteringBoundLogger

from exporter.exposition.store import Draft, Store
from exporter.polling.target_state import TargetState
from exporter.runtime.clock import Clock
from exporter.runtime.steps import Steps, paced

_PAUSES: Final = 40
"""How many times as long as the work of a publication the pause after it lasts."""

_LONGEST_PAUSE_SECONDS: Final = 10.0
"""The work of one batch is shorter than a fortieth of this, unless the process or its machine stood still."""

_LARGEST_BATCH: Final = 4 * 2**20
"""The size of text in bytes, which is in memory uncompressed, that does not wait for the end of a pause."""


class Batches:
    """Publishes the changes of `store`.

    The change of a single poll is published at once. With many polls, the next publication waits for 40 times as long
    as the last one has worked. So publishing takes at most a fortieth of the time, whatever the number of targets.
    """

    def __init__(self, store: Store, clock: Clock, log: FilteringBoundLogger) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._lock = asyncio.Lock()
        self._waiting = asyncio.Event()
        """Set while something is committed but not published."""
        self._next_at = 0.0
        self._tried: list[TargetState] = []

    async def run(self) -> None:
        """Publish what has been committed but had to wait, batch by batch, until cancelled."""
        while True:
            await self._waiting.wait()
            async with self._lock:
                pause_seconds = self._next_at - self._clock.monotonic()
                if pause_seconds <= 0:
                    await self._publish()
                self._note_waiting()
            if pause_seconds > 0:  # not only the first time: a draft may have been published meanwhile
                await self._clock.sleep(pause_seconds)

    @asynccontextmanager
    async def draft(self) -> AsyncIterator[Draft]:
        """Yield a draft, between two other changes. What the block commits is published now or with the next batch."""
        async with self._lock:
            try:
                yield self._store.draft()
                if self._clock.monotonic() >= self._next_at or self._store.pending_size > _LARGEST_BATCH:
                    await self._publish()
            finally:
                self._note_waiting()

    @asynccontextmanager
    async def at_once(self) -> AsyncIterator[Draft]:
        """Yield a draft, and publish it at once, unless the block raises an exception."""
        async with self._lock:
            try:
                draft = self._store.draft()
                yield draft
                draft.commit()
                await self._publish()
            finally:
                self._note_waiting()

    def first_poll_ended(self, state: TargetState) -> None:
        """Note that the target counts as tried once what has been committed by now is published."""
        if self._store.changed:
            self._tried.append(state)
        else:
            state.tried = True

    async def _publish(self) -> None:
        """Publish everything that has been committed."""
        if not self._store.changed:
            return
        try:
            work_seconds = await paced(self._timed(self._store.publish()))
            pause_seconds = min(_PAUSES * work_seconds, _LONGEST_PAUSE_SECONDS)
        except Exception:  # noqa: BLE001 # a bug, and no target's; what was not published is a part of the next batch
            self._log.error("page_not_published", traceback=traceback.format_exc())
            pause_seconds = _LONGEST_PAUSE_SECONDS
        self._next_at = self._clock.monotonic() + pause_seconds
        if not self._store.changed:
            tried, self._tried = self._tried, []
            for state in tried:
                state.tried = True

    def _note_waiting(self) -> None:
        if self._store.changed:
            self._waiting.set()
        else:
            self._waiting.clear()

    def _timed(self, steps: Steps[None]) -> Steps[float]:
        """Run `steps`; return their seconds, without the pauses in between."""
        seconds, begun = 0.0, self._clock.monotonic()
        for _ in steps:
            seconds += self._clock.monotonic() - begun
            yield
            begun = self._clock.monotonic()
        return seconds + self._clock.monotonic() - begun
