"""What is published now: a shelf of blocks for each family, and a page for each format, replaced whole."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from exporter.families import FAMILIES, Family
from exporter.render import Format, compress, header, unpack
from exporter.shelf import Edit, Key, Shelf

_WRITTEN_AT_ONCE: Final = 128 * 1024

_Slot = tuple[str, Format | None]
"""A family's name, and the format that has a text of its own; None: the formats share it."""


class Page(Struct, frozen=True):
    """A page in one format, as gzip members with the size of their text in bytes."""

    members: tuple[bytes, ...] = ()
    gzip_size: int = 0
    text_size: int = 0

    def gzip_chunks(self) -> Iterator[bytes]:
        """Give the page as one stream of gzip members, in pieces that are worth a system call."""
        return _pieces(self.members)

    def text_chunks(self) -> Iterator[bytes]:
        """Give the page as text, unpacked piece by piece, so that it never stands in memory whole."""
        return _pieces(text for member in self.members for text in unpack(member, _WRITTEN_AT_ONCE))


def _pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Join what is small and cut what is large: a slow reader keeps one piece waiting, whatever a folder's size."""
    chunk: list[bytes] = []
    size = 0
    for part in parts:
        for start in range(0, len(part), _WRITTEN_AT_ONCE):
            piece = part[start : start + _WRITTEN_AT_ONCE]
            chunk.append(piece)
            size += len(piece)
            if size >= _WRITTEN_AT_ONCE:
                yield b"".join(chunk)
                chunk, size = [], 0
    yield b"".join(chunk)


class Store:
    """Holds what is published; `pages` is one reference that is replaced whole by `Draft.publish`."""

    def __init__(self) -> None:
        self._headers = {
            (family, form): (compress(text := header(family, form)), len(text))
            for family in FAMILIES
            for form in Format
        }
        self.shelves: dict[_Slot, Shelf] = {}
        self.pages: Mapping[Format, Page] = {form: Page() for form in Format}

    def draft(self) -> "Draft":
        """Begin a change. One draft at a time: it starts from what is published now."""
        return Draft(self)

    def replace(self, shelves: Mapping[_Slot, Shelf]) -> None:
        """Publish new shelves for some families."""
        self.shelves = {**self.shelves, **shelves}
        self.pages = {form: self._page(form) for form in Format}

    def _page(self, form: Format) -> Page:
        members: list[bytes] = []
        text_size = 0
        for family in FAMILIES:
            shelf = self.shelves.get((family.name, form if family.created else None))
            if shelf:
                opening, size = self._headers[family, form]
                members.append(opening)
                members += [member.data for member in shelf]
                text_size += size + sum(member.text_size for member in shelf)
        return Page(tuple(members), sum(map(len, members)), text_size)


class Draft:
    """Changes to what is published, which nobody sees before `publish`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._edits: dict[_Slot, Edit] = {}

    def put(self, family: Family, key: Key, text: str, openmetrics: str = "") -> None:
        """Let `text` be the block of `key` in a family, nothing where it is empty.

        `openmetrics` is that format's text, for a family that is `created` and so has one of its own.
        """
        if family.created:
            self._put((family.name, Format.TEXT), key, text)
            self._put((family.name, Format.OPENMETRICS), key, openmetrics)
        else:
            self._put((family.name, None), key, text)

    def _put(self, slot: _Slot, key: Key, text: str) -> None:
        edit = self._edits.get(slot)
        if edit is None:
            edit = self._edits[slot] = Edit(self._store.shelves.get(slot, ()))
        edit.put(key, text.encode())

    def publish(self) -> None:
        """Let everybody see the changes, all at once."""
        self._store.replace({slot: edit.finish() for slot, edit in self._edits.items()})
