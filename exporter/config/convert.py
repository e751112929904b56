"""A YAML file as typed values, with every problem in it and not only the first.

`msgspec.convert` stops at its first error and knows no lines. So this module walks along the types, which
`msgspec.inspect` describes, and looks at the nodes of the file. No type contains itself, so the walk ends even if an
anchor does. docs/development/decisions.md says why this is not pydantic.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import yaml
from msgspec import Meta, inspect

from exporter.config.yaml_file import read_yaml
from exporter.errors import ConfigError

Decoders = Mapping[type, Callable[[str], Any]]
"""How text becomes a value of a type that YAML does not have. A decoder's ValueError says what is wrong with the text.

Such a type can have a text `expected`, which describes its values: "a duration such as 30s".
"""

UNREAD: Final[Any] = object()
"""Takes the place of a value that is unknown while `Block.problems` runs. It is equal to nothing else."""

_TAG: Final = "tag:yaml.org,2002:"
_WORDS: Final = {
    (yaml.MappingNode, f"{_TAG}map"): "a mapping",
    (yaml.SequenceNode, f"{_TAG}seq"): "a list",
    (yaml.ScalarNode, f"{_TAG}str"): "text",
    (yaml.ScalarNode, f"{_TAG}bool"): "true or false",
    (yaml.ScalarNode, f"{_TAG}int"): "a whole number",
    (yaml.ScalarNode, f"{_TAG}float"): "a number",
    (yaml.ScalarNode, f"{_TAG}null"): "nothing",
    (yaml.ScalarNode, f"{_TAG}timestamp"): "a date",
}
_EXPECTED: Final[Mapping[type[inspect.Type], str]] = {
    inspect.StructType: "a mapping",
    inspect.DictType: "a mapping",
    inspect.VarTupleType: "a list",
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
}
_WORD: Final = re.compile("[A-Za-z_-]{1,64}")
_PLAIN: Final = re.compile(r"[\w-]+")
_LONGEST_SUGGESTED: Final = 64


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping in a configuration file, with an attribute for each key."""

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong between the keys, as a path below this block and a message.

        In place of a rejected value, and of the value of a misspelt key, is UNREAD, () for a list, {} for a mapping,
        and a block of these for a block.
        """
        yield from ()


BlockT = TypeVar("BlockT", bound=Block)


def about(description: str, *examples: Any, **more: Any) -> Meta:
    """Return the annotation that documents a key; `more` goes to msgspec's Meta."""
    return Meta(description=description, examples=list(examples) or None, **more)


def check(accept: Callable[[Any], None], *, numbers: bool = False, **more: Any) -> Meta:
    """Return the annotation for values that `accept` rejects with ValueError; `more` goes to msgspec's Meta.

    With `numbers`, a text may also be written as a whole number without quotes.
    """
    return Meta(extra={"check": accept, "numbers": numbers}, **more)


class Shape(NamedTuple):
    """A type without its annotations and without None; `notes` are the annotations' part of the JSON Schema."""

    kind: inspect.Type
    optional: bool = False
    check: Callable[[Any], None] | None = None
    numbers: bool = False
    notes: Mapping[str, Any] = {}

    @classmethod
    def of(cls, kind: inspect.Type) -> "Shape":
        """Return the shape of a type as msgspec describes it."""
        if isinstance(kind, inspect.Metadata):
            inner = cls.of(kind.type)
            return inner._replace(**(kind.extra or {}), notes={**inner.notes, **(kind.extra_json_schema or {})})
        if isinstance(kind, inspect.UnionType):
            (inner,) = (cls.of(each) for each in kind.types if not isinstance(each, inspect.NoneType))
            return inner._replace(optional=True)
        return cls(kind)

    @property
    def unread(self) -> Any:
        """What takes the place of a rejected value of this type."""
        if isinstance(self.kind, inspect.StructType):
            return self.kind.cls(**{field.name: Shape.of(field.type).unread for field in self.kind.fields})
        return {inspect.VarTupleType: (), inspect.DictType: {}}.get(type(self.kind), UNREAD)


class Document:
    """A YAML file on its way to typed values; every error about it has the file and the line.

    With `blank_is_null`, an empty text counts as nothing, as in files that Go programs read.
    """

    def __init__(self, path: Path, decoders: Decoders, *, blank_is_null: bool = False) -> None:
        self.path = path
        self._decoders = decoders
        self._blank_is_null = blank_is_null
        self._lines: dict[str, int] = {}
        self._shapes: dict[int, Shape] = {}  # by the id of a type, which lives as long as `read` runs
        self._errors: list[ConfigError] = []

    def read(self, kind: type[BlockT]) -> BlockT:
        """Return the content of the file.

        Raises an ExceptionGroup of ConfigErrors, in the order of their lines. None of them quotes a value that is not
        text, or an unknown key that may be a secret.
        """
        try:
            root = read_yaml(self.path)
        except ConfigError as error:
            raise ExceptionGroup("rejected", [error]) from None
        value: BlockT = self._value(inspect.type_info(kind), root, "", root.start_mark.line + 1)
        if self._errors:
            raise ExceptionGroup("rejected", sorted(self._errors, key=lambda error: error.line or 0))
        return value

    def error(self, path: str, message: str, line: int | None = None) -> ConfigError:
        """Return the error of a key; one that is missing has the line of the mapping that it is missing from."""
        above = path
        while above and above not in self._lines:
            above = above.rpartition(".")[0]
        return ConfigError(path, message, file=self.path, line=line or self._lines.get(above))

    def _reject(self, path: str, message: str, line: int | None = None) -> None:
        self._errors.append(self.error(path, message, line))

    def _value(self, kind: inspect.Type, node: yaml.Node, path: str, line: int) -> Any:
        self._lines[path] = line
        shape = self._shapes.get(id(kind)) or self._shapes.setdefault(id(kind), Shape.of(kind))
        if shape.optional and (_word(node) == "nothing" or (self._blank_is_null and node.value == "")):
            return None
        try:
            value = self._typed(shape, node, path)
            if shape.check:
                shape.check(value)
        except ValueError as error:
            self._reject(path, str(error))
            return shape.unread
        return value

    def _typed(self, shape: Shape, node: yaml.Node, path: str) -> Any:
        kind, word = shape.kind, _word(node)
        expected = _EXPECTED.get(type(kind), "text")
        leaf: Any = getattr(kind, "cls", None)
        if word != expected and not (word == "a whole number" and shape.numbers):
            if hasattr(leaf, "expected"):
                got = "a number without a unit" if word in ("a whole number", "a number") else word
                raise ValueError(f"expected {leaf.expected}, got {got}")
            quoted = expected == "text" and isinstance(node, yaml.ScalarNode) and word != "nothing"
            raise ValueError(f"expected {expected}, got {word}{'; put it in quotes' if quoted else ''}")
        match kind:
            case inspect.StructType():
                return self._block(kind, node, path)
            case inspect.DictType():
                return dict(self._names(kind, node, path))
            case inspect.VarTupleType():
                return self._items(kind, node, path)
        if expected != "text":
            return _constructed(node, getattr(kind, "ge", None))
        text = node.value if word == "text" else str(_constructed(node))
        return self._decoders[leaf](text) if leaf else text

    def _block(self, kind: inspect.StructType, node: yaml.Node, path: str) -> Any:
        fields = {field.encode_name: field for field in kind.fields}
        values: dict[str, Any] = {}
        misspelt: set[str] = set()
        for key, value, line in self._entries(node, path):
            if key in fields:
                values[fields[key].name] = self._value(fields[key].type, value, _below(path, key), line)
            elif _WORD.fullmatch(key) or (_PLAIN.fullmatch(key) and suggestion(key, fields)):
                hint = suggestion(key, fields) or f"; expected one of {', '.join(fields)}"
                self._reject(_below(path, key), f"unknown key{hint}", line)
                misspelt.update(_closest(key, fields))
            else:  # as in `token:s3cret`, which is all key
                hint = "is a space missing after a colon?"
                self._reject(path, f"unknown key, not shown because it may be a token; {hint}", line)
        for key, field in fields.items():
            if field.name not in values and (field.required or key in misspelt):
                if key not in misspelt:
                    self._reject(_below(path, key), "is missing")
                values[field.name] = Shape.of(field.type).unread
        block: Any = kind.cls(**values)
        for place, message in block.problems():
            self._reject(".".join(filter(None, (path, place))), message)
        return block

    def _names(self, kind: inspect.DictType, node: yaml.Node, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the entries of a mapping with keys of the user's; a rejected key is not quoted: it may be the value."""
        accept = Shape.of(kind.key_type).check
        for key, value, line in self._entries(node, path):
            try:
                if accept:
                    accept(key)
            except ValueError as error:
                self._reject(path, str(error), line)
            else:
                yield key, self._value(kind.value_type, value, _below(path, key), line)

    def _items(self, kind: inspect.VarTupleType, node: yaml.Node, path: str) -> tuple[Any, ...]:
        if len(node.value) < (kind.min_length or 0):
            raise ValueError("must not be empty")
        items = enumerate(node.value)
        return tuple(self._value(kind.item_type, each, f"{path}[{i}]", each.start_mark.line + 1) for i, each in items)

    def _entries(self, node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node, int]]:
        """Yield key, value and line of each entry whose key is text."""
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == f"{_TAG}str":
                yield key.value, value, line
            else:
                self._reject(path, f"expected text as a key, got {_word(key)}; put it in quotes", line)


def suggestion(text: str, known: Iterable[str]) -> str:
    """Return `; did you mean '…'?` with the one of `known` that is most like `text`; empty if none is like it."""
    return "".join(f"; did you mean {each!r}?" for each in _closest(text, known))


def _closest(text: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(text, known, n=1) if len(text) <= _LONGEST_SUGGESTED else []


def _word(node: yaml.Node) -> str:
    return _WORDS.get((type(node), node.tag), "another type")


def _constructed(node: yaml.Node, least: int | None = None) -> Any:
    """Return the value of a scalar; ValueError if it is less than `least`."""
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, LookupError):  # for `0x_`, `!!int x` and `!!bool x`
        raise ValueError("is not a valid number or boolean; put text in quotes") from None
    if least is not None and value < least:
        raise ValueError(f"must be at least {least}")
    return value


def _below(path: str, key: str) -> str:
    if not _PLAIN.fullmatch(key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key
