"""What one row of the fault matrix says; the tests run each, tools/docs writes each down."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter.simulator import Fault

MIB: Final = 1024 * 1024
Calls = dict[tuple[str, ...], float]
"""By folder, or by folder and agent."""

GOOD: Final = b'{"A":{"calls":7}}'
CALLS: Final[Calls] = {("A",): 7.0}
USUAL: Final[Calls] = {("A",): 193.0, ("B",): 194.0, ("A", "a1"): 171.0, ("A", "a2"): 22.0}
"""What the simulator says of itself."""

_LASTING = ("VSparkTargetDown", "VSparkDataStale")
_BY_REASON = {
    **dict.fromkeys(("auth", "no_token"), "VSparkTokenRefused"),
    **dict.fromkeys(("not_json", "unrecognized", "mapping"), "VSparkAnswerNotUnderstood"),
}


def alerts(reason: str) -> tuple[str, ...]:
    """Name the alerts that fire while a target fails with this reason for longer than they wait."""
    return (*([_BY_REASON[reason]] if reason in _BY_REASON else []), *_LASTING)


@dataclass(frozen=True)
class Row:
    """A fault that one target meets while its neighbour, another org of the same V-Spark, is well.

    `fault` is what the simulator does, or `large` makes the body it answers with, or `outage` names how the
    connection of everybody is broken, or `token_file` makes what stands in the place of the target's token. With a
    `reason` the poll fails, and `log` is the error as it is logged, V-Spark's address as HOST:PORT, the token's file
    as FILE. Without one, `published` are the calls by folder, or by folder and agent, that are read from the answer;
    of a large one, some of them. `times`: so often the fault is met within a poll; `aftermath_seconds`: so long after
    the poll it still acts; `program`: the program of `stats_jq`.
    """

    name: str
    fault: Fault | None = None
    reason: str | None = None
    log: str = ""
    published: Calls = field(default_factory=dict)
    note: str = ""
    outage: str = ""
    times: int | None = None
    aftermath_seconds: float = 0.0
    timeout_seconds: float = 10.0
    limit_bytes: int = MIB
    large: Callable[[], bytes] | None = None
    token_file: Callable[[Path], object] | None = None
    program: str = ""
