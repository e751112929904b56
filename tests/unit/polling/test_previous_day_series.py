from dataclasses import replace
from datetime import date

import pytest

from exporter.config.discovered import NameFilter
from exporter.config.targets import Target
from exporter.errors import DecodeError
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format
from exporter.polling.previous_day_series import PreviousDaySeries
from exporter.polling.target_samples import TargetSamples
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from tests.support.fake_clock import target_of
from tests.support.finished_steps import finished, publish

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
RULES = AgentRules(enabled=True, max_per_folder=2, include="a.*", exclude="")
BODY = (
    b'[{"date":"20261123","folder":"A","calls":12,"avgduration":10,"agents":{"a1":6,"a2":3,"a3":1,"b":2}},'
    b'{"date":"20261123","folder":"B","calls":5},{"date":"20261124","folder":"A","calls":99}]'
)
SAMPLES = """\
vspark_folder_calls_previous_day{company="C",folder="A",org="O"} 12.0
vspark_folder_calls_previous_day{company="C",folder="B",org="O"} 5.0
vspark_folder_call_seconds_previous_day{company="C",folder="A",org="O"} 120.0
vspark_agent_calls_previous_day{agent="a1",company="C",folder="A",org="O"} 6.0
vspark_agent_calls_previous_day{agent="a2",company="C",folder="A",org="O"} 3.0
vspark_agent_calls_previous_day{agent="_other",company="C",folder="A",org="O"} 1.0
"""


class Page:
    """The series of a target's previous day, and the page that they are published on."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.store = Store()
        self.series = PreviousDaySeries(TargetSamples(target), Parser(Layouts()))

    def take(self, body: bytes, day: date = MONDAY, requested_at: float = 1.0, known: tuple[str, ...] = ()) -> bool:
        """Publish a response; return whether it was read, because it was not the same as the one before."""
        response = finished(self.series.read(body, self.series.request(self.target, day, RULES, requested_at)))
        draft = self.store.draft()
        finished(self.series.settle(response, self.target, known, draft))
        publish(self.store, draft)
        return response.folders is not None

    def follow(self, target: Target) -> None:
        self.target = target
        draft = self.store.draft()
        finished(self.series.follow(target, draft))
        publish(self.store, draft)

    def drop(self) -> None:
        draft = self.store.draft()
        finished(self.series.drop(draft))
        publish(self.store, draft)

    def samples(self) -> str:
        lines = b"".join(self.store.pages[Format.TEXT].text()[1]).decode().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("#"))

    def calls(self) -> dict[str, float]:
        """Return the calls of each folder."""
        lines = [line for line in self.samples().splitlines() if line.startswith("vspark_folder_calls_previous_day")]
        return {line.split('"')[3]: float(line.rpartition(" ")[2]) for line in lines}


def wanted(folder: str | None = None, listed: frozenset[str] | None = None) -> Target:
    return replace(target_of("US/Eastern", folder), previous_day_seconds=60.0, folders=listed)


def test_a_response_of_another_day_says_nothing_about_the_requested_one() -> None:
    page = Page(wanted())
    with pytest.raises(DecodeError, match="no day record is of the requested days"):
        page.take(b'[{"date":"20261124","folder":"A","calls":99}]', known=("A",))
    assert page.samples() == ""
    page.take(b"[]", known=("A",))
    assert page.calls() == {"A": 0.0}


def test_a_response_and_what_is_removed() -> None:
    page = Page(wanted())
    assert not page.series.is_known_at(0)
    assert page.take(BODY)
    assert page.samples() == SAMPLES
    page.drop()
    assert page.samples() == ""
    assert not page.series.is_known_at(0)
    assert page.take(BODY)
    assert page.samples() == SAMPLES


def test_the_same_body_is_not_read_again_unless_it_has_to_be_read_in_another_way() -> None:
    page = Page(wanted())
    assert page.take(BODY, requested_at=5.0)
    assert (page.series.is_known_at(5.0), page.series.is_known_at(5.1)) == (True, False)
    assert not page.take(BODY, requested_at=6.0)
    assert page.series.is_known_at(6.0)
    assert page.samples() == SAMPLES
    page.series.read_again()
    assert not page.series.is_known_at(0)
    assert page.samples() == SAMPLES
    assert page.take(BODY, requested_at=6.0)
    assert page.series.is_known_at(6.0)
    page.series.read_with(Parser(Layouts(calls=("anzahl",))))
    assert page.take(b'{"A":{"anzahl":3,"calls":9}}', requested_at=7.0)
    assert page.calls() == {"A": 3.0, "B": 0.0}
    assert page.take(BODY.replace(b"20261123", b"20261122"), date(2026, 11, 22), requested_at=8.0)


def test_a_response_that_was_requested_before_others_have_to_be_read_in_another_way() -> None:
    page = Page(wanted())
    request = page.series.request(page.target, MONDAY, RULES, 5.0)
    assert page.series.is_current(request)
    page.series.read_again()
    assert not page.series.is_current(request)
    assert page.series.is_current(page.series.request(page.target, MONDAY, RULES, 5.0))


def test_late_calls_and_lowered_counts() -> None:
    page = Page(wanted())
    page.take(BODY)
    page.take(BODY.replace(b'"calls":12', b'"calls":13').replace(b'"calls":5', b'"calls":4'))
    assert page.calls() == {"A": 13.0, "B": 4.0}
    page.take(b"[]")
    assert page.samples() == (
        'vspark_folder_calls_previous_day{company="C",folder="A",org="O"} 0.0\n'
        'vspark_folder_calls_previous_day{company="C",folder="B",org="O"} 0.0\n'
        'vspark_folder_call_seconds_previous_day{company="C",folder="A",org="O"} 0.0\n'
        'vspark_folder_call_seconds_previous_day{company="C",folder="B",org="O"} 0.0\n'
    )


@pytest.mark.parametrize(
    ("target", "known", "calls"),
    [
        (wanted("A"), ("A",), {"A": 0.0}),  # configured
        (wanted(listed=frozenset("DE")), ("F",), {"D": 0.0, "E": 0.0}),  # discovered
        (wanted(), ("F",), {"F": 0.0}),  # known from today
        (wanted(), (), {}),
    ],
)
def test_folders_without_calls_have_none(target: Target, known: tuple[str, ...], calls: dict[str, float]) -> None:
    page = Page(target)
    page.take(b"[]", known=known)
    assert page.calls() == calls
    assert page.series.is_known_at(0)


def test_folders_that_v_spark_lists_no_longer_and_those_that_it_has_begun_to_list() -> None:
    page = Page(wanted(listed=frozenset("ABD")))
    page.take(BODY)
    assert page.calls() == {"A": 12.0, "B": 5.0, "D": 0.0}
    page.follow(wanted(listed=frozenset("BE")))
    assert page.calls() == {"B": 5.0, "E": 0.0}
    assert "vspark_agent_calls_previous_day" not in page.samples()
    page.follow(wanted(listed=None))  # the next discovery failed
    assert page.calls() == {"B": 5.0, "E": 0.0}
    page.follow(wanted(listed=frozenset("BE")))
    assert page.calls() == {"B": 5.0, "E": 0.0}
    page.take(b"[]")
    assert page.calls() == {"B": 0.0, "E": 0.0}
    assert page.series.is_known_at(0)


def test_no_folder_is_listed_before_the_first_response() -> None:
    page = Page(wanted(listed=frozenset("A")))
    page.follow(wanted(listed=frozenset("AB")))
    assert page.samples() == ""


def test_a_previous_day_that_is_no_longer_wanted() -> None:
    page = Page(wanted())
    page.take(BODY)
    page.follow(target_of("US/Eastern"))
    assert page.samples() == ""


def test_filtered_folders_do_not_count() -> None:
    page = Page(replace(wanted(), folder_filter=NameFilter(".*", ".*/B")))
    page.take(BODY)
    assert page.calls() == {"A": 12.0}


def test_a_body_that_cannot_be_read_changes_nothing() -> None:
    page = Page(wanted())
    page.take(BODY)
    with pytest.raises(DecodeError):
        page.take(b'{"error":"x"}')
    assert page.samples() == SAMPLES
    assert not page.take(BODY)
