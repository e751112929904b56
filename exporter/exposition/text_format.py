"""Samples as exposition text, in Prometheus' text format 0.0.4 and in OpenMetrics 1.0.0.

The bytes equal those of prometheus_client's `generate_latest`: labels sorted, numbers as Go formats them.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Final

from prometheus_client.utils import floatToGoString

from exporter.exposition.families import Family

_NUMBERS_KEPT: Final = 50_000


class Format(Enum):
    """An exposition format; the value is its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    __hash__ = object.__hash__  # Enum's own takes ten times as long


END: Final = b"# EOF\n"
"""The end of a page in OpenMetrics."""


class _Numbers(dict[float, str]):
    """A cache of formatted numbers, because counts and durations repeat."""

    def __missing__(self, value: float) -> str:
        if len(self) >= _NUMBERS_KEPT:
            self.clear()
        text = self[value] = _go_format(value)
        return text


_numbers: Final = _Numbers()
_formatted: Final = _numbers.__getitem__


def header(family: Family, form: Format) -> bytes:
    """Return the HELP, TYPE and UNIT lines of a family."""
    help_text = family.help.replace("\\", r"\\").replace("\n", r"\n")
    if form is Format.TEXT:
        return f"# HELP {family.name} {help_text}\n# TYPE {family.name} {family.type}\n".encode()
    name = family.name.removesuffix("_total") if family.type == "counter" else family.name
    help_text = help_text.replace('"', r"\"")
    unit = f"# UNIT {name} {family.unit}\n" if family.unit else ""
    return f"# HELP {name} {help_text}\n# TYPE {name} {family.type}\n{unit}".encode()


def label_text(labels: Mapping[str, str]) -> str:
    """Return labels sorted by name, without the braces."""
    return ",".join(label(name, labels[name]) for name in sorted(labels))


def label(name: str, value: str) -> str:
    """Return one label."""
    return f'{name}="{_escape(value)}"'


def sample(name: str, labels: str, value: float) -> str:
    """Return the line of one sample; `labels` come from `label_text`."""
    return f"{name}{{{labels}}} {_recent(value)}\n" if labels else f"{name} {_recent(value)}\n"


def agent_samples(name: str, labels: str, agents: Sequence[str], values: Sequence[float]) -> str:
    """Return a line for each agent. `labels` come from `label_text`; their names must sort after `agent`."""
    before, after = f'{name}{{agent="', f'",{labels}}} '
    # Assigned to slices of one list: a text for each line would take twice as long.
    parts = [f"\n{before}", "", after, ""] * len(agents)
    parts[1::4] = _escaped(agents)
    parts[3::4] = map(_formatted, values)
    if not parts:
        return ""
    parts[0] = before
    parts.append("\n")
    return "".join(parts)


def _go_format(value: float) -> str:
    # Adding 0.0 turns -0.0 into 0.0. Both are the same key of _Numbers, so one would be written for the other.
    return floatToGoString(value + 0.0)  # type: ignore[no-any-return] # prometheus_client leaves it untyped


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _escaped(values: Sequence[str]) -> Sequence[str]:
    together = "".join(values)
    if "\\" in together or "\n" in together or '"' in together:
        return [_escape(value) for value in values]
    return values


_recent: Final = lru_cache(maxsize=1024)(_go_format)
"""Formats 0, small counts and the time of midnight once. The time of a poll does not return."""
