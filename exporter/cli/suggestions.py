"""A `stats_fields` or `stats_jq` to start from, for a body that cannot be read.

The names and types in a body are hints, not facts. So every suggestion is tried on the body, and shown together with
what is read with it: only someone who knows the true numbers can say whether it is right.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import jq
import msgspec
import yaml
from msgspec import Struct

from exporter.cli.field_guesses import EXPLANATIONS, guess_fields
from exporter.cli.reading import Reading, read_body
from exporter.config.schema import StatsFields
from exporter.stats import field_names
from exporter.stats.field_names import normalize
from exporter.stats.parser import Requested

_LARGEST: Final = 2**20
_CANONICAL: Final = {
    "calls": "calls",
    "average_duration": "avgduration",
    "total_duration": "totalduration",
    "agents": "agents",
    "agent_id": "agent",
    "folder": "folder",
    "date": "date",
}
"""The key of `stats_fields`, and a name of its kind that the rules know."""
_TABLES: Final = 4
_SECOND_LEVEL: Final = "map_values({agents: .})"
_AGENTS_BELOW: Final[Mapping[str, str]] = {
    _SECOND_LEVEL: "the keys of the second level are ids of agents",
    "{agents: .}": "the keys are ids of agents",
    "map_values(map_values({agents: .}))": "the keys of the third level are ids of agents",
}
"""Programs that turn agents by id into day records, and what they take for granted."""
_FOLDERS_BELOW: Final = "[.[] | to_entries[] | {folder: .key} + .value]"
"""The other meaning of two levels of keys. It keeps a folder that is under several keys of the first level."""
_ROWS: Final = "each list is a record, and another one has the names of its fields"


class Suggestion(Struct, frozen=True):
    """A key of the configuration, its value, what it takes for granted, and what is read of the body with it."""

    key: str
    value: Mapping[str, Any] | str
    meaning: str
    reading: Reading

    def yaml_lines(self) -> list[str]:
        """Return the lines to add to the configuration."""
        flow = False if isinstance(self.value, str) else None  # None: lists on the line of their key
        text = yaml.safe_dump(
            {self.key: self.value}, sort_keys=False, allow_unicode=True, default_flow_style=flow, width=1000
        )
        return text.splitlines()


def suggest(body: bytes, requested: Requested, fields: StatsFields) -> tuple[Suggestion, ...]:
    """Return what makes `body` readable: names for `stats_fields`, or else programs for `stats_jq`; often nothing.

    There are two programs if the keys of the second level may be agents or folders.

    `fields` are the names that the configuration has already. Nothing is suggested for a large body.
    """
    if len(body) > _LARGEST:
        return ()
    try:
        value = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_without_duplicates)
        return _first(body, value, requested, fields)
    except (ValueError, RecursionError):  # not JSON, a duplicated key, or nested too deeply
        return ()


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; ValueError for a duplicated key, of which a program would see the last one only."""
    result = dict(members)
    if len(result) < len(members):
        raise ValueError("a duplicated key")
    return result


def _first(body: bytes, value: Any, requested: Requested, fields: StatsFields) -> tuple[Suggestion, ...]:
    """Return the first suggestion with which the body, which is `value`, can be read, and its alternative."""
    if isinstance(value, dict) and any(normalize(key) in EXPLANATIONS for key in value):
        return ()  # V-Spark says what is wrong
    guesses = guess_fields(value, msgspec.structs.asdict(fields), whole_org=requested.folder is None)
    for guess in guesses:
        if suggestion := _with_fields(body, requested, fields, guess):
            return (suggestion,)
    renames = [_rename(guess) for guess in guesses]
    for program, meaning in _programs(value):
        for before in ("", *renames):
            if suggestion := _with_program(value, requested, fields, before + program, meaning):
                other = _with_program(
                    value,
                    requested,
                    fields,
                    before + program.replace(_SECOND_LEVEL, _FOLDERS_BELOW),
                    "the keys of the second level are folders",
                )
                return (suggestion, other) if other and other.value != suggestion.value else (suggestion,)
    return ()


def _with_fields(body: bytes, requested: Requested, fields: StatsFields, guess: Mapping[str, str]) -> Suggestion | None:
    if not guess.keys() <= set(StatsFields.__struct_fields__):
        return None
    before = msgspec.structs.asdict(fields)
    more = {key: (name, *before[key]) if isinstance(before[key], tuple) else name for key, name in guess.items()}
    extended = msgspec.structs.replace(fields, **more)
    if any(extended.problems()):
        return None
    reading = read_body(body, requested, extended)
    default = msgspec.structs.asdict(StatsFields())
    changed = {key: names for key, names in msgspec.structs.asdict(extended).items() if names != default[key]}
    value = {key: list(names) if isinstance(names, tuple) else names for key, names in changed.items()}
    return Suggestion("stats_fields", value, "fields have other names", reading) if reading.days else None


def _with_program(
    value: Any, requested: Requested, fields: StatsFields, program: str, meaning: str
) -> Suggestion | None:
    try:
        results = jq.compile(program).input_value(value).all()
    except ValueError:
        return None
    if len(results) != 1:
        return None
    reading = read_body(json.dumps(results[0]).encode(), requested, fields)
    return Suggestion("stats_jq", program, meaning, reading) if _is_plausible(reading) else None


def _is_plausible(reading: Reading) -> bool:
    """Return whether what was read as agents looks like agents and not like fields: records, or ids with digits."""
    if any(finding.startswith("rule 1: an agent's") for finding in reading.findings):
        return bool(reading.days)
    ids = [agent.agent for day in reading.days for agent in day.agents]
    return bool(reading.days) and all(any(map(str.isdigit, each)) for each in ids)


def _programs(value: Any) -> Iterator[tuple[str, str]]:
    """Yield programs that may fit a body, and what each takes for granted."""
    before = ""
    if isinstance(value, dict):
        yield from _tables(value)
        below = [key for key, member in value.items() if isinstance(member, dict)]
        if len(below) == 1 and normalize(below[0]) in field_names.WRAPPERS:
            before = f".{_index(below[0])} | "
    elif isinstance(value, list) and len(value) > 1 and all(isinstance(row, list) for row in value):
        yield f". as [$names] | .[1:] | {_RECORDS}", _ROWS
    yield from ((f"{before}{program}", meaning) for program, meaning in _AGENTS_BELOW.items())


_RECORDS: Final = "map([$names, .] | transpose | map({(.[0]): .[1]}) | add)"


def _tables(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a program for each list of names next to a list of rows."""
    heads = [key for key, each in value.items() if isinstance(each, list) and all(isinstance(one, str) for one in each)]
    tables = [
        key for key, each in value.items() if isinstance(each, list) and all(isinstance(one, list) for one in each)
    ]
    pairs = ((names, rows) for names in heads for rows in tables if value[names] and value[rows])
    for names, rows in islice(pairs, _TABLES):
        yield f".{_index(names)} as $names | .{_index(rows)} | {_RECORDS}", _ROWS


def _rename(guess: Mapping[str, str]) -> str:
    """Return the beginning of a program that gives fields the names of the rules."""
    names = {name: _CANONICAL[key] for key, name in guess.items() if key in _CANONICAL}
    table = json.dumps(names, ensure_ascii=False)
    return f'walk(if type == "object" then with_entries(.key |= ({table}[.] // .)) else . end) | '


def _index(key: str) -> str:
    return f"[{json.dumps(key, ensure_ascii=False)}]"
