"""Computations in steps, run to the end without pauses, and the time that their steps take."""

import time
from typing import TypeVar

from exporter.runtime.steps import Steps

_Result = TypeVar("_Result")


def finished(steps: Steps[_Result]) -> _Result:
    """Run `steps` to the end and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # what the generator returns


def step_seconds(steps: Steps[object]) -> list[float]:
    """Run `steps` to the end and return the CPU time that each took, in seconds."""
    seconds: list[float] = []
    while True:
        begun = time.thread_time()
        try:
            next(steps)
        except StopIteration:
            return seconds
        finally:
            seconds.append(time.thread_time() - begun)
