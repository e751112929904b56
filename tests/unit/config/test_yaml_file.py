import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from exporter.config import yaml_file
from exporter.errors import ConfigError

LEVELS = 40


def without_libyaml() -> ModuleType:
    """Give the module as it is where PyYAML was built without libyaml."""
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


def refusal(module: ModuleType, path: Path) -> str:
    """Read what must not be read, and give the message."""
    with pytest.raises(ConfigError) as caught:
        module.read_yaml(path)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("a: [1, 0x1F, 1.5, yes, ~, '1', 30s]", {"a": [1, 31, 1.5, True, None, "1", "30s"]}),
        ("\ufeffa: ü 😀\r\nb: 1\r\n", {"a": "ü 😀", "b": 1}),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}", {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}}),
        ("a: &x {k: 1}\nb: {<<: [*x, {k: 2, m: 3}], n: 4}", {"a": {"k": 1}, "b": {"k": 1, "m": 3, "n": 4}}),
        ("a: &x {<<: *x, k: 1}", {"a": {"k": 1}}),
        ("'1': a\n1: b\n", {"1": "a", 1: "b"}),
    ],
)
def test_yaml_is_read_as_the_safe_loader_does(module: ModuleType, tmp_path: Path, text: str, document: object) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, "utf-8", newline="")
    assert module.read_yaml(path) == document == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1,\n  c: 2}\n", "line 3, column 3: the key 'c' stands twice"),
        ("a: 1\n'a': 2\n", "line 2, column 1: the key 'a' stands twice"),
        ("- a: &x {k: 1, k: 2}\n  b: {<<: *x}\n", "line 1, column 16: the key 'k' stands twice"),
        (
            "a: {<<: 1}",
            (
                "line 1, column 9: while constructing a mapping, "
                "expected a mapping or list of mappings for merging, but found scalar"
            ),
        ),
        ("? [a]\n: b\n", "line 1, column 3: a key has to be text"),
        ("a: *canary", "line 1, column 4: found undefined alias"),
        ("a: !canary b", "line 1, column 4: an unknown tag; put text that begins with '!' in quotes"),
        ("a: !canary!b c", "line 1, column 4: while parsing a node, found undefined tag handle"),
        ("a: !!python/name:os.system x", "line 1, column 4: an unknown tag; put text that begins with '!' in quotes"),
        ("a: 2024-13-45", "line 1, column 4: looks like a number or a date and is none; put text in quotes"),
        ("a: 0x_", "line 1, column 4: looks like a number or a date and is none; put text in quotes"),
        ("a: !!bool x", "line 1, column 4: looks like a number or a date and is none; put text in quotes"),
        ("a: !!timestamp x", "line 1, column 4: looks like a number or a date and is none; put text in quotes"),
        (f"a: {'9' * 5000}", "line 1, column 4: looks like a number or a date and is none; put text in quotes"),
        ("---\na\n---\nb\n", "line 3, column 1: expected a single document in the stream, but found another document"),
        ("a: \x00", "line 1: YAML does not allow the character U+0000"),
        ("[" * 100_000 + "]" * 100_000, "line 1, column 51: nested too deep"),
        ("{a: " * 60 + "}" * 60, "line 1, column 201: nested too deep"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(
    module: ModuleType, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, "utf-8")
    assert refusal(module, path) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'{path}' is empty"),
        (b"# nothing\n", "'{path}' is empty"),
        (b"a: b\nc: caf\xe9\n", "line 2: no UTF-8 text"),
        ("a: 1".encode("utf-16"), "line 1: no UTF-8 text"),
    ],
)
def test_a_file_that_holds_no_text(module: ModuleType, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    assert refusal(module, path) == message.format(path=path)


def test_a_file_that_cannot_be_read(module: ModuleType, tmp_path: Path) -> None:
    assert refusal(module, tmp_path / "absent") == f"cannot read '{tmp_path}/absent': No such file or directory"
    assert refusal(module, tmp_path) == f"cannot read '{tmp_path}': Is a directory"
    assert refusal(module, tmp_path / "a\0b") == rf"'{tmp_path}/a\x00b' is no path"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_must_not_be_read(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.touch(0)
    assert refusal(module, path) == f"cannot read '{path}': Permission denied"


def test_merges_of_merges_stay_small(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    lines = [
        f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}], k{level}: 1}}" for level in range(1, LEVELS)
    ]
    path.write_text("\n".join(["a0: &a0 {k0: 1}", *lines]))
    document = module.read_yaml(path)
    assert document[f"a{LEVELS - 1}"] == {f"k{level}": 1 for level in range(LEVELS)}


def test_lists_of_lists_are_not_spread_out(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    lines = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, LEVELS)]
    path.write_text("\n".join(["a0: &a0 [k]", *lines]))
    document = module.read_yaml(path)
    assert document["a2"][0] is document["a1"]
