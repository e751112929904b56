"""Data as YAML gives it, made into msgspec Structs, with every problem found on the way rather than the first.

`msgspec.convert` stops at its first error, so only the leaves are its; the way to them is gone here. The way follows
the types, never the data, and so it ends, whatever refers to itself.
"""

import datetime as dt
import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Self, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.structs import fields, replace

from exporter.errors import ConfigError

Decoders = Mapping[type, Callable[[str], Any]]
"""How text becomes a value of a type that msgspec does not know; a ValueError's text says what is wrong with it.

Such a type may have a `hint`, which says how a YAML value that is no text should have been written, or `numbers`, which
tells that a whole number is taken for its text.
"""

_WORDS: Final[dict[type, str]] = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    NoneType: "nothing",
    dt.date: "a date",
    dt.datetime: "a date",
}
_LONGEST_SUGGESTED: Final = 64


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of the configuration, with an attribute for each key.

    Functions among a type's annotations get the value and raise ValueError where it cannot be accepted.
    """

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong between the keys, as the path below this block and a message.

        What could not be read stands as NaN, which equals nothing and is neither less nor more than anything, so that
        nothing follows from it; a list that could not be read as (), a mapping as {}, a block as one of these.
        """
        yield from ()


BlockT = TypeVar("BlockT", bound=Block)


def convert(data: Any, kind: type[BlockT], decoders: Decoders) -> tuple[BlockT, list[ConfigError]]:
    """Give `data` as a `kind`, and what is wrong with it; the first is of no use where there is any of that.

    Errors come in the order of the data; after those of a block's keys come the keys that are missing, and then what is
    wrong between the keys. No error quotes a value that is no text.
    """
    walk = _Walk(decoders)
    return walk.value(_shape(kind), data, ""), walk.errors


def suggestion(text: str, known: Iterable[str]) -> str:
    """Give `; did you mean '…'?` with the one of `known` that is like `text`, an empty text where none is."""
    if len(text) > _LONGEST_SUGGESTED:
        return ""
    close = difflib.get_close_matches(text, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


class _Shape(msgspec.Struct, frozen=True):
    """What the walk has to know of a type.

    `expects` is what YAML has to give for it; it is a block, a list of `item`, a mapping of any `name` to `item`, or
    else a leaf, for msgspec to convert.
    """

    expects: type
    block: type[Block] | None = None
    name: Self | None = None
    item: Self | None = None
    leaf: Any = None
    hint: str = ""
    numbers: bool = False
    optional: bool = False
    required: bool = True
    checks: tuple[Callable[[Any], None], ...] = ()

    @property
    def unread(self) -> Any:
        """What stands for a value that could not be read; a new NaN each, since a set finds a NaN by its identity."""
        if self.block:
            return self.block(**{attribute: shape.unread for attribute, shape in _shapes(self.block).values()})
        if self.name:
            return {}
        return () if self.item else float("nan")


@cache
def _shapes(kind: type[Block]) -> dict[str, tuple[str, _Shape]]:
    """Give the attribute and the shape of each key of `kind`."""
    return {
        field.encode_name: (field.name, replace(_shape(field.type), required=field.required)) for field in fields(kind)
    }


def _shape(kind: Any) -> _Shape:
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        shape = _shape(inner)
        return replace(shape, checks=(*shape.checks, *filter(callable, notes)), leaf=shape.leaf and kind)
    if get_origin(kind) in (Union, UnionType):
        (inner,) = (each for each in get_args(kind) if each is not NoneType)
        return replace(_shape(inner), optional=True)
    if get_origin(kind) in (tuple, Mapping):
        *name, item = (_shape(each) for each in get_args(kind) if each is not ...)
        return _Shape(dict, name=name[0], item=item) if name else _Shape(list, item=item)
    if issubclass(kind, Block):
        return _Shape(dict, block=kind)
    if kind in (bool, int):
        return _Shape(kind, leaf=kind)
    hint = getattr(kind, "hint", "put it in quotes")
    return _Shape(str, leaf=kind, hint=hint, numbers=getattr(kind, "numbers", False))


class _Walk:
    def __init__(self, decoders: Decoders) -> None:
        self.errors: list[ConfigError] = []
        self._decoders = decoders

    def value(self, shape: _Shape, data: Any, path: str) -> Any:
        if data is None and shape.optional:
            return None
        if shape.numbers and _is_exactly(data, int):
            data = str(data)
        if not _is_exactly(data, shape.expects):
            hint = f"; {shape.hint}" if shape.hint and not isinstance(data, dict | list | NoneType) else ""
            return self._refuse(shape, path, f"expected {_WORDS[shape.expects]}, got {_word(data)}{hint}")
        if shape.block:
            return self._block(shape.block, data, path)
        try:
            value = self._items(shape.name, shape.item, data, path) if shape.item else self._leaf(shape.leaf, data)
            for check in shape.checks:
                check(value)
        except ValueError as error:
            return self._refuse(shape, path, str(error))
        return value

    def _block(self, kind: type[Block], data: dict[Any, Any], path: str) -> Block:
        shapes = _shapes(kind)
        values: dict[str, Any] = {}
        for number, (key, value) in enumerate(data.items(), 1):
            if not isinstance(key, str):
                self._add(path, f"expected text as a key, got {_word(key)}; put it in quotes")
            elif key in shapes:
                attribute, shape = shapes[key]
                values[attribute] = self.value(shape, value, _below(path, key))
            elif _is_a_word(key) or (_is_plain(key) and suggestion(key, shapes)):
                self._add(_below(path, key), f"unknown key{suggestion(key, shapes)}")
            else:  # as of `token:s3cret`, which is all key
                hint = "it is not shown, for it may be a token: is the space behind a colon missing?"
                self._add(path, f"key {number} is unknown; {hint}")
        for key, (attribute, shape) in shapes.items():
            if shape.required and attribute not in values:
                values[attribute] = self._refuse(shape, _below(path, key), "is missing")
        block = kind(**values)
        for place, message in block.problems():
            self._add(".".join(filter(None, (path, place))), message)
        return block

    def _items(self, name: _Shape | None, item: _Shape, data: Any, path: str) -> Any:
        if name is None:
            return tuple(self.value(item, each, f"{path}[{index}]") for index, each in enumerate(data))
        values = {}
        for key, value in data.items():
            if self._is_name(name, key, path):
                values[key] = self.value(item, value, _below(path, key))
        return values

    def _is_name(self, name: _Shape, key: Any, path: str) -> bool:
        """Tell whether `key` is a `name`; where it is none it is not quoted: it may be the value."""
        before = len(self.errors)
        if isinstance(key, str):
            self.value(name, key, path)
        else:
            self._add(path, f"expected text as a key, got {_word(key)}; put it in quotes")
        return len(self.errors) == before

    def _leaf(self, kind: Any, data: Any) -> Any:
        """Convert `data`; ValueError where it cannot be."""
        try:
            return msgspec.convert(data, kind, dec_hook=lambda kind, text: self._decoders[kind](text))
        except msgspec.ValidationError as error:
            # msgspec's own message, as in "Expected `int` >= 1", or that of a decoder
            raise ValueError(str(error.__cause__ or str(error).replace("`", "").replace("E", "e", 1))) from None

    def _refuse(self, shape: _Shape, path: str, message: str) -> Any:
        self._add(path, message)
        return shape.unread

    def _add(self, path: str, message: str) -> None:
        self.errors.append(ConfigError(path, message))


def _is_exactly(data: Any, kind: type) -> bool:
    """Tell whether `data` is a `kind` and no subclass of it: a bool is no whole number here."""
    return type(data) is kind


def _word(data: Any) -> str:
    return _WORDS.get(type(data), "something else")


def _is_a_word(key: str) -> bool:
    return len(key) <= _LONGEST_SUGGESTED and re.fullmatch("[A-Za-z_-]+", key) is not None


def _is_plain(key: str) -> bool:
    return re.fullmatch(r"[\w-]+", key) is not None


def _below(path: str, key: str) -> str:
    if not _is_plain(key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key
