"""Configuration files: a Config with targets, or ConfigErrors without a token."""

import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import yaml

from exporter.cli.check import describe
from exporter.config.loaded import load_config, zone_warnings
from exporter.config.schema import Agents, Company, Config, Org, Poll, StatsFields, Tls, Vspark
from exporter.config.targets import make_targets, shard
from exporter.config.units import Duration, format_duration, format_size
from exporter.errors import ConfigError
from exporter.exposition.agent_rules import AgentRules
from exporter.polling.manager import make_parser
from tests.fuzz.targets import AnyBytes
from tests.fuzz.trees import Gardener

CANARY: Final = "s3cret-canary"
ENVIRON: Final = {"TOKEN": CANARY, "EMPTY": ""}


_BLOCKS: Final = (Vspark, Tls, Poll, Company, Org, Agents, StatsFields, Config)
_NAMES: Final = tuple(dict.fromkeys(field.encode_name for block in _BLOCKS for field in msgspec.structs.fields(block)))
_LEAVES: Final[tuple[Any, ...]] = (
    *(None, True, 0, 1, -1, 1.5, 10**30, float("nan"), float("inf"), "", "x", [], {}, ["a", "a"], {"name": "x"}),
    *(
        "http://x",
        "https://x:3000/p",
        "http://[::1",
        "http://x:0",
        "http://x:99999",
        "http://a@b",
        "http://x/stats",
        "http://\u2100",
    ),
    *(
        "1h30m",
        "0s",
        "999999999d",
        "1m1h",
        "64MiB",
        "0B",
        "1EB",
        "US/Eastern",
        "../../etc/passwd",
        "/etc/passwd",
        "us/eastern",
    ),
    *(
        "US",
        "posixrules",
        "Etc/GMT+5",
        ".",
        "..",
        "a\x00b",
        "\ud800",
        "(",
        "(a+)+$",
        "(?i)x",
        "(?P<n>a)(?P=n)",
        "[[a]",
        "a{999999}",
    ),
    *(
        "a{1,99999999999}",
        "\\",
        "x" * 300,
        "token",
        "key",
        "empty",
        "absent",
        "TOKEN",
        "EMPTY",
        "calls",
        "volume",
        "c a l l s",
        "__",
    ),
)
WORDS: Final = (
    *(f"{name}: " for name in _NAMES),
    *(
        "\n  ",
        "\n- ",
        "&a ",
        "*a",
        "<<: *a",
        "!!python/object:os.system",
        "!!binary ",
        "!!set ",
        "!!timestamp ",
        "!!int ",
    ),
    *(
        "!!float ",
        "!!omap ",
        "2001-12-14t21:59:43.10-05:00",
        "0x_",
        "1:2:3",
        "190:20:30.15",
        "---\n",
        "...\n",
        "? ",
        "| ",
    ),
    *(
        "%YAML 1.1\n",
        "%TAG ! x\n",
        "\ufeff",
        "\u2028",
        "\x85",
        ">-\n",
        "[[[[[[[[",
        "{a: {a: ",
        "~",
        "yes",
        "=",
        "'",
        '"\\x',
    ),
    *(".inf", ".nan"),
)
_gardener: Final = Gardener(_NAMES, _LEAVES)


def _folder() -> Path:
    """Return a directory with files that a configuration can name."""
    folder = Path(tempfile.mkdtemp(prefix="vspark-fuzz-"))
    for name, text in {"token": CANARY, "key": "key", "empty": "", "two-words": f"{CANARY} {CANARY}"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def check(data: bytes) -> None:
    """Load a file with these bytes."""
    folder = _folder()
    try:
        path = folder / "config.yaml"
        path.write_bytes(data)
        try:
            config = load_config(path, ENVIRON)
        except ExceptionGroup as group:
            _check_errors(group, folder, data)
            return
        _check_accepted(config, secret=_only_as_a_token(data))
    finally:
        shutil.rmtree(folder)


def mutate(data: bytes, most_bytes: int, random: Random, any_bytes: AnyBytes) -> bytes:
    """Change the tree of the file."""
    try:
        tree = yaml.load(data, yaml.CSafeLoader)  # a safe loader
        changed = yaml.dump(
            _gardener.changed(tree, random), Dumper=yaml.CSafeDumper, allow_unicode=random.random() < 0.5
        )
        text = changed.encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return any_bytes(data, most_bytes)
    return text if len(text) <= most_bytes else any_bytes(data, most_bytes)


def _check_errors(group: ExceptionGroup, folder: Path, data: bytes) -> None:
    assert group.exceptions
    secret = _only_as_a_token(data)
    for error in group.exceptions:
        assert isinstance(error, ConfigError), repr(error)
        assert error.__cause__ is None
        assert error.file == folder / "config.yaml"
        assert error.line is None or error.line > 0
        text = str(error)
        assert CANARY not in text or not secret, text
        assert text.replace(str(folder), "").count("\n") == 0, text
        assert len(text) < 1000 + 10 * len(data)


def _check_accepted(config: Config, *, secret: bool) -> None:
    """Use an accepted configuration as the program does when it starts."""
    targets = make_targets(config)
    companies = config.companies
    assert targets or companies is None or any(company.orgs is None for company in companies)
    assert len(set(targets)) == len(targets)
    assert all(0.001 <= target.interval_seconds <= target.stale_after_seconds for target in targets)
    assert sum(len(shard(targets, number, 3)) for number in range(3)) == len(targets)
    text = describe(config, targets)
    assert not secret or CANARY not in text + repr(config) + "".join(zone_warnings(config)), text
    assert f"{config.vspark.url}: {len(targets)} target" in text
    for seconds in {config.poll.interval_seconds, config.vspark.timeout_seconds}:
        assert Duration.parse(format_duration(seconds)) == seconds
    assert format_size(config.vspark.max_response_bytes)
    agents = config.agents
    AgentRules(
        enabled=agents.enabled, max_per_folder=agents.max_per_folder, include=agents.include, exclude=agents.exclude
    )
    make_parser(config.stats_fields)


def _only_as_a_token(data: bytes) -> bool:
    """Return whether the token is only under the keys of tokens, so that no message has a reason to quote it."""
    try:
        tree = yaml.load(data, yaml.CSafeLoader)  # a safe loader
        return CANARY not in str(_without_tokens(tree))
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return True


def _without_tokens(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {
            key: _without_tokens(each) for key, each in tree.items() if key not in ("token", "token_file", "token_env")
        }
    return list(map(_without_tokens, tree)) if isinstance(tree, list) else tree
