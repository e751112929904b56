import pytest

from exporter.errors import REASONS
from exporter.polling.discovery_log import DiscoveryFailure
from exporter.polling.snapshot import Health, TargetStatus
from exporter.polling.target_state import LastError
from exporter.runtime.steps import Pauses
from exporter.status.causes import Cause, DiscoveryTrouble, causes_of, discovery_troubles
from tests.support.target_statuses import AUTH, NOW, status_of

REFUSED = "cannot connect to vspark:3000: Connection refused; check the port, and that V-Spark is running"


def failing(folder: str, reason: str, text: str) -> TargetStatus:
    return status_of(folder, Health.FAILING, error=LastError.of(reason, text, NOW))


async def test_what_does_not_fail_has_no_cause() -> None:
    recovered = status_of("A", error=AUTH)
    assert await causes_of([recovered, status_of("B", Health.WAITING), status_of("C")], Pauses()) == ()


async def test_one_cause_for_each_reason_the_largest_first() -> None:
    statuses = [
        failing("A", "auth", "the token from a.token is rejected: check it (status 401 Unauthorized)"),
        *(failing(f"B{number}", "connect", REFUSED) for number in range(7)),
        status_of("C", Health.STALE, error=AUTH),
        status_of("D", Health.STALE),
    ]
    assert await causes_of(statuses, Pauses()) == (
        Cause(
            "connect",
            "cannot connect to vspark:3000",
            REASONS["connect"].action,
            7,
            ((REFUSED, 7),),
            tuple(f"C/O/B{number}" for number in range(5)),
        ),
        Cause(
            "auth",
            # The errors differ, so the words are those of the reason.
            "the token was rejected (401, 403, or 400 with a text about the token)",
            REASONS["auth"].action,
            2,
            (
                ("the token from a.token is rejected: check it (status 401 Unauthorized)", 1),
                ("the token is rejected", 1),
            ),
            ("C/O/A", "C/O/C"),
        ),
        Cause(
            "",
            "no poll has succeeded for longer than poll.stale_after",
            "Read the log. If polls do not end, restart the exporter and report it.",
            1,
            (),
            ("C/O/D",),
        ),
    )


@pytest.mark.parametrize(
    ("reason", "texts", "problem"),
    [
        ("connect", [REFUSED], "cannot connect to vspark:3000"),
        # They differ only in what the response says.
        (
            "server_error",
            [f"V-Spark fails: check its log (status 503 Service Unavailable; it says: id {n})" for n in (1, 2)],
            "V-Spark fails",
        ),
        # A JSON path is not a problem, and neither is a key.
        ("unrecognized", ["$.data: expected a list"], REASONS["unrecognized"].meaning),
        ("mapping", ["stats_jq: error"], "the jq program of stats_jq failed"),
        ("not_found", ["A is unknown", "B is unknown"], "V-Spark knows no such company, org or folder (404)"),
        ("internal", ["a bug of this program"], "a bug of this program"),
    ],
)
async def test_the_problem_is_what_all_errors_have_in_common(reason: str, texts: list[str], problem: str) -> None:
    (cause,) = await causes_of([failing(f"F{number}", reason, text) for number, text in enumerate(texts)], Pauses())
    assert cause.problem.casefold() == problem.casefold().removesuffix(".")


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_says_what_to_do_in_other_words(reason: str) -> None:
    meaning, action = REASONS[reason]
    assert meaning.endswith(".")
    assert action.endswith(".")
    assert meaning not in action


async def test_discovery_is_one_trouble_for_each_error_unless_the_polls_fail_likewise() -> None:
    (cause,) = await causes_of([failing("A", "connect", REFUSED)], Pauses())
    rejected = "the token is rejected"
    failures = [
        DiscoveryFailure("", "connect", f"{REFUSED}!", NOW),
        *(DiscoveryFailure(f"C{number}", "auth", rejected, NOW - number) for number in range(7)),
        DiscoveryFailure("D", "auth", "another", NOW),
    ]
    troubles, of_causes = discovery_troubles(failures, [cause])
    assert troubles == (
        DiscoveryTrouble("auth", rejected, 7, ("C0", "C1", "C2", "C3", "C4"), NOW - 6),
        DiscoveryTrouble("auth", "another", 1, ("D",), NOW),
    )
    assert of_causes == {cause}
    assert discovery_troubles([], [cause]) == ((), frozenset())
