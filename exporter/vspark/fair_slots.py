"""Slots for concurrent requests, shared fairly among companies."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import NamedTuple

_Waiter = tuple[int, asyncio.Future[None]]
"""Its number in the order of arrival, and a future that is done when it is served."""


class SlotNeeded(Exception):  # noqa: N818 - not an error: the request is sent again later
    """Another request needs the slot of a spare one."""


class _Kind(NamedTuple):
    company: str
    slow: bool


class FairSlots:
    """A number of slots. A free one goes to the company that holds the fewest, then to the one served longest ago.

    Within a company the first in line is served first. Slow requests get at most half of the slots, or the only one, so
    that others need not wait for them.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._free_for_slow = max(1, slots // 2)
        self._held: Counter[str] = Counter()
        self._last_served: dict[str, int] = {}
        self._waiting: dict[_Kind, deque[_Waiter]] = {}
        self._numbers = count()
        self._one_spare = asyncio.Lock()
        self._has_free = asyncio.Event()
        self._spare: asyncio.Timeout | None = None
        """The scope of the spare request that holds a slot, until another one needs it."""

    @asynccontextmanager
    async def take(self, company: str, *, slow: bool) -> AsyncIterator[None]:
        """Hold a slot while the block runs."""
        kind = _Kind(company, slow)
        await self._acquire(kind)
        try:
            yield
        finally:
            self._release(kind)

    @asynccontextmanager
    async def take_spare(self) -> AsyncIterator[None]:
        """Hold a slot while the block runs and no other request waits for one; raise SlotNeeded as soon as one does.

        There is one such block at a time.
        """
        async with self._one_spare:
            while not self._free:
                self._has_free.clear()
                await self._has_free.wait()
            self._free -= 1
            try:
                async with asyncio.timeout(None) as self._spare:
                    yield
            except TimeoutError:
                if self._spare is not None:  # not interrupted
                    raise
                raise SlotNeeded from None
            finally:
                self._spare = None
                self._free += 1
                self._serve()

    async def _acquire(self, kind: _Kind) -> None:
        served = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(kind, deque()).append((next(self._numbers), served))
        self._serve()
        try:
            await served
        except asyncio.CancelledError:
            if not served.cancelled():  # it was served, and cancelled before it ran again
                self._release(kind)
            raise

    def _release(self, kind: _Kind) -> None:
        self._free += 1
        self._free_for_slow += kind.slow
        self._held -= Counter([kind.company])
        self._serve()

    def _serve(self) -> None:
        while self._free and (kinds := [kind for kind in self._waiting if self._free_for_slow or not kind.slow]):
            kind = min(kinds, key=self._rank)
            _, served = self._waiting[kind].popleft()
            if not self._waiting[kind]:
                del self._waiting[kind]
            if not served.done():  # a cancelled one stays in line until it is its turn
                self._free -= 1
                self._free_for_slow -= kind.slow
                self._held[kind.company] += 1
                self._last_served[kind.company] = next(self._numbers)
                served.set_result(None)
        if self._free:
            self._has_free.set()
        elif self._spare is not None and any(self._free_for_slow or not kind.slow for kind in self._waiting):
            self._spare.reschedule(asyncio.get_running_loop().time())
            self._spare = None

    def _rank(self, kind: _Kind) -> tuple[int, int, int]:
        return self._held[kind.company], self._last_served.get(kind.company, -1), self._waiting[kind][0][0]
