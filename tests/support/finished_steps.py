"""Computations in steps, run to the end without pauses."""

import time

from exporter.exposition.store import Draft, Store
from exporter.runtime.steps import Steps, finished

__all__ = ["finished", "publish", "step_seconds"]


def publish(store: Store, draft: Draft) -> None:
    """Commit a draft and publish it."""
    draft.commit()
    finished(store.publish())


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
