"""What is published: the blocks of each family, and from them one page for each format.

Changes are made in drafts. Those that are committed wait for the next pages, which `Store.publish` makes.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Protocol, TypeVar

from exporter.exposition.blocks import LARGEST_TEXT, FamilyBlocks, Key, Removal, merged
from exporter.exposition.deflate import Piece
from exporter.exposition.families import FAMILIES, Family
from exporter.exposition.page import Page
from exporter.exposition.text_format import Format, header
from exporter.runtime.steps import Steps, finished

_Value = TypeVar("_Value")

_BlocksId = tuple[str, Format | None]
"""A family's name and the format that its blocks are for; None if both formats share them."""

_FEW_TEXTS: Final = 64
_FEW_BYTES: Final = 32 * 1024
"""So few texts are merged in less than 5 ms, whatever groups they belong to."""


@cache
def _ids(families: tuple[Family, ...]) -> tuple[_BlocksId, ...]:
    """Return the ids of the blocks of some families."""
    return tuple((each.name, form) for each in families for form in (Format if each.created else (None,)))


class _Pages(dict[Format, Page]):
    """The pages of some blocks, with a few texts that are to be merged into them.

    A page is made by its first scrape, because most are replaced before anyone scrapes.
    """

    def __init__(
        self,
        headers: Mapping[tuple[Family, Format], Piece],
        blocks: Mapping[_BlocksId, FamilyBlocks],
        texts: Mapping[_BlocksId, Mapping[Key, bytes]],
    ) -> None:
        super().__init__()
        self._headers = headers
        self._blocks = blocks
        self._texts = texts

    def __missing__(self, form: Format) -> Page:
        pieces: list[Piece] = []
        for family in FAMILIES:
            blocks_id = family.name, form if family.created else None
            blocks = self._blocks.get(blocks_id, ())
            if texts := self._texts.get(blocks_id):
                blocks = finished(merged(blocks, texts))
            if blocks:
                pieces.append(self._headers[family, form])
                pieces += [group.piece for group in blocks]
        page = Page(tuple(pieces), sum(len(piece.data) for piece in pieces), sum(piece.size for piece in pieces))
        self[form] = page
        return page


class Store:
    """Holds the published pages, and the changes that are not published yet. `pages` is replaced as a whole.

    One thing at a time: while a draft is being written, no other draft is, and nothing is published.
    """

    def __init__(self) -> None:
        self._headers = {(family, form): Piece.of(header(family, form)) for family in FAMILIES for form in Format}
        self._blocks: dict[_BlocksId, FamilyBlocks] = {}
        self._pending: dict[_BlocksId, dict[Key, bytes]] = {}
        """Texts that are committed, but not merged into the blocks yet."""
        self._pending_count = 0
        """The number of the pending texts, at most."""
        self.pending_size = 0
        """The size of the pending texts in bytes, at most."""
        self.changed = False
        """Whether a change has been committed that is not published yet."""
        self.pages: Mapping[Format, Page] = _Pages(self._headers, {}, {})

    def draft(self) -> "Draft":
        """Begin a change of what is published."""
        return Draft(self)

    def publish(self) -> Steps[None]:
        """Replace the pages by those with every change that has been committed.

        A few texts wait on for more of them: until then, the first scrape merges them into its page.
        If it is not run to the end, nothing is lost: the next one continues.
        """
        if not self.changed:
            return
        if self._pending_count <= _FEW_TEXTS and self.pending_size <= _FEW_BYTES:
            few = {blocks_id: {**texts} for blocks_id, texts in self._pending.items()}
            self.pages = _Pages(self._headers, {**self._blocks}, few)
            self.changed = False
            return
        removal = Removal()
        for blocks_id in [*self._pending]:
            self._blocks[blocks_id] = yield from self._merged(blocks_id, removal)
            del self._pending[blocks_id]
        self.pages = _Pages(self._headers, {**self._blocks}, {})
        self._pending_count = self.pending_size = 0
        self.changed = False

    def _merged(self, blocks_id: _BlocksId, removal: Removal) -> Steps[FamilyBlocks]:
        blocks, texts = self.blocks(blocks_id), self.pending(blocks_id)
        rest = {key: text for key, text in texts.items() if text} if any(texts.values()) else {}
        if removal.pays(blocks, len(texts) - len(rest)):
            blocks, texts = (yield from removal.steps(blocks, texts)), rest
        return (yield from merged(blocks, texts)) if texts else blocks

    def blocks(self, blocks_id: _BlocksId) -> FamilyBlocks:
        """Return the blocks of a family without the pending texts."""
        return self._blocks.get(blocks_id, ())

    def pending(self, blocks_id: _BlocksId) -> Mapping[Key, bytes]:
        """Return the texts of a family that are not merged into its blocks yet."""
        return self._pending.get(blocks_id, {})

    def add(self, blocks_id: _BlocksId, texts: dict[Key, bytes], size: int, blocks: FamilyBlocks | None) -> None:
        """Take over what a draft has changed in a family: texts, and maybe blocks in place of all that was before.

        `size` is the size of the texts in bytes, at most.
        """
        self.changed = True
        self._pending_count += len(texts)
        self.pending_size += size
        if blocks is not None:
            self._blocks[blocks_id] = blocks
            self._pending.pop(blocks_id, None)
        if pending := self._pending.get(blocks_id):
            pending.update(texts)
        elif texts:
            self._pending[blocks_id] = texts


class Publisher(Protocol[_Value]):
    """An object that remembers, as one immutable value, what it has published: on the pages, or on the next ones."""

    published: _Value


class _Change:
    """A draft's change to one family: texts, and, if these were too large to wait, blocks that they are merged into."""

    __slots__ = ("blocks", "size", "texts")

    def __init__(self) -> None:
        self.texts: dict[Key, bytes] = {}
        self.size = 0
        self.blocks: FamilyBlocks | None = None


class Draft:
    """A change: blocks, and the values of publishers that are replaced together with them.

    A draft that is dropped has changed nothing, so there is nothing to undo.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._removed: defaultdict[tuple[Family, ...], dict[Key, bytes]] = defaultdict(dict)
        """The keys, without a text, of the blocks that were removed from some families before anything was put."""
        self._changes: defaultdict[_BlocksId, _Change] = defaultdict(_Change)
        self._values: dict[Any, Any] = {}
        self._writes: list[Callable[[Draft], None]] = []

    def latest(self, publisher: Publisher[_Value]) -> _Value:
        """Return the publisher's value as this draft has left it so far."""
        value: _Value = self._values.get(publisher, publisher.published)
        return value

    def replace(self, publisher: Publisher[_Value], value: _Value) -> None:
        """Replace the publisher's value when this draft is committed."""
        self._values[publisher] = value

    def before_commit(self, write: Callable[["Draft"], None]) -> None:
        """Let `write` put what depends on the last value of a publisher, however often it is replaced before."""
        self._writes.append(write)

    def put(self, family: Family, key: Key, text: str, openmetrics: str = "") -> None:
        """Replace the block of `key` in a family; an empty text removes it.

        `openmetrics` is the block's text in OpenMetrics, for a `created` family only: other families share one text.
        """
        if family.created:
            self._put((family.name, Format.TEXT), key, text)
            self._put((family.name, Format.OPENMETRICS), key, openmetrics)
        else:
            self._put((family.name, None), key, text)

    def remove(self, families: tuple[Family, ...], key: Key) -> None:
        """Remove the block of `key` from each of some families."""
        if not self._changes:
            self._removed[families][key] = b""
            return
        for blocks_id in _ids(families):
            self._changes[blocks_id].texts[key] = b""

    def _put(self, blocks_id: _BlocksId, key: Key, text: str) -> None:
        if self._removed:
            self._move_removed()
        change = self._changes[blocks_id]
        change.texts[key] = encoded = text.encode()
        change.size += len(encoded)
        if change.size > LARGEST_TEXT:
            self._compress(blocks_id, change)

    def _move_removed(self) -> None:
        """Make what was removed a change of each family."""
        for families, removed in self._removed.items():
            for blocks_id in _ids(families):
                change = self._changes[blocks_id]
                change.texts = {**removed, **change.texts}
        self._removed.clear()

    def _compress(self, blocks_id: _BlocksId, change: _Change) -> None:
        """Merge the texts into blocks of this draft. If they ascend, that costs little more than to do it later."""
        blocks, texts = change.blocks, change.texts
        if blocks is None:
            blocks, texts = self._store.blocks(blocks_id), {**self._store.pending(blocks_id), **texts}
        change.blocks = finished(merged(blocks, texts))
        change.texts, change.size = {}, 0

    def commit(self) -> None:
        """Hand the change over to the store, for the next pages, and replace the values. The draft ends with that."""
        for write in self._writes:
            write(self)
        self._move_removed()
        for blocks_id, change in self._changes.items():
            self._store.add(blocks_id, change.texts, change.size, change.blocks)
        for publisher, value in self._values.items():
            publisher.published = value
