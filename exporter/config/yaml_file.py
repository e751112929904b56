"""YAML from a file, read as `yaml.safe_load` reads it, but with no key twice and nothing that could hang it."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from exporter.errors import ConfigError
from exporter.runtime.files import LARGEST_CONFIG, read_start

_NESTING_LIMIT: Final = 50
_MERGE: Final = "tag:yaml.org,2002:merge"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:
    """Give the one document in the file `path`.

    ConfigError, with an empty `.path`, where the file cannot be read, is no YAML, has a key twice in one mapping, or
    holds no document or several. The message has line and column, counted from 1, and no text of the file but a key's.
    """
    text = _read_text(path)
    try:
        _limit_nesting(text)
        document = _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        parts = [_without_quotes(part) for part in (error.context, error.problem) if part]
        mark = error.problem_mark
        if mark is not None and text.splitlines()[mark.line : mark.line + 1] and "\t" in text.splitlines()[mark.line]:
            parts.append("there is a tab: indent with spaces")
        raise _refused(", ".join(parts), error.problem_mark) from None
    except RecursionError:
        raise ConfigError("", "nested too deep") from None
    if document is None:
        raise ConfigError("", f"{str(path)!r} is empty")
    return document


def _read_text(path: Path) -> str:
    try:
        data = read_start(path, LARGEST_CONFIG + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError("", f"cannot read {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("", f"line {line}: no UTF-8 text") from None
    except ValueError:  # a NUL in it
        raise ConfigError("", f"{str(path)!r} is no path") from None
    if len(data) > LARGEST_CONFIG:
        raise ConfigError("", f"{str(path)!r} is larger than {LARGEST_CONFIG // 1024**2} MiB")
    if found := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ConfigError("", f"line {line}: YAML does not allow the character U+{ord(found[0]):04X}")
    return text


def _limit_nesting(text: str) -> None:
    """Refuse what is nested so deep that libyaml's recursion would overrun the C stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _NESTING_LIMIT:
                raise _refused("nested too deep", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _without_quotes(problem: str) -> str:
    """Leave out names that a problem quotes: an unquoted token that begins with `*` or `!` is an alias or a tag."""
    return re.sub(r" '[\w!][^']*'", "", problem)


def _refused(problem: str, mark: Any) -> ConfigError:
    return ConfigError("", f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else problem)


class _Loader(_Base):  # type: ignore[misc] # the C loader is missing where PyYAML was built without libyaml
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._flat: set[yaml.MappingNode] = set()

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 # PyYAML's signature
        try:
            return super().construct_object(node, deep)
        except (
            ValueError,
            LookupError,
            AttributeError,
        ):  # PyYAML's answers to 2024-13-45, 0x_, !!bool x, !!timestamp x
            problem = "looks like a number or a date and is none; put text in quotes"
            raise _refused(problem, node.start_mark) from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what `<<` names, after a look at the keys that stand there; PyYAML calls this for every mapping."""
        if node in self._flat:
            return
        self._flat.add(node)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused("a key has to be text", key.start_mark)
            if (key.tag, key.value) in seen:
                raise _refused(f"the key {key.value!r} stands twice", key.start_mark)
            seen.add((key.tag, key.value))
        super().flatten_mapping(node)
        # One entry a key, so that merges of merges of merges stay as small as the file.
        node.value = list({(key.tag, key.value): (key, value) for key, value in node.value}.values())


def _refuse_tag(_loader: _Loader, node: yaml.Node) -> None:
    raise _refused("an unknown tag; put text that begins with '!' in quotes", node.start_mark)


_Loader.add_constructor(None, _refuse_tag)
