"""Computations in steps, run to the end without pauses."""

from exporter.exposition.store import Draft, Store
from exporter.runtime.steps import finished

__all__ = ["finished", "publish"]


def publish(store: Store, draft: Draft) -> None:
    """Commit a draft and publish it."""
    draft.commit()
    finished(store.publish())
