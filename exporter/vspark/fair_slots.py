"""Whose turn it is: so many places, and more who want one."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import NamedTuple

_Turn = tuple[int, asyncio.Future[None]]
"""When somebody came, as a number, and what is done when it is their turn."""


class _Kind(NamedTuple):
    group: str
    slow: bool


class FairSlots:
    """Hands out `places`: to the group that has the fewest, among such to the one whose turn is longest ago.

    Within a group it is first come, first served. Those who are slow have at most half of the places, or the only one,
    so that others need not wait for them.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._slow_free = max(1, places // 2)
        self._taken: Counter[str] = Counter()
        self._last_turns: dict[str, int] = {}
        self._waiting: dict[_Kind, deque[_Turn]] = {}
        self._numbers = count()

    @asynccontextmanager
    async def take(self, group: str, *, slow: bool) -> AsyncIterator[None]:
        """Have a place while the block runs."""
        kind = _Kind(group, slow)
        await self._wait(kind)
        try:
            yield
        finally:
            self._give_back(kind)

    async def _wait(self, kind: _Kind) -> None:
        turn = next(self._numbers), asyncio.get_running_loop().create_future()
        self._waiting.setdefault(kind, deque()).append(turn)
        self._hand_out()
        try:
            await turn[1]
        except asyncio.CancelledError:
            if not turn[1].cancelled():  # it had its place, and was cancelled before it knew
                self._give_back(kind)
            elif turn in self._waiting.get(kind, ()):
                self._leave(kind, turn)
            self._forget(kind.group)
            raise

    def _leave(self, kind: _Kind, turn: _Turn) -> None:
        self._waiting[kind].remove(turn)
        if not self._waiting[kind]:
            del self._waiting[kind]

    def _give_back(self, kind: _Kind) -> None:
        self._free += 1
        self._slow_free += kind.slow
        self._taken -= Counter([kind.group])
        self._hand_out()
        self._forget(kind.group)

    def _hand_out(self) -> None:
        while self._free and (kinds := [kind for kind in self._waiting if self._slow_free or not kind.slow]):
            kind = min(kinds, key=self._rank)
            turn = self._waiting[kind][0]
            self._leave(kind, turn)
            if not turn[1].done():  # else it is about to go
                self._free -= 1
                self._slow_free -= kind.slow
                self._taken[kind.group] += 1
                self._last_turns[kind.group] = next(self._numbers)
                turn[1].set_result(None)

    def _rank(self, kind: _Kind) -> tuple[int, int, int]:
        return self._taken[kind.group], self._last_turns.get(kind.group, -1), self._waiting[kind][0][0]

    def _forget(self, group: str) -> None:
        """Forget a group that neither has a place nor waits for one."""
        if not self._taken[group] and not any(kind.group == group for kind in self._waiting):
            self._last_turns.pop(group, None)
