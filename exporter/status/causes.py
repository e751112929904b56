"""The causes of what fails now: one for each reason, however many targets it affects."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from exporter.errors import REASONS
from exporter.polling.discovery_log import DiscoveryFailure
from exporter.polling.snapshot import TargetStatus
from exporter.runtime.steps import Pauses
from exporter.status.formatting import split_words

_TEXTS_KEPT: Final = 3
_NAMES_KEPT: Final = 5
_WITH_PLACE: Final = ("mapping", "not_json", "unrecognized")
"""The errors of these reasons begin with a JSON path or a key instead of the problem."""
_NO_ERROR: Final = "no poll has succeeded for longer than poll.stale_after"
_NO_ERROR_ACTION: Final = "Read the log. If polls do not end, restart the exporter and report it."


class Cause(Struct, frozen=True):
    """The targets that fail for one reason, which is empty if no poll of theirs has failed.

    `problem` is what all their errors have in common, in words, `action` what to do next. `errors` are the most
    frequent texts of errors, each with its number of targets, and `targets` the names of some.
    """

    reason: str
    problem: str
    action: str
    count: int
    errors: tuple[tuple[str, int], ...]
    targets: tuple[str, ...]


class DiscoveryTrouble(Struct, frozen=True):
    """Companies whose discovery fails with one error, by name some of them; `since` is a Unix time, the earliest."""

    reason: str
    text: str
    count: int
    companies: tuple[str, ...]
    since: float


async def causes_of(targets: Iterable[TargetStatus], pauses: Pauses) -> tuple[Cause, ...]:
    """Return the causes, those of most targets first, with `pauses` for the event loop."""
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    for status in targets:
        reason = status.failing_reason
        if reason is not None:
            groups[reason].add(status)
        if pauses.due:
            await pauses.take()
    found = [group.cause(reason) for reason, group in groups.items()]
    return tuple(sorted(found, key=lambda cause: (-cause.count, cause.reason)))


class _Group:
    """The targets that fail for one reason."""

    def __init__(self) -> None:
        self._texts: Counter[str] = Counter()
        self._problems: set[str] = set()
        self._targets: list[str] = []

    def add(self, status: TargetStatus) -> None:
        text = status.last_error.text if status.last_error is not None else ""
        self._texts[text] += 1
        if len(self._problems) <= 1:
            self._problems.add(problem_of(text))
        if len(self._targets) < _NAMES_KEPT:
            self._targets.append(status.target.name)

    def cause(self, reason: str) -> Cause:
        count, names = self._texts.total(), tuple(self._targets)
        if not reason:
            return Cause("", _NO_ERROR, _NO_ERROR_ACTION, count, (), names)
        meaning, action = REASONS[reason]
        if len(self._problems) == 1 and reason not in _WITH_PLACE:
            (problem,) = self._problems
        else:
            problem = _as_clause(meaning)
        return Cause(reason, problem, action, count, tuple(self._texts.most_common(_TEXTS_KEPT)), names)


def discovery_troubles(
    failures: Iterable[DiscoveryFailure], causes: Sequence[Cause]
) -> tuple[tuple[DiscoveryTrouble, ...], frozenset[Cause]]:
    """Return the troubles of discovery that are not due to one of the `causes`, and the causes of the others."""
    by_error: defaultdict[tuple[str, str], list[DiscoveryFailure]] = defaultdict(list)
    of_causes = set()
    for failure in failures:
        same = [each for each in causes if (each.reason, each.problem) == (failure.reason, problem_of(failure.text))]
        if same:
            of_causes.update(same)
        else:
            by_error[failure.reason, failure.text].append(failure)
    troubles = tuple(
        DiscoveryTrouble(
            *error, len(some), tuple(each.company for each in some[:_NAMES_KEPT]), min(each.since for each in some)
        )
        for error, some in by_error.items()
    )
    return troubles, frozenset(of_causes)


def problem_of(text: str) -> str:
    """Return the beginning of an error's text: what is wrong, without details, what to do, and the quoted response."""
    problem, _ = split_words(text)
    for end in (": ", "; ", " (status "):
        problem = problem.partition(end)[0]
    return problem


def _as_clause(sentence: str) -> str:
    """Return a sentence as the end of another one."""
    begin = sentence[0] if sentence.startswith("V-Spark") else sentence[0].lower()
    return (begin + sentence[1:]).removesuffix(".")
