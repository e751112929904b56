"""Computations in steps, run to the end without pauses."""

from typing import TypeVar

from exporter.exposition.store import Draft, Store
from exporter.runtime.steps import Steps

_Result = TypeVar("_Result")


def finished(steps: Steps[_Result]) -> _Result:
    """Run `steps` to the end and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # what the generator returns


def publish(store: Store, draft: Draft) -> None:
    """Commit a draft and publish it."""
    draft.commit()
    finished(store.publish())
