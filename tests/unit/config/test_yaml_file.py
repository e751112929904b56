import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from exporter.config import yaml_file
from exporter.errors import ConfigError

LEVELS = 40


def without_libyaml() -> ModuleType:
    """Return the module as it is if PyYAML was built without libyaml."""
    spec = importlib.util.find_spec("exporter.config.yaml_file")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(yaml, "CSafeLoader")
        spec.loader.exec_module(module)
    return module


@pytest.fixture(params=[yaml_file, without_libyaml()], ids=["libyaml", "python"])
def module(request: pytest.FixtureRequest) -> ModuleType:
    assert isinstance(request.param, ModuleType)
    return request.param


def rejection(module: ModuleType, path: Path) -> str:
    """Read a file that is rejected, and return the message after the name of the file."""
    with pytest.raises(ConfigError) as caught:
        module.read_yaml(path)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value).removeprefix(f"{path}:").lstrip()


def document(node: yaml.Node) -> Any:
    """Return what PyYAML makes of a node."""
    return yaml.constructor.SafeConstructor().construct_document(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 0x1F, 1.5, yes, ~, '1', 30s]", {"a": [1, 31, 1.5, True, None, "1", "30s"]}),
        ("\ufeffa: ü 😀\r\nb: 1\r\n", {"a": "ü 😀", "b": 1}),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}}),
        ("a: &x {k: 1}\nb: {<<: [*x, {k: 2, m: 3}], n: 4}", {"a": {"k": 1}, "b": {"k": 1, "m": 3, "n": 4}}),
        ("a: &x {<<: *x, k: 1}", {"a": {"k": 1}}),
        ("'1': a\n1: b\n", {"1": "a", 1: "b"}),
    ],
)
def test_yaml_is_read_as_the_safe_loader_does(module: ModuleType, tmp_path: Path, text: str, expected: object) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, "utf-8", newline="")
    assert document(module.read_yaml(path)) == expected == yaml.safe_load(text)


def test_nodes_know_their_lines(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# a comment\na: &x\n  b: 1\n\nc:\n  <<: *x\n  d: [\n    2]\n")
    (_, _), (_, merged) = module.read_yaml(path).value
    (b, _), (d, items) = merged.value
    assert [each.start_mark.line + 1 for each in (b, d, *items.value)] == [3, 7, 8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1,\n  c: 2}\n", "3: duplicate key, first on line 2 (column 3)"),
        ("a: 1\n'a': 2\n", "2: duplicate key, first on line 1 (column 1)"),
        ("- a: &x {k: 1, k: 2}\n  b: {<<: *x}\n", "1: duplicate key, first on line 1 (column 16)"),
        (
            "a: {<<: 1}",
            (
                "1: while constructing a mapping, "
                "expected a mapping or list of mappings for merging, but found scalar (column 9)"
            ),
        ),
        ("? [a]\n: b\n", "1: a key must be text (column 3)"),
        ("a: *canary", "1: found undefined alias (column 4)"),
        ("a: !canary!b c", "1: while parsing a node, found undefined tag handle (column 4)"),
        ("---\na\n---\nb\n", "3: expected a single document in the stream, but found another document (column 1)"),
        ("a: \0", "1: YAML does not allow the character U+0000"),
        ("[" * 100_000 + "]" * 100_000, "1: nested too deep (column 51)"),
        ("{a: " * 60 + "}" * 60, "1: nested too deep (column 201)"),
    ],
)
def test_an_error_has_its_line(module: ModuleType, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, "utf-8")
    assert rejection(module, path) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"a: b\nc: caf\xe9\n", "2: not UTF-8"),
        ("a: 1".encode("utf-16"), "1: not UTF-8"),
    ],
)
def test_a_file_without_text(module: ModuleType, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    assert rejection(module, path) == message


def test_a_file_that_cannot_be_read(module: ModuleType, tmp_path: Path) -> None:
    assert rejection(module, tmp_path / "absent") == "cannot read the file: No such file or directory"
    assert rejection(module, tmp_path) == "cannot read the file: Is a directory"
    assert rejection(module, tmp_path / "a\0b") == "not a file name"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.touch(0)
    assert rejection(module, path) == "cannot read the file: Permission denied"


def test_merges_of_merges_stay_small(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    lines = [
        f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}], k{level}: 1}}" for level in range(1, LEVELS)
    ]
    path.write_text("\n".join(["a0: &a0 {k0: 1}", *lines]))
    whole = document(module.read_yaml(path))
    assert whole[f"a{LEVELS - 1}"] == {f"k{level}": 1 for level in range(LEVELS)}


def test_lists_of_lists_are_not_copied(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    lines = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, LEVELS)]
    path.write_text("\n".join(["a0: &a0 [k]", *lines]))
    whole = document(module.read_yaml(path))
    assert whole["a2"][0] is whole["a1"]
