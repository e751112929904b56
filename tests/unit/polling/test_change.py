from exporter.exposition.families import AGENT_CALLS
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format
from exporter.polling.change import Change


class Number:
    """A publisher of a number."""

    def __init__(self) -> None:
        self.published = 0


def test_values_are_replaced_once_the_page_is() -> None:
    store, one, other = Store(), Number(), Number()
    change = Change(store)
    change.draft.put(AGENT_CALLS, ("C", "O", "A"), "x 1\n")
    change.replace(one, change.latest(one) + 1)
    change.replace(one, change.latest(one) + 1)
    assert (change.latest(one), change.latest(other), one.published) == (2, 0, 0)
    assert store.pages[Format.TEXT].pieces == ()
    change.publish()
    assert (one.published, other.published) == (2, 0)
    assert b"".join(store.pages[Format.TEXT].text()[1]).endswith(b"\nx 1\n")


def test_a_change_that_is_dropped_replaces_nothing() -> None:
    number = Number()
    Change(Store()).replace(number, 5)
    assert number.published == 0
