import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from exporter.config.loaded import load_config
from exporter.config.schema import Agents, Company, Config, Org, Poll, StatsFields, Vspark
from exporter.config.tokens import FileToken
from exporter.config.units import Duration
from tools.docs.pages import DOCS, PAGES

ROOT = DOCS.parent
EXAMPLE = ROOT / "config.example.yaml"
GOOD = ROOT / "tests" / "unit" / "config" / "testdata" / "good"
SCHEMA = json.loads((DOCS / "config.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == PAGES[name](), f"docs/{name} is stale; run `make docs`"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [name for name, kind in SCHEMA["$defs"].items() if kind["additionalProperties"] is not False] == []


@pytest.mark.parametrize("path", [EXAMPLE, *sorted(GOOD.glob("*.yaml"))], ids=lambda path: path.stem)
def test_what_loads_is_valid_by_the_schema(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(path.read_text("utf-8")))] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pol": {}}, "Additional properties are not allowed ('pol' was unexpected)"),
        ({"poll": {"intervall": "1m"}}, "Additional properties are not allowed ('intervall' was unexpected)"),
        ({"companies": []}, "[] is not valid under any of the given schemas"),
        ({"vspark": {}}, "'url' is a required property"),
        ({"poll": {"interval": 60}}, "60 is not of type 'string'"),
    ],
)
def test_the_schema_refuses_what_the_exporter_refuses(change: dict[str, Any], message: str) -> None:
    document = yaml.safe_load((GOOD / "minimal.yaml").read_text("utf-8")) | change
    assert [error.message for error in VALIDATOR.iter_errors(document)] == [message]


@pytest.mark.parametrize("text", ["", "60", "1.5m", "30s1h", "5 m"])
def test_the_schema_knows_what_a_duration_is(text: str) -> None:
    document = yaml.safe_load((GOOD / "minimal.yaml").read_text("utf-8")) | {"poll": {"interval": text}}
    assert len(list(VALIDATOR.iter_errors(document))) == 1


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Return a folder with every file that the example names under /etc/vspark-exporter."""
    for name in set(re.findall(r"/etc/vspark-exporter/(\S+)", EXAMPLE.read_text("utf-8"))):
        (tmp_path / name).write_text("s3cret-canary-of-16")
    return tmp_path


def test_the_example_loads_and_holds_the_defaults(etc: Path) -> None:
    path = etc / "config.yaml"
    path.write_text(EXAMPLE.read_text("utf-8").replace("/etc/vspark-exporter", str(etc)))
    config = load_config(path, {})
    assert config.vspark == Vspark(url="https://vspark.example.com:3000", token_file=FileToken(etc / "token"))
    assert config.poll == Poll(stale_after_seconds=Duration(300))
    assert config.agents == Agents()
    assert config.stats_fields == StatsFields()
    assert config.companies == (
        Company(
            name="DocTestCo",
            token_file=FileToken(etc / "doctestco-token"),
            orgs=(
                Org(
                    name="DocTestCo-DocTesting",
                    timezone="US/Eastern",
                    folders=("Test01", "Test02"),
                    interval_seconds=Duration(30),
                ),
                Org(name="DocTestCo-Sales", timezone="Europe/Berlin"),
            ),
        ),
    )


def test_the_configurations_in_the_readme_load(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```yaml\n(vspark:.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    configs = []
    for text in blocks:
        for name in re.findall(r"token_file: (\S+)", text):
            (tmp_path / name).write_text("s3cret-canary")
        (tmp_path / "config.yaml").write_text(text)
        configs.append(load_config(tmp_path / "config.yaml", {}))
    url = "https://vspark.example.com:3000"
    orgs = (Org(name="DocTestCo-DocTesting", folders=("Test01", "Test02")),)
    company = Company(name="DocTestCo", token_file=FileToken(tmp_path / "doctestco.token"), orgs=orgs)
    assert configs == [
        Config(vspark=Vspark(url=url, token_file=FileToken(tmp_path / "vspark.token"))),
        Config(vspark=Vspark(url=url), companies=(company,)),
    ]


def all_keys() -> str:
    """Return the example with the keys in its comments made into keys."""
    return re.sub(r"^( +)# ([a-z_]+: )", r"\1\2", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)


def test_what_is_commented_out_in_the_example_loads_but_for_the_tokens(etc: Path) -> None:
    path = etc / "config.yaml"
    path.write_text(all_keys().replace("/etc/vspark-exporter", str(etc)))
    with pytest.raises(ExceptionGroup) as caught:
        load_config(path, {"VSPARK_TOKEN": "s3cret-canary", "DOCTESTCO_TOKEN": "s3cret-canary"})
    assert [str(error).partition("config.yaml:")[2] for error in caught.value.exceptions] == [
        "11: vspark.token_file: token is set too: give only one of token, token_file, token_env",
        "12: vspark.token_env: token is set too: give only one of token, token_file, token_env",
        "50: companies[0].token_file: token is set too: give only one of token, token_file, token_env",
        "51: companies[0].token_env: token is set too: give only one of token, token_file, token_env",
    ]


def keys_of_document(document: Any, path: str = "") -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield f"{path}.{key}"
            yield from keys_of_document(value, f"{path}.{key}")
    elif isinstance(document, list):
        for value in document:
            yield from keys_of_document(value, path)


def keys_of_schema(kind: dict[str, Any], path: str = "") -> Iterator[str]:
    while "$ref" in kind or "items" in kind or "anyOf" in kind:
        if "anyOf" in kind:  # a value that may be omitted
            kind = kind["anyOf"][0]
            continue
        kind = SCHEMA["$defs"][kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind["items"]
    for key, value in kind.get("properties", {}).items():
        yield f"{path}.{key}"
        yield from keys_of_schema(value, f"{path}.{key}")


def test_every_key_stands_in_the_example() -> None:
    assert set(keys_of_document(yaml.safe_load(all_keys()))) == set(keys_of_schema(SCHEMA))
