"""Samples to exposition text, in the text format 0.0.4 of Prometheus and in OpenMetrics 1.0.0.

The bytes are those of prometheus_client's `generate_latest`: labels sorted, numbers as Go writes them.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

from prometheus_client.utils import floatToGoString

from exporter.exposition.families import Family

_NUMBERS_KEPT: Final = 50_000


class Format(Enum):
    """An exposition format; the value is its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _Numbers(dict[float, str]):
    """Every distinct number is written once, as Go does: counts and durations repeat."""

    def __missing__(self, value: float) -> str:
        if len(self) >= _NUMBERS_KEPT:
            self.clear()
        text = self[value] = _in_go(value)
        return text


_numbers: Final = _Numbers()
_written: Final = _numbers.__getitem__


def header(family: Family, form: Format) -> bytes:
    """Write the lines that open a family."""
    help_text = family.help.replace("\\", r"\\").replace("\n", r"\n")
    if form is Format.TEXT:
        return f"# HELP {family.name} {help_text}\n# TYPE {family.name} {family.type}\n".encode()
    name = family.name.removesuffix("_total") if family.type == "counter" else family.name
    help_text = help_text.replace('"', r"\"")
    unit = f"# UNIT {name} {family.unit}\n" if family.unit else ""
    return f"# HELP {name} {help_text}\n# TYPE {name} {family.type}\n{unit}".encode()


def label_text(labels: Mapping[str, str]) -> str:
    """Write labels, sorted by their names, without the braces."""
    return ",".join(f'{label}="{_escape(labels[label])}"' for label in sorted(labels))


def sample(name: str, labels: str, value: float) -> str:
    """Write one sample's line; `labels` by `label_text`."""
    return f"{name}{{{labels}}} {_in_go(value)}\n"


def agent_samples(name: str, labels: str, agents: Sequence[str], values: Sequence[float]) -> str:
    """Write a line for each of `agents` with its value; `labels` by `label_text`, all of them sorted after `agent`."""
    before, after = f'{name}{{agent="', f'",{labels}}} '
    pairs = zip(_escaped(agents), map(_written, values), strict=True)
    return "".join([f"{before}{agent}{after}{number}\n" for agent, number in pairs])


def _in_go(value: float) -> str:
    # Adding 0.0 makes 0.0 of -0.0: the two are one key of _Numbers, and one must not be written for the other.
    return floatToGoString(value + 0.0)  # type: ignore[no-any-return] # prometheus_client leaves it untyped


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _escaped(values: Sequence[str]) -> Sequence[str]:
    together = "".join(values)
    if "\\" in together or "\n" in together or '"' in together:
        return [_escape(value) for value in values]
    return values
