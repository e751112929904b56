"""The YAML of a file, as nodes that know their lines.

Accepts what `yaml.safe_load` accepts, except duplicate keys and anything that could make the parser hang.
"""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from exporter.errors import ConfigError
from exporter.runtime.files import LARGEST_CONFIG, read_start

_NESTING_LIMIT: Final = 50
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> yaml.Node:
    """Return the root node of the only document in the file `path`, with all merge keys (`<<`) resolved.

    Raises ConfigError, with the file and the line, if the file cannot be read, is not YAML, has a duplicate key, or has
    not exactly one document. The message quotes nothing from the file.
    """
    text = _read_text(path)
    try:
        _limit_nesting(text)
        loader = _Loader(text)
        root = loader.get_single_node()
        loader.merge_all(root)
    except yaml.MarkedYAMLError as error:
        problem = ", ".join(_without_quotes(part) for part in (error.context, error.problem) if part)
        mark = error.problem_mark
        if mark is None:
            raise ConfigError("", problem, file=path) from None
        if "\t" in "".join(text.splitlines()[mark.line : mark.line + 1]):
            problem += "; the line contains a tab: indent with spaces"
        raise ConfigError("", f"{problem} (column {mark.column + 1})", file=path, line=mark.line + 1) from None
    except RecursionError:
        raise ConfigError("", "nested too deep", file=path) from None
    if not isinstance(root, yaml.Node):
        raise ConfigError("", "the file is empty", file=path)
    return root


def _read_text(path: Path) -> str:
    try:
        data = read_start(path, LARGEST_CONFIG + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError("", f"cannot read the file: {error.strerror}", file=path) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("", "not UTF-8", file=path, line=line) from None
    except ValueError:  # the name contains a NUL
        raise ConfigError("", "not a file name", file=path) from None
    if len(data) > LARGEST_CONFIG:
        raise ConfigError("", f"the file is larger than {LARGEST_CONFIG // 1024**2} MiB", file=path)
    if found := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ConfigError("", f"YAML does not allow the character U+{ord(found[0]):04X}", file=path, line=line)
    return text


def _limit_nesting(text: str) -> None:
    """Reject nesting that is deep enough for libyaml's recursion to overrun the C stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _NESTING_LIMIT:
                mark: Any = event.start_mark
                raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _without_quotes(problem: str) -> str:
    """Remove the names that a message quotes: an unquoted token that begins with `*` or `!` is an alias or a tag."""
    return re.sub(r" '[\w!][^']*'", "", problem)


class _Loader(_Base):  # type: ignore[misc] # the C loader is missing if PyYAML was built without libyaml
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._flat: set[yaml.MappingNode] = set()

    def merge_all(self, root: yaml.Node | None) -> None:
        """Resolve the merge keys of every mapping; anchors can make the nodes a graph with cycles."""
        pending, seen = [root], set()
        while pending:
            node = pending.pop()
            if node in seen or not isinstance(node, yaml.CollectionNode):
                continue
            seen.add(node)
            if isinstance(node, yaml.MappingNode):
                self.flatten_mapping(node)
            below = (each[1] if isinstance(each, tuple) else each for each in node.value)
            pending += reversed([*below])

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Check the keys of a mapping, then merge what `<<` names; PyYAML calls this for the merged mappings."""
        if node in self._flat:
            return
        self._flat.add(node)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be text", problem_mark=key.start_mark)
            if first := lines.get((key.tag, key.value)):
                raise yaml.MarkedYAMLError(problem=f"duplicate key, first on line {first}", problem_mark=key.start_mark)
            lines[key.tag, key.value] = key.start_mark.line + 1
        super().flatten_mapping(node)
        # One entry for each key, so that merges of merges of merges stay as small as the file.
        node.value = list({(key.tag, key.value): (key, value) for key, value in node.value}.values())
