"""A change of what is published: a new page, and the values that hold from the moment it is served."""

from typing import Any, Protocol, TypeVar

from exporter.exposition.store import Store

_Value = TypeVar("_Value")


class Publisher(Protocol[_Value]):
    """Anything that remembers, as one immutable value, what it has published."""

    published: _Value


class Change:
    """Blocks for the next page, written to `draft`, and the values that replace those of their publishers with it.

    Until `publish` nothing is replaced. A change that fails halfway is dropped, so there is nothing to undo.
    """

    def __init__(self, store: Store) -> None:
        self.draft = store.draft()
        self._values: dict[Any, Any] = {}

    def latest(self, publisher: Publisher[_Value]) -> _Value:
        """Return the publisher's value as this change has left it so far."""
        value: _Value = self._values.get(publisher, publisher.published)
        return value

    def replace(self, publisher: Publisher[_Value], value: _Value) -> None:
        """Replace the publisher's value once this change is published."""
        self._values[publisher] = value

    def publish(self) -> None:
        """Replace the page, then the values."""
        self.draft.publish()
        for publisher, value in self._values.items():
            publisher.published = value
