import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from textwrap import dedent

import pytest

from exporter.config.targets import Target
from exporter.errors import DecodeError
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.families import PollFigures
from exporter.exposition.store import Draft, Store
from exporter.exposition.text_format import Format
from exporter.polling.org_day import OrgSeries
from exporter.polling.target_series import TargetSeries
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from tests.support.fake_clock import target_of
from tests.support.finished_steps import finished, publish
from tests.support.samples import compared_samples

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2026, 11, day) for day in (23, 24, 25, 26))
RULES = AgentRules(enabled=True, max_per_folder=2, include=".*", exclude="")
NO_AGENTS = AgentRules(enabled=False, max_per_folder=2, include=".*", exclude="")
NOW = datetime(2026, 11, 23, 17, tzinfo=UTC).timestamp()


class Book:
    """A target's series and the page that they are published on."""

    def __init__(self, target: Target, store: Store | None = None, org_series: OrgSeries | None = None) -> None:
        self.store = store or Store()
        self.series = TargetSeries(target, Parser(Layouts()), RULES, org_series or OrgSeries())

    @property
    def has_values(self) -> bool:
        return self.series.published.has_values

    def read(self, body: bytes, day: date | None = MONDAY, now: float = NOW) -> Draft:
        """Return the draft that a response makes, not published yet."""
        draft = self.store.draft()
        response = finished(self.series.read(body, day, draft))
        finished(self.series.settle(response, day, now, draft))
        return draft

    def take(self, body: bytes, day: date | None = MONDAY, now: float = NOW) -> None:
        publish(self.store, self.read(body, day, now))

    def drop_values(self) -> None:
        draft = self.store.draft()
        finished(self.series.drop_values(draft))
        publish(self.store, draft)

    def begin_day(self, day: date) -> None:
        draft = self.store.draft()
        finished(self.series.begin_day(day, draft))
        publish(self.store, draft)

    def restart_counters(self) -> None:
        draft = self.store.draft()
        self.series.restart_counters(draft)
        publish(self.store, draft)

    def apply_rules(self, rules: AgentRules) -> None:
        draft = self.store.draft()
        finished(self.series.apply_rules(rules, NOW, draft))
        publish(self.store, draft)

    def samples(self, *names: str, form: Format = Format.TEXT) -> str:
        """Return the samples whose names begin with one of `names`, or all that are compared."""
        page = b"".join(self.store.pages[form].text()[1]).decode()
        lines = [line for line in page.splitlines() if line.startswith(names)] if names else compared_samples(page)
        return "".join(f"{line}\n" for line in lines)


def expected(text: str) -> str:
    return dedent(text).lstrip("\n")


FULL = (
    b'[{"date":"20261123","folder":"A","calls":12,"avgduration":"0:05:12",'
    b'"agents":{"a1":{"calls":7,"avgduration":"0:04:10"},"a2":5}},'
    b'{"date":"20261123","folder":"B","calls":6,"agents":{"a1":1,"a2":2,"a3":3}}]'
)
FULL_TEXT = """
    vspark_folder_calls_today{company="C",folder="A",org="O"} 12.0
    vspark_folder_calls_today{company="C",folder="B",org="O"} 6.0
    vspark_folder_calls_total{company="C",folder="A",org="O"} 12.0
    vspark_folder_calls_total{company="C",folder="B",org="O"} 6.0
    vspark_folder_call_duration_average_seconds{company="C",folder="A",org="O"} 312.0
    vspark_folder_call_seconds_today{company="C",folder="A",org="O"} 3744.0
    vspark_folder_agents_today{company="C",folder="A",org="O"} 2.0
    vspark_folder_agents_today{company="C",folder="B",org="O"} 3.0
    vspark_folder_agents_folded{company="C",folder="A",org="O"} 0.0
    vspark_folder_agents_folded{company="C",folder="B",org="O"} 1.0
    vspark_agent_calls_today{agent="a1",company="C",folder="A",org="O"} 7.0
    vspark_agent_calls_today{agent="a2",company="C",folder="A",org="O"} 5.0
    vspark_agent_calls_today{agent="a3",company="C",folder="B",org="O"} 3.0
    vspark_agent_calls_today{agent="a2",company="C",folder="B",org="O"} 2.0
    vspark_agent_calls_today{agent="_other",company="C",folder="B",org="O"} 1.0
    vspark_agent_call_duration_average_seconds{agent="a1",company="C",folder="A",org="O"} 250.0
    vspark_day_start_timestamp_seconds{company="C",org="O"} 1.79541e+09
"""


@pytest.mark.parametrize("folder", [None, "A"])
def test_the_names_of_company_and_org_are_no_folders(folder: str | None) -> None:
    book = Book(target_of("US/Eastern", folder))
    book.take(b'{"C":{"O":{"A":{"calls":5}}}}')
    calls = 'vspark_folder_calls_today{company="C",folder="A",org="O"} 5.0\n'
    assert book.samples("vspark_folder_calls_today") == calls
    with pytest.raises(DecodeError) as caught:
        book.take(b'{"X":{"O":{"A":{"calls":7}}}}')
    assert str(caught.value) == "$.X.O.A: ambiguous: several keys above this day record may be its folder"
    assert book.samples("vspark_folder_calls_today") == calls


def test_an_answer() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    assert book.samples() == expected(FULL_TEXT)


def test_openmetrics_gets_when_the_counters_began() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    assert book.samples("vspark_folder_calls", form=Format.OPENMETRICS) == expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 12.0
        vspark_folder_calls_today{company="C",folder="B",org="O"} 6.0
        vspark_folder_calls_total{company="C",folder="A",org="O"} 12.0
        vspark_folder_calls_created{company="C",folder="A",org="O"} 1.79541e+09
        vspark_folder_calls_total{company="C",folder="B",org="O"} 6.0
        vspark_folder_calls_created{company="C",folder="B",org="O"} 1.79541e+09
    """)


NO_CALLS = """
    vspark_folder_calls_today{company="C",folder="A",org="O"} 0.0
    vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0
    vspark_folder_call_seconds_today{company="C",folder="A",org="O"} 0.0
    vspark_folder_agents_today{company="C",folder="A",org="O"} 0.0
    vspark_folder_agents_folded{company="C",folder="A",org="O"} 0.0
"""


@pytest.mark.parametrize(
    "body", [b"[]", b'[{"date":"20261122","folder":"A","calls":9}]', b'[{"folder":"A","calls":0}]']
)
def test_a_configured_folder_without_calls_has_zeros(body: bytes) -> None:
    book = Book(target_of(None, "A"))
    book.take(body)
    assert book.samples() == expected(NO_CALLS)


def test_a_known_folder_that_is_no_longer_named_has_zeros_but_its_counter_stays() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    book.take(b'[{"folder":"B","calls":7}]')
    assert book.samples() == expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 0.0
        vspark_folder_calls_today{company="C",folder="B",org="O"} 7.0
        vspark_folder_calls_total{company="C",folder="A",org="O"} 12.0
        vspark_folder_calls_total{company="C",folder="B",org="O"} 7.0
        vspark_folder_call_seconds_today{company="C",folder="A",org="O"} 0.0
        vspark_folder_agents_today{company="C",folder="A",org="O"} 0.0
        vspark_folder_agents_today{company="C",folder="B",org="O"} 0.0
        vspark_folder_agents_folded{company="C",folder="A",org="O"} 0.0
        vspark_folder_agents_folded{company="C",folder="B",org="O"} 0.0
        vspark_day_start_timestamp_seconds{company="C",org="O"} 1.79541e+09
    """)
    book.take(FULL)
    assert book.samples("vspark_folder_calls") == expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 12.0
        vspark_folder_calls_today{company="C",folder="B",org="O"} 6.0
        vspark_folder_calls_total{company="C",folder="A",org="O"} 12.0
        vspark_folder_calls_total{company="C",folder="B",org="O"} 7.0
    """)


@pytest.mark.parametrize(("zone", "totals"), [("US/Eastern", [5, 8, 8, 8, 9]), (None, [5, 8, 6, 7, 9])])
def test_the_counter_never_goes_down_within_a_day_that_is_known(zone: str | None, totals: list[int]) -> None:
    book = Book(target_of(zone, "A"))
    seen = []
    for calls in (5, 8, 6, 7, 9):
        book.take(b'{"calls":%d}' % calls, MONDAY if zone else None)
        assert book.samples("vspark_folder_calls_today") == (
            f'vspark_folder_calls_today{{company="C",folder="A",org="O"}} {calls}.0\n'
        )
        seen.append(book.samples("vspark_folder_calls_total"))
    assert seen == [f'vspark_folder_calls_total{{company="C",folder="A",org="O"}} {total}.0\n' for total in totals]


def test_values_go_when_they_are_too_old_and_come_back_with_the_same_bytes() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    book.take(b'[{"folder":"A","calls":11,"agents":{"a1":6}}]')
    book.drop_values()
    assert (book.samples(), book.has_values) == ("", False)
    book.take(b'[{"folder":"A","calls":11,"agents":{"a1":6}}]')
    assert book.has_values
    assert book.samples("vspark_folder_calls", "vspark_agent", "vspark_day") == expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 11.0
        vspark_folder_calls_today{company="C",folder="B",org="O"} 0.0
        vspark_folder_calls_total{company="C",folder="A",org="O"} 12.0
        vspark_folder_calls_total{company="C",folder="B",org="O"} 6.0
        vspark_agent_calls_today{agent="a1",company="C",folder="A",org="O"} 6.0
        vspark_day_start_timestamp_seconds{company="C",org="O"} 1.79541e+09
    """)


TUESDAYS_COUNTERS = """
    vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0
    vspark_folder_calls_created{company="C",folder="A",org="O"} 1.7954964e+09
    vspark_folder_calls_total{company="C",folder="B",org="O"} 0.0
    vspark_folder_calls_created{company="C",folder="B",org="O"} 1.7954964e+09
"""
WEDNESDAYS_COUNTERS = TUESDAYS_COUNTERS.replace("1.7954964e+09", "1.7955828e+09")


@pytest.mark.parametrize("expire_at", ["before midnight", "after midnight", "never"])
def test_at_midnight_every_counter_restarts_at_0(expire_at: str) -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    if expire_at == "before midnight":
        book.drop_values()
    for _ in range(2):  # the second time, the day has begun already
        book.begin_day(TUESDAY)
        assert book.samples(form=Format.OPENMETRICS) == expected(TUESDAYS_COUNTERS)
        assert not book.has_values
    if expire_at == "after midnight":
        book.drop_values()
        assert book.samples() == ""
    book.take(b'[{"folder":"B","calls":1}]', TUESDAY)
    assert book.samples("vspark_folder_calls", form=Format.OPENMETRICS) == expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 0.0
        vspark_folder_calls_today{company="C",folder="B",org="O"} 1.0
        vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0
        vspark_folder_calls_created{company="C",folder="A",org="O"} 1.7954964e+09
        vspark_folder_calls_total{company="C",folder="B",org="O"} 1.0
        vspark_folder_calls_created{company="C",folder="B",org="O"} 1.7954964e+09
    """)


def test_at_each_midnight_of_an_outage_the_counters_restart() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    book.begin_day(TUESDAY)
    book.drop_values()
    book.begin_day(WEDNESDAY)
    assert book.samples(form=Format.OPENMETRICS) == expected(WEDNESDAYS_COUNTERS)
    book.take(b'[{"folder":"B","calls":1}]', WEDNESDAY)  # nothing is known of A yesterday or today
    assert book.samples("vspark_folder_calls") == expected("""
        vspark_folder_calls_today{company="C",folder="B",org="O"} 1.0
        vspark_folder_calls_total{company="C",folder="B",org="O"} 1.0
    """)


def test_at_midnight_a_folder_that_no_response_of_the_day_named_is_removed() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    book.take(b'[{"folder":"B","calls":1}]', TUESDAY)
    book.begin_day(WEDNESDAY)
    assert book.samples() == 'vspark_folder_calls_total{company="C",folder="B",org="O"} 0.0\n'
    book.begin_day(THURSDAY)  # no response in between
    assert book.samples() == 'vspark_folder_calls_total{company="C",folder="B",org="O"} 0.0\n'


def test_at_midnight_the_counter_of_a_configured_folder_restarts_even_if_no_response_names_it() -> None:
    book = Book(target_of("US/Eastern", "A"))
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        book.begin_day(day)
        assert book.samples() == (
            "" if day == MONDAY else 'vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0\n'
        )
        book.take(b"[]" if day > MONDAY else b'[{"folder":"A","calls":1}]', day)


@pytest.mark.parametrize(
    ("zone", "day", "created"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "1.7747388e+09"),  # 23 hours
        ("Europe/Berlin", date(2026, 3, 30), "1.7748216e+09"),
        ("Europe/Berlin", date(2026, 10, 26), "1.7929692e+09"),  # after 25 hours
        ("Africa/Cairo", date(2026, 4, 24), "1.7769816e+09"),  # begins at 1:00
    ],
)
def test_when_a_counter_restarts_on_days_with_a_change_of_the_clocks(zone: str, day: date, created: str) -> None:
    book = Book(target_of(zone, "A"))
    book.take(b'{"calls":5}', day - timedelta(days=1))
    book.begin_day(day)
    assert book.samples(form=Format.OPENMETRICS) == expected(f"""
        vspark_folder_calls_total{{company="C",folder="A",org="O"}} 0.0
        vspark_folder_calls_created{{company="C",folder="A",org="O"}} {created}
    """)


def test_a_target_that_leaves_just_after_midnight_takes_its_counters_with_it() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    book.begin_day(TUESDAY)
    book.apply_rules(NO_AGENTS)
    assert book.samples(form=Format.OPENMETRICS) == expected(TUESDAYS_COUNTERS)
    draft = book.store.draft()
    finished(book.series.remove(draft))
    publish(book.store, draft)
    assert book.samples() == ""


def test_a_day_that_was_not_begun_begins_with_its_first_response() -> None:
    book = Book(target_of("US/Eastern", "A"))
    book.take(b'{"calls":5,"agents":{"a1":5}}')
    book.take(b'{"calls":2}', TUESDAY)
    assert book.samples("vspark_folder_calls", "vspark_agent", form=Format.OPENMETRICS) == expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 2.0
        vspark_folder_calls_total{company="C",folder="A",org="O"} 2.0
        vspark_folder_calls_created{company="C",folder="A",org="O"} 1.7954964e+09
    """)


@pytest.mark.parametrize("body", [b'{"A":{"calls":6},"B":{"calls":1}}', b'{"A":{"calls":7}}'])
def test_the_counters_of_another_server_continue_nothing(body: bytes) -> None:
    book = Book(target_of("US/Eastern"))
    book.take(b'{"A":{"calls":8},"B":{"calls":4}}')
    book.take(b'{"A":{"calls":6},"B":{"calls":1}}')
    kept = 'vspark_folder_calls_total{company="C",folder="A",org="O"} 8.0\n'
    book.restart_counters()
    assert book.samples("vspark_folder_calls_total").startswith(kept)
    book.take(body)
    calls = book.samples("vspark_folder_calls_today")
    assert book.samples("vspark_folder_calls_total") == calls.replace("_today", "_total")
    book.take(b'{"A":{"calls":5},"B":{"calls":0}}')
    assert book.samples("vspark_folder_calls_total") == calls.replace("_today", "_total")


def test_a_new_day_begins_without_values_then_zeros_and_the_day_after_without_who_was_not_named() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    book.begin_day(TUESDAY)
    assert book.samples("vspark_folder_calls", "vspark_day") == expected("""
        vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0
        vspark_folder_calls_total{company="C",folder="B",org="O"} 0.0
    """)
    book.take(b'[{"folder":"B","calls":1}]', TUESDAY)
    assert book.samples("vspark_folder_calls", "vspark_day") == expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 0.0
        vspark_folder_calls_today{company="C",folder="B",org="O"} 1.0
        vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0
        vspark_folder_calls_total{company="C",folder="B",org="O"} 1.0
        vspark_day_start_timestamp_seconds{company="C",org="O"} 1.7954964e+09
    """)
    book.begin_day(WEDNESDAY)
    book.take(b"[]", WEDNESDAY)
    assert book.samples() == expected("""
        vspark_folder_calls_today{company="C",folder="B",org="O"} 0.0
        vspark_folder_calls_total{company="C",folder="B",org="O"} 0.0
        vspark_folder_call_seconds_today{company="C",folder="B",org="O"} 0.0
        vspark_folder_agents_today{company="C",folder="B",org="O"} 0.0
        vspark_folder_agents_folded{company="C",folder="B",org="O"} 0.0
        vspark_day_start_timestamp_seconds{company="C",org="O"} 1.7955828e+09
    """)


def test_without_a_time_zone_a_folder_goes_by_days_of_utc() -> None:
    book = Book(target_of(None))
    for days, calls in enumerate(("1.0", "0.0", "")):
        book.take(b'[{"folder":"A","calls":1}]' if not days else b"[]", None, NOW + days * 86400)
        line = f'vspark_folder_calls_today{{company="C",folder="A",org="O"}} {calls}\n' if calls else ""
        assert book.samples("vspark_folder_calls_today") == line
    assert book.samples() == ""


def test_the_day_start_is_published_while_a_target_of_the_org_has_values() -> None:
    store, org_series = Store(), OrgSeries()
    first, second = (Book(target_of("US/Eastern", folder), store, org_series) for folder in ("A", "B"))
    sample = 'vspark_day_start_timestamp_seconds{company="C",org="O"} 1.79541e+09\n'
    first.take(b"[]")
    second.take(b"[]")
    first.drop_values()
    assert first.samples("vspark_day") == sample
    second.drop_values()
    assert first.samples("vspark_day") == ""
    first.take(b"[]")
    assert first.samples("vspark_day") == sample


def test_an_answer_without_any_folder_is_a_value_too() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(b"[]")
    assert book.has_values
    assert book.samples() == 'vspark_day_start_timestamp_seconds{company="C",org="O"} 1.79541e+09\n'
    book.drop_values()
    assert (book.samples(), book.has_values) == ("", False)


def test_a_bad_answer_changes_nothing() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    with pytest.raises(DecodeError):
        book.take(FULL.replace(b'"calls":12', b'"calls":99').replace(b'"calls":6', b'"calls":true'))
    assert book.samples() == expected(FULL_TEXT)
    book.take(FULL)
    assert book.samples() == expected(FULL_TEXT)


def test_a_draft_that_is_dropped_has_changed_nothing() -> None:
    book = Book(target_of("US/Eastern"))
    book.read(FULL)
    assert (book.samples(), book.has_values) == ("", False)
    book.take(FULL)
    published = book.series.published
    other = FULL.replace(b'"calls":12', b'"calls":99').replace(b'"a1":1', b'"a1":8')
    book.read(other)
    assert (book.samples(), book.series.published) == (expected(FULL_TEXT), published)
    book.take(other)  # as a whole, though its bytes were read before
    assert book.samples("vspark_folder_calls_today", 'vspark_agent_calls_today{agent="a1"') == expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 99.0
        vspark_folder_calls_today{company="C",folder="B",org="O"} 6.0
        vspark_agent_calls_today{agent="a1",company="C",folder="A",org="O"} 7.0
        vspark_agent_calls_today{agent="a1",company="C",folder="B",org="O"} 8.0
    """)


def test_a_poll_that_changes_nothing_copies_nothing() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    before = book.series.published
    book.take(FULL)
    after = book.series.published
    assert (after.folders is before.folders, after.absent is before.absent) == (True, True)
    assert book.samples() == expected(FULL_TEXT)


def test_other_rules_show_the_last_response_anew_or_remove_it() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(FULL)
    book.apply_rules(NO_AGENTS)
    assert book.samples("vspark_agent", "vspark_folder_calls_today") == expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 12.0
        vspark_folder_calls_today{company="C",folder="B",org="O"} 6.0
    """)
    book.read(b"[]")  # dropped: the response whose values are published can no longer be read again
    book.apply_rules(RULES)
    assert (book.samples(), book.has_values) == ("", False)
    book.take(FULL)
    assert book.samples() == expected(FULL_TEXT)


def test_a_day_that_comes_again_has_no_counter() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(b'{"A": {"calls": 3}}', TUESDAY)
    book.drop_values()
    for calls in (12, 13):
        book.begin_day(MONDAY)
        book.take(b'{"A": {"calls": %d}}' % calls, MONDAY)
        assert book.samples("vspark_folder_calls") == (
            f'vspark_folder_calls_today{{company="C",folder="A",org="O"}} {calls}.0\n'
        )
    book.begin_day(TUESDAY)
    assert book.samples() == ""  # a 0 would look like a reset, and Tuesday's calls so far like new ones
    book.take(b'{"A": {"calls": 4}}', TUESDAY)
    assert book.samples("vspark_folder_calls_total") == (
        'vspark_folder_calls_total{company="C",folder="A",org="O"} 4.0\n'
    )


def test_a_day_that_comes_again_without_a_response_in_between_has_no_counter() -> None:
    book = Book(target_of("US/Eastern"))
    book.take(b'{"A": {"calls": 12}}', MONDAY)
    book.begin_day(TUESDAY)
    assert book.samples() == 'vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0\n'
    book.begin_day(MONDAY)
    assert book.samples() == ""
    book.take(b'{"A": {"calls": 12}}', MONDAY)
    assert book.samples("vspark_folder_calls") == 'vspark_folder_calls_today{company="C",folder="A",org="O"} 12.0\n'


def test_polls() -> None:
    book = Book(target_of("US/Eastern"))
    polls = PollFigures(
        last_poll_timestamp_seconds=NOW,
        last_poll_duration_seconds=0.25,
        polls=7,
        skipped=2,
        failures={"timeout": 3, "auth": 1},
    )
    draft = book.store.draft()
    book.series.put_polls(polls, draft)
    assert book.series.published.polls == PollFigures()
    publish(book.store, draft)
    assert book.series.published.polls == polls
    assert book.samples("vspark_up", "vspark_last", "vspark_polls") == expected("""
        vspark_up{company="C",folder="",org="O"} 0.0
        vspark_last_poll_timestamp_seconds{company="C",folder="",org="O"} 1.7954532e+09
        vspark_last_poll_duration_seconds{company="C",folder="",org="O"} 0.25
        vspark_polls_total{company="C",folder="",org="O"} 7.0
        vspark_polls_skipped_total{company="C",folder="",org="O"} 2.0
    """)
    assert book.samples("vspark_poll_failures") == expected("""
        vspark_poll_failures_total{company="C",folder="",org="O",reason="auth"} 1.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="bad_encoding"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="client_error"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="connect"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="disconnected"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="dns"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="internal"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="mapping"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="no_token"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="not_found"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="not_json"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="rate_limited"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="redirect"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="server_error"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="timeout"} 3.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="tls"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="too_large"} 0.0
        vspark_poll_failures_total{company="C",folder="",org="O",reason="unrecognized"} 0.0
    """)


def test_failures_before_the_first_poll_has_ended_and_a_poll_that_adds_none() -> None:
    book = Book(target_of("US/Eastern", "A"))
    draft = book.store.draft()
    book.series.put_polls(PollFigures(failures={"internal": 1}), draft)
    publish(book.store, draft)
    assert book.samples("vspark_up", "vspark_last", "vspark_polls") == ""
    reason = 'vspark_poll_failures_total{company="C",folder="A",org="O",reason='
    assert book.samples(f'{reason}"internal"', f'{reason}"tls"') == f'{reason}"internal"}} 1.0\n{reason}"tls"}} 0.0\n'
    failures = book.samples("vspark_poll_failures")
    for polls in (1, 2):
        draft = book.store.draft()
        book.series.put_polls(PollFigures(polls=polls, failures={"internal": 1}), draft)
        publish(book.store, draft)
        assert book.samples("vspark_poll_failures") == failures


def test_an_answer_that_names_ever_new_folders_makes_nothing_grow_without_end() -> None:
    """All folders of the last response are kept, and of the others the 10,000 that were seen last."""
    book = Book(target_of("US/Eastern"))
    for poll in range(5):
        names = [f"{poll}-{number}" for number in range(4000)]
        book.take(json.dumps({name: {"calls": 1 + poll} for name in names}).encode())
    assert (len(book.series.published.folders), len(book.series.published.absent)) == (14_000, 10_000)
    counts = Counter(name.partition("-")[0] for name in book.series.published.folders)
    assert counts == {"1": 2000, "2": 4000, "3": 4000, "4": 4000}
    calls = book.samples("vspark_folder_calls_today").splitlines()
    assert Counter(line.rpartition(" ")[2] for line in calls) == {"0.0": 10_000, "5.0": 4000}
    book.take(b'{"4-1": {"calls": 9}}')
    folders = book.series.published.folders
    assert (len(folders), folders["4-1"].calls_total) == (10_001, 9)
    assert Counter(name.partition("-")[0] for name in folders) == {"2": 2001, "3": 4000, "4": 4000}
