"""The causes of what fails now: one for each reason, however many targets it affects."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from exporter.errors import REASONS
from exporter.polling.discovery_log import DiscoveryFailure
from exporter.polling.snapshot import TargetStatus
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


def causes_of(targets: Iterable[TargetStatus]) -> tuple[Cause, ...]:
    """Return the causes, those of most targets first."""
    texts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    names: defaultdict[str, list[str]] = defaultdict(list)
    for status in targets:
        reason = status.failing_reason
        if reason is not None:
            texts[reason][status.last_error.text if status.last_error else ""] += 1
            if len(names[reason]) < _NAMES_KEPT:
                names[reason].append(status.target.name)
    found = [_cause(reason, counts, names[reason]) for reason, counts in texts.items()]
    return tuple(sorted(found, key=lambda cause: (-cause.count, cause.reason)))


def discovery_troubles(
    failures: Iterable[DiscoveryFailure], causes: Sequence[Cause]
) -> tuple[tuple[DiscoveryTrouble, ...], frozenset[Cause]]:
    """Return the troubles of discovery that are not due to one of the `causes`, and the causes of the others."""
    by_error: defaultdict[tuple[str, str], list[DiscoveryFailure]] = defaultdict(list)
    of_causes = set()
    for failure in failures:
        same = [each for each in causes if (each.reason, each.problem) == (failure.reason, _problem(failure.text))]
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


def _cause(reason: str, texts: Counter[str], names: list[str]) -> Cause:
    count = texts.total()
    if not reason:
        return Cause("", _NO_ERROR, _NO_ERROR_ACTION, count, (), tuple(names))
    problems = {_problem(text) for text in texts}
    meaning, action = REASONS[reason]
    if len(problems) == 1 and reason not in _WITH_PLACE:
        (problem,) = problems
    else:
        problem = _as_clause(meaning)
    return Cause(reason, problem, action, count, tuple(texts.most_common(_TEXTS_KEPT)), tuple(names))


def _problem(text: str) -> str:
    """Return the beginning of an error's text: what is wrong, without details, what to do, and the quoted response."""
    problem, _ = split_words(text)
    for end in (": ", "; ", " (status "):
        problem = problem.partition(end)[0]
    return problem


def _as_clause(sentence: str) -> str:
    """Return a sentence as the end of another one."""
    begin = sentence[0] if sentence.startswith("V-Spark") else sentence[0].lower()
    return (begin + sentence[1:]).removesuffix(".")
