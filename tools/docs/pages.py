"""Write the pages of docs/ that are made from the code; tests/docs/test_pages.py compares them with what is there."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from exporter.config.convert import Block
from exporter.config.schema import Config
from exporter.config.tokens import EnvToken, FileToken, LiteralToken
from exporter.config.units import Duration, Size, format_duration, format_size
from exporter.errors import REASONS
from exporter.exposition.families import FAMILIES
from exporter.exposition.self_metrics import SelfMetrics
from tools.docs.chart import values_readme, values_schema
from tools.docs.fault_matrix import testing_page

DOCS: Final = Path(__file__).parents[2] / "docs"

_WORDS: Final[Mapping[type, str]] = {
    str: "text",
    bool: "`true` or `false`",
    int: "whole number",
    Duration: "duration",
    Size: "size",
    Path: "file",
    LiteralToken: "text",
    FileToken: "file",
    EnvToken: "environment variable",
}

_HEAD: Final = ("| key | type | default | meaning | example |", "|---|---|---|---|---|")
_PARAGRAPH: Final = "\n\n"
_NOT_IN_ANCHORS: Final = str.maketrans("", "", ".[]")

_INTRODUCTION: Final = """\
<!-- Made by tools/docs from exporter/config/schema.py. -->

# Configuration

One YAML file, named by `--config.file`. [config.example.yaml](../config.example.yaml) holds every key;
`vspark-exporter --config.check` says what would be polled, or all that is wrong with the file.

- An unknown key, a key that stands twice and a value of another type are refused, all at once, with exit code 2.
- Durations are written `500ms`, `30s`, `5m`, `1h30m`, `1d`, sizes `512B`, `10MB`, `64MiB`. A number needs its unit.
- A file that is named has to exist. Relative paths are relative to the configuration file.
- Names of numbers only, and words such as `no`, have to be in quotes: YAML reads them as something else than text.
- Editors check the file by [config.schema.json](config.schema.json).

The token of a company is its own or the one under `vspark`; each of the two places names it in one of three ways.
"""


_METRICS: Final = """\
<!-- Made by tools/docs from exporter/exposition/ and exporter/errors.py. -->

# Metrics

A *target* is one request: a folder, or a whole org (then the label `folder` of the poll metrics is empty). A *day* is a
day in the org's time zone.

| family | type | labels | meaning |
|---|---|---|---|
{families}

With them come the families of the process, `process_…` and `python_…`, unless `--web.disable-exporter-metrics` is given.

Samples have no timestamp, and "unknown" is no sample rather than NaN. OpenMetrics also gets
`vspark_folder_calls_created`, the org's midnight, where the time zone is known.

## What there is when

| situation | series of that target |
|---|---|
| the poll succeeded, the folder is in the answer | its values |
| the poll succeeded, a configured folder is not in the answer | 0 calls, no mean, no agents |
| whole org: a folder that was there earlier today or yesterday is not in the answer | 0 calls; a folder that no answer of a whole day named goes at the midnight that ends that day, and of more than 10,000 such folders those go that were named longest ago |
| the poll failed | the last values stay, `vspark_up` is 0; `poll.stale_after` after the last success they go, and only the poll metrics are left |
| the org's midnight has passed | yesterday's series go at once, the target is polled at once; an answer for the day before that comes late is dropped |
| the target is no longer configured | none |

Without a time zone there is no midnight to act on: the values are those of the latest date in the answer, or, where it
names none, of what V-Spark calls today, and the days of the third row are those of UTC.

`vspark_folder_calls_total` never goes down within a day, even where V-Spark revises a count downwards (the gauge
`vspark_folder_calls_today` does); without a time zone it is the day's number as it is. It starts anew at the org's
midnight, so that `rate()` and `increase()` work across midnight and across restarts of the exporter: every call that was
polled and scraped counts once. What they cannot know:

- Calls that came after a day's last poll that was scraped, so within one poll and one scrape before midnight.
- That V-Spark revised a count downwards just before the exporter was restarted, or a reload began the target anew (it was
  away, or became folders of a whole org): the lower number looks like a reset.
- How far yesterday's number was from today's where no poll succeeded from midnight until today's count had passed
  yesterday's: only the difference is counted.
- That the org's `timezone` was corrected by a reload: the difference between the two days' numbers is counted at once.
- Where the clock goes back over a midnight, what comes until it is midnight again: the day that it comes back to has no
  counter, because all of its calls would seem to be new. The gauges are there.

An org's day is that of the exporter's clock and the org's time zone. Where V-Spark's clock is behind, the new day has no
calls until it begins there, too.

## Queries to start from

    sum by (company, org) (vspark_folder_calls_today)                           calls today
    sum by (org) (rate(vspark_folder_calls_total[15m])) * 60                    calls per minute
    sum by (org) (vspark_folder_call_seconds_today)
      / sum by (org) (vspark_folder_calls_today and vspark_folder_call_seconds_today)   mean duration, seconds
    topk(10, vspark_agent_calls_today)                                          busiest agents
    vspark_up == 0                                                              what fails now
    time() - vspark_last_success_timestamp_seconds > 300                        what is old

## Reasons of `vspark_poll_failures_total`

A reason has a series once it has occurred, and begins at 1: `increase()` alone misses that first failure, so ask

    increase(vspark_poll_failures_total[15m]) > 0 or (vspark_poll_failures_total unless vspark_poll_failures_total offset 15m)

The log names the target, the reason and what happened; a series of failures with one reason is logged once.

| reason | what it means, what to do |
|---|---|
{reasons}
"""


def configuration_page() -> str:
    """Give docs/configuration.md."""
    return "\n".join([_INTRODUCTION, *(_section(path, block) for path, block in _blocks("", Config))])


def configuration_schema() -> str:
    """Give docs/config.schema.json."""
    schema = msgspec.json.schema(Config, schema_hook=_schema_of)
    for _, block in _blocks("", Config):
        definition = schema["$defs"][block.__name__]
        definition["description"] = inspect.getdoc(block)  # without the indentation that older Pythons leave in
        properties = definition["properties"]
        for field in msgspec.structs.fields(block):
            if isinstance(default := _default(field), str):
                properties[field.encode_name]["default"] = default
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def metrics_page() -> str:
    """Give docs/metrics.md."""
    telemetry = SelfMetrics(process=False)
    telemetry.observe_request("200", 1.0)
    rows = [(family.name, family.type, family.labels, family.help) for family in FAMILIES]
    for metric in telemetry.registry.collect():
        labels = tuple(label for label in metric.samples[0].labels if label != "le")
        rows.append((metric.name, metric.type, labels, metric.documentation))
    table = [f"| `{name}` | {kind} | {', '.join(labels)} | {meaning} |" for name, kind, labels, meaning in rows]
    reasons = [f"| `{reason}` | {meaning} |" for reason, meaning in REASONS.items()]
    return _METRICS.format(families="\n".join(table), reasons="\n".join(reasons))


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "configuration.md": configuration_page,
    "config.schema.json": configuration_schema,
    "metrics.md": metrics_page,
    "development/testing.md": testing_page,
    "../helm/vspark-exporter/values.schema.json": lambda: values_schema(configuration_schema()),
    "../helm/vspark-exporter/README.md": values_readme,
}
"""Each page's name in docs/, and what makes its text."""


def _schema_of(kind: type) -> dict[str, Any]:
    """Give the JSON Schema of a type that msgspec does not know: it is written as text."""
    if issubclass(kind, Duration | Size):
        return {"type": "string", "minLength": 1, "pattern": kind.pattern}
    return {"type": "string"}


def _blocks(path: str, block: type[Block]) -> Iterator[tuple[str, type[Block]]]:
    """Yield `block` and all that are below it, each with its path."""
    yield path, block
    for field in msgspec.structs.fields(block):
        kind, _ = _plain(field.type)
        below = f"{path}.{field.encode_name}".removeprefix(".")
        if get_origin(kind) is tuple:
            kind, below = get_args(kind)[0], f"{below}[]"
        if isinstance(kind, type) and issubclass(kind, Block):
            yield from _blocks(below, kind)


def _plain(kind: Any) -> tuple[Any, tuple[msgspec.Meta, ...]]:
    """Take the annotations and the None off a type; the outermost annotation comes first."""
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        plain, below = _plain(inner)
        return plain, (*(note for note in notes if isinstance(note, msgspec.Meta)), *below)
    if get_origin(kind) in (Union, UnionType):
        (inner,) = (each for each in get_args(kind) if each is not NoneType)
        return _plain(inner)
    return kind, ()


def _section(path: str, block: type[Block]) -> str:
    title = f"`{path}`" if path else "The file"
    lines = [f"## {title}", "", inspect.getdoc(block) or "", "", *_HEAD]
    return "\n".join([*lines, *(_row(path, field) for field in msgspec.structs.fields(block)), ""])


def _row(path: str, field: FieldInfo) -> str:
    kind, notes = _plain(field.type)
    description = next((note.description for note in notes if note.description), None) or inspect.getdoc(kind) or ""
    examples = next((note.examples for note in notes if note.examples), [])
    example = ", ".join(f"`{_written(each)}`" for each in examples)
    default = "**required**" if field.required else "" if _default(field) is None else f"`{_written(_default(field))}`"
    words = _type_words(field.type)
    if "mapping" in words:
        words = f"[{words}](#{(path + field.encode_name).translate(_NOT_IN_ANCHORS)})"
    return f"| {' | '.join([f'`{field.encode_name}`', words, default, description.split(_PARAGRAPH)[0], example])} |"


def _type_words(kind: Any) -> str:
    plain, notes = _plain(kind)
    if get_origin(plain) is tuple:
        return f"list of {_type_words(get_args(plain)[0])}"
    if issubclass(plain, Block):
        return "mapping"
    title = next((note.title for note in notes if note.title), None)
    least = next((f", at least {note.ge}" for note in notes if note.ge is not None), "")
    return f"{title or _WORDS[plain]}{least}"


def _default(field: FieldInfo) -> Any:
    """Give the default as it would be written in the file; None where there is none, or where it is a mapping."""
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    match value:
        case Duration():
            return format_duration(value)
        case Size():
            return format_size(value)
        case Block() | msgspec.NODEFAULT:
            return None
    return value


def _written(value: Any) -> str:
    """Give a value as YAML; an empty text is written with its quotes."""
    return value if isinstance(value, str) and value else json.dumps(value)
