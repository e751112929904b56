"""Slots for concurrent requests, shared fairly among companies."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from typing import Final, NamedTuple

_Waiter = tuple[int, asyncio.Future[None]]
"""Its number in the order of arrival, and a future that is done when it is served."""


class SlotNeeded(Exception):  # noqa: N818 - not an error: the request is sent again later
    """Another request needs the slot of a spare one."""


class _Kind(NamedTuple):
    company: str
    slow: bool


_Ranked = tuple[tuple[int, int, int], _Kind]
"""A rank and the kind that had it: the slots that its company held, when the company was served, the first in line."""

_RANKS_KEPT: Final = 4
"""For each kind that waits. More are cleared away."""


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
        self._ranked: dict[bool, list[_Ranked]] = {False: [], True: []}
        """Of the kinds that wait, those that are not slow and those that are. A rank that is no longer true stays."""
        self._one_spare = asyncio.Lock()
        self._has_free = asyncio.Event()
        self._spare: asyncio.Timeout | None = None
        """The scope of the spare request that holds a slot, until another one needs it."""

    @asynccontextmanager
    async def take(self, company: str, *, slow: bool) -> AsyncIterator[None]:
        """Hold a slot while the block runs."""
        kind = _Kind(company, slow)
        if not self._waiting and self._free and (self._free_for_slow or not slow):
            self._hand_out(kind)
        else:
            await self._wait(kind)
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

    async def _wait(self, kind: _Kind) -> None:
        served = asyncio.get_running_loop().create_future()
        if kind not in self._waiting:
            self._waiting[kind] = deque()
        self._waiting[kind].append((next(self._numbers), served))
        if len(self._waiting[kind]) == 1:
            self._rank(kind)
        self._serve()
        try:
            await served
        except asyncio.CancelledError:
            if not served.cancelled():  # it was served, and cancelled before it ran again
                self._release(kind)
            raise

    def _hand_out(self, kind: _Kind) -> None:
        self._free -= 1
        self._free_for_slow -= kind.slow
        self._last_served[kind.company] = next(self._numbers)
        self._hold(kind.company, 1)

    def _release(self, kind: _Kind) -> None:
        self._free += 1
        self._free_for_slow += kind.slow
        self._hold(kind.company, -1)
        self._serve()

    def _hold(self, company: str, slots: int) -> None:
        self._held[company] += slots
        if not self._held[company]:
            del self._held[company]
        if self._waiting:
            for slow in (False, True):
                self._rank(_Kind(company, slow))

    def _serve(self) -> None:
        while self._free and self._waiting and (kind := self._next_kind()):
            _, served = self._waiting[kind].popleft()
            if not self._waiting[kind]:
                del self._waiting[kind]
            if served.done():  # a cancelled one stays in line until it is its turn
                self._rank(kind)
            else:
                self._hand_out(kind)
                served.set_result(None)
        if self._free:
            self._has_free.set()
        elif self._spare is not None and self._next_kind() is not None:
            self._spare.reschedule(asyncio.get_running_loop().time())
            self._spare = None

    def _next_kind(self) -> _Kind | None:
        """Return the kind to serve next; None if none may be served."""
        first = [self._first(slow=False), self._first(slow=True) if self._free_for_slow else None]
        ranked = min((each for each in first if each is not None), default=None)
        return ranked and ranked[1]

    def _first(self, *, slow: bool) -> _Ranked | None:
        ranked = self._ranked[slow]
        while ranked and ranked[0][0] != self._rank_of(ranked[0][1]):
            heappop(ranked)
        return ranked[0] if ranked else None

    def _rank(self, kind: _Kind) -> None:
        """Rank a kind that waits. Needed whenever its rank has changed."""
        rank = self._rank_of(kind)
        if rank is not None:
            ranked = self._ranked[kind.slow]
            heappush(ranked, (rank, kind))
            if len(ranked) > _RANKS_KEPT * (1 + len(self._waiting)):
                self._ranked[kind.slow] = sorted(each for each in set(ranked) if each[0] == self._rank_of(each[1]))

    def _rank_of(self, kind: _Kind) -> tuple[int, int, int] | None:
        waiting = self._waiting.get(kind)
        if waiting is None:
            return None
        return self._held[kind.company], self._last_served.get(kind.company, -1), waiting[0][0]
