"""Long computations in steps, so that the event loop can run in between."""

import asyncio
import time
from collections.abc import Generator
from typing import TypeAlias, TypeVar

_Result = TypeVar("_Result")

Steps: TypeAlias = Generator[None, None, _Result]
"""A computation that yields at each point at which it may pause, and returns its result.

Write it as a generator function, call another one with `yield from`, and run it with `paced`. It is not a coroutine,
so that pure code such as the parser needs no event loop.
"""


class Pauses:
    """Pauses for the event loop during long work: `take` one whenever one is `due`.

    A pause has a length: `sleep(0)` would let the loop do a single step, and a response takes several.
    """

    _WORK_SECONDS = 0.004
    _PAUSE_SECONDS = 0.001

    def __init__(self) -> None:
        self._since = time.perf_counter()

    @property
    def due(self) -> bool:
        """Whether the work has run for so long that the event loop needs a pause."""
        return time.perf_counter() - self._since > self._WORK_SECONDS

    async def take(self) -> None:
        """Sleep for one pause."""
        await asyncio.sleep(self._PAUSE_SECONDS)
        self._since = time.perf_counter()


def finished(steps: Steps[_Result]) -> _Result:
    """Run `steps` to the end, without pauses, and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # what the generator returns


async def paced(steps: Steps[_Result]) -> _Result:
    """Run `steps` to the end, with pauses for the event loop, and return their result."""
    pauses = Pauses()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # what the generator returns
        if pauses.due:
            await pauses.take()
