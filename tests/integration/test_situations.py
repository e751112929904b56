"""The table of situations in docs/metrics.md, row by row, over real HTTP."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from textwrap import dedent

import pytest

from exporter.exposition.text_format import Format
from exporter.simulator import Fault, Shape
from tests.support.fake_clock import target_of, watching
from tests.support.raw_servers import until
from tests.support.samples import failure_samples

DAY_SECONDS = 86400.0
DAY_START = 'vspark_day_start_timestamp_seconds{company="C",org="O"}'


def expected(text: str, failures: Mapping[str, int] | None = None, *, folder: str = "A") -> str:
    """Return the lines of `text` and, if they are given, those of the target's failures."""
    lines = [] if failures is None else failure_samples(failures, folder=folder)
    return dedent(text).lstrip("\n") + "".join(f"{line}\n" for line in lines)


async def test_the_folder_is_in_the_response() -> None:
    async with watching(target_of("US/Eastern", "A")) as (simulator, _, watched):
        simulator.override(
            "C",
            "O",
            "A",
            body=b'[{"date":"20261123","folder":"A","calls":12,"avgduration":"0:05:12",'
            b'"agents":{"a1":{"calls":7,"avgduration":"0:04:10"},"a2":{"calls":5}}}]',
        )
        await until(lambda: watched.poller.ready)
        assert watched.text() == expected(
            """
            vspark_folder_calls_today{company="C",folder="A",org="O"} 12.0
            vspark_folder_calls_total{company="C",folder="A",org="O"} 12.0
            vspark_folder_call_duration_average_seconds{company="C",folder="A",org="O"} 312.0
            vspark_folder_call_seconds_today{company="C",folder="A",org="O"} 3744.0
            vspark_folder_agents_today{company="C",folder="A",org="O"} 2.0
            vspark_folder_agents_folded{company="C",folder="A",org="O"} 0.0
            vspark_agent_calls_today{agent="a1",company="C",folder="A",org="O"} 7.0
            vspark_agent_calls_today{agent="a2",company="C",folder="A",org="O"} 5.0
            vspark_agent_call_duration_average_seconds{agent="a1",company="C",folder="A",org="O"} 250.0
            vspark_day_start_timestamp_seconds{company="C",org="O"} 1.79541e+09
            vspark_up{company="C",folder="A",org="O"} 1.0
            vspark_last_poll_timestamp_seconds{company="C",folder="A",org="O"} 1.7954532e+09
            vspark_last_success_timestamp_seconds{company="C",folder="A",org="O"} 1.7954532e+09
            vspark_last_poll_duration_seconds{company="C",folder="A",org="O"} 0.0
            vspark_polls_total{company="C",folder="A",org="O"} 1.0
            vspark_polls_skipped_total{company="C",folder="A",org="O"} 0.0
        """,
            {},
        )


async def test_a_configured_folder_is_not_in_the_response() -> None:
    async with watching(target_of(None, "A")) as (simulator, _, watched):
        simulator.fail("C", "O", "A", fault=Fault.empty())
        await until(lambda: watched.poller.ready)
        assert watched.text() == expected(
            """
            vspark_folder_calls_today{company="C",folder="A",org="O"} 0.0
            vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0
            vspark_folder_call_seconds_today{company="C",folder="A",org="O"} 0.0
            vspark_folder_agents_today{company="C",folder="A",org="O"} 0.0
            vspark_folder_agents_folded{company="C",folder="A",org="O"} 0.0
            vspark_up{company="C",folder="A",org="O"} 1.0
            vspark_last_poll_timestamp_seconds{company="C",folder="A",org="O"} 1.7954532e+09
            vspark_last_success_timestamp_seconds{company="C",folder="A",org="O"} 1.7954532e+09
            vspark_last_poll_duration_seconds{company="C",folder="A",org="O"} 0.0
            vspark_polls_total{company="C",folder="A",org="O"} 1.0
            vspark_polls_skipped_total{company="C",folder="A",org="O"} 0.0
        """,
            {},
        )


async def test_a_folder_of_a_whole_org_is_not_in_the_response() -> None:
    zeros = expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 0.0
        vspark_folder_calls_total{company="C",folder="A",org="O"} %s
        vspark_folder_call_seconds_today{company="C",folder="A",org="O"} 0.0
        vspark_folder_agents_today{company="C",folder="A",org="O"} 0.0
        vspark_folder_agents_folded{company="C",folder="A",org="O"} 0.0
    """)
    target = target_of("US/Eastern", stale_after_seconds=9 * DAY_SECONDS)
    async with watching(target) as (simulator, _, watched):
        simulator.override("C", "O", body=b'{"A":{"calls":4,"agents":{"a1":4}},"B":{"calls":2}}')
        await until(lambda: watched.poller.ready)
        simulator.override("C", "O", body=b'{"B":{"calls":3}}')
        await watched.polled()
        assert watched.text('folder="A"') == zeros % "4.0"
        await watched.polled(DAY_SECONDS)
        assert watched.text('folder="A"') == zeros % "0.0"
        await watched.polled(DAY_SECONDS)
        assert watched.text('folder="A"') == ""
        assert watched.value('vspark_folder_calls_today{company="C",folder="B",org="O"}') == 3
        await watched.polled()
        assert watched.text('folder="A"') == ""


async def test_a_poll_that_fails_keeps_the_values_until_they_are_too_old() -> None:
    values = expected("""
        vspark_folder_calls_today{company="C",folder="A",org="O"} 12.0
        vspark_folder_calls_total{company="C",folder="A",org="O"} 12.0
        vspark_folder_agents_today{company="C",folder="A",org="O"} 1.0
        vspark_folder_agents_folded{company="C",folder="A",org="O"} 0.0
        vspark_agent_calls_today{agent="a1",company="C",folder="A",org="O"} 12.0
        vspark_day_start_timestamp_seconds{company="C",org="O"} 1.79541e+09
    """)
    polls = expected(
        """
        vspark_up{company="C",folder="",org="O"} 0.0
        vspark_last_poll_timestamp_seconds{company="C",folder="",org="O"} 1.7954535e+09
        vspark_last_success_timestamp_seconds{company="C",folder="",org="O"} 1.7954532e+09
        vspark_last_poll_duration_seconds{company="C",folder="",org="O"} 0.0
        vspark_polls_total{company="C",folder="",org="O"} 6.0
        vspark_polls_skipped_total{company="C",folder="",org="O"} 0.0
    """,
        {"server_error": 5},
        folder="",
    )
    body = b'[{"folder":"A","calls":12,"agents":{"a1":12}}]'
    async with watching(target_of("US/Eastern")) as (simulator, clock, watched):
        simulator.override("C", "O", body=body)
        await until(lambda: watched.poller.ready)
        simulator.fail("C", "O", fault=Fault.status(503))
        for _ in range(5):
            await watched.polled()
        assert watched.text() == values + polls
        clock.advance(1)
        await until(lambda: "vspark_folder" not in watched.text())
        assert watched.text() == polls
        simulator.override("C", "O", body=body)
        await watched.polled(59)
        assert watched.text() == values + expected(
            """
            vspark_up{company="C",folder="",org="O"} 1.0
            vspark_last_poll_timestamp_seconds{company="C",folder="",org="O"} 1.79545356e+09
            vspark_last_success_timestamp_seconds{company="C",folder="",org="O"} 1.79545356e+09
            vspark_last_poll_duration_seconds{company="C",folder="",org="O"} 0.0
            vspark_polls_total{company="C",folder="",org="O"} 7.0
            vspark_polls_skipped_total{company="C",folder="",org="O"} 0.0
        """,
            {"server_error": 5},
            folder="",
        )
        assert watched.events() == [
            ("poll_failed", "C/O", "server_error"),
            ("values_expired", "C/O", ""),
            ("poll_recovered", "C/O", "server_error"),
        ]


async def test_a_day_start_without_any_folder_gets_too_old_as_well() -> None:
    async with watching(target_of("US/Eastern")) as (simulator, clock, watched):
        simulator.fail("C", "O", fault=Fault.empty())
        await until(lambda: watched.lines("vspark_day_start") != [])
        simulator.fail("C", "O", fault=Fault.status(503))
        for _ in range(5):
            await watched.polled()
        assert watched.lines("vspark_day_start") != []
        clock.advance(1)
        await until(lambda: watched.lines("vspark_day_start") == [])


@pytest.mark.parametrize(("zone", "total"), [("US/Eastern", 8), (None, 6)])
async def test_a_count_that_is_revised_downwards(zone: str | None, total: int) -> None:
    async with watching(target_of(zone, "A")) as (simulator, _, watched):
        simulator.override("C", "O", "A", body=b'{"calls":8}')
        await until(lambda: watched.poller.ready)
        simulator.override("C", "O", "A", body=b'{"calls":6}')
        await watched.polled()
        assert watched.value('vspark_folder_calls_today{company="C",folder="A",org="O"}') == 6
        assert watched.value('vspark_folder_calls_total{company="C",folder="A",org="O"}') == total


@pytest.mark.parametrize(
    ("zone", "midnight", "day"),
    [
        ("US/Eastern", "2026-03-08T05:00", date(2026, 3, 8)),  # begins a day of 23 hours
        ("US/Eastern", "2026-03-09T04:00", date(2026, 3, 9)),
        ("US/Eastern", "2026-11-01T04:00", date(2026, 11, 1)),  # begins a day of 25 hours
        ("US/Eastern", "2026-11-02T05:00", date(2026, 11, 2)),
        ("Europe/Berlin", "2026-12-31T23:00", date(2027, 1, 1)),
        ("America/St_Johns", "2026-03-08T03:30", date(2026, 3, 8)),
        ("Asia/Kolkata", "2026-11-22T18:30", date(2026, 11, 23)),
        ("Asia/Kathmandu", "2026-11-22T18:15", date(2026, 11, 23)),
        ("Australia/Lord_Howe", "2026-04-04T13:00", date(2026, 4, 5)),  # begins a day of 24.5 hours
        ("Australia/Lord_Howe", "2026-10-04T13:00", date(2026, 10, 5)),  # ends a day of 23.5 hours
        ("Australia/Sydney", "2026-10-03T14:00", date(2026, 10, 4)),  # begins a day of 23 hours
        ("Pacific/Auckland", "2026-04-04T11:00", date(2026, 4, 5)),  # begins a day of 25 hours
        ("Pacific/Auckland", "2026-04-05T12:00", date(2026, 4, 6)),
        ("Pacific/Auckland", "2026-09-26T12:00", date(2026, 9, 27)),  # begins a day of 23 hours
        ("Pacific/Auckland", "2026-09-27T11:00", date(2026, 9, 28)),
        ("America/Santiago", "2025-09-07T04:00", date(2025, 9, 7)),  # the clocks skip midnight
        ("America/Santiago", "2025-04-06T04:00", date(2025, 4, 6)),  # they reached it an hour before, and went back
        ("America/Sao_Paulo", "2017-10-15T03:00", date(2017, 10, 15)),  # skipped
        ("America/Sao_Paulo", "2018-02-18T03:00", date(2018, 2, 18)),  # reached an hour before
        ("Africa/Cairo", "2025-04-24T22:00", date(2025, 4, 25)),  # skipped
        ("Asia/Beirut", "2025-03-29T22:00", date(2025, 3, 30)),  # skipped
        ("America/Havana", "2025-03-09T05:00", date(2025, 3, 9)),  # skipped
        ("America/Havana", "2025-11-02T04:00", date(2025, 11, 2)),  # comes again an hour later
    ],
)
async def test_midnight_has_passed(zone: str, midnight: str, day: date) -> None:
    begins = datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    target, neighbour = (
        target_of(zone, interval_seconds=7200.0),
        target_of("Asia/Tokyo", org="Tokyo", interval_seconds=7200.0),
    )
    async with watching(target, neighbour, start=begins - timedelta(seconds=30.25)) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        before, tokyo = watched.lines('org="O"'), watched.text('org="Tokyo"')
        total = 'vspark_folder_calls_total{company="C",folder="A",org="O"}'
        series = 'vspark_folder_calls_created{company="C",folder="A",org="O"}'
        created = partial(watched.value, series, Format.OPENMETRICS)
        yesterday = day - timedelta(days=1)
        assert begins.timestamp() - 25 * 3600 <= (watched.value(DAY_START) or 0.0) <= begins.timestamp() - 23 * 3600
        assert (watched.value(total) or 0.0) > 0
        simulator.fail("C", "O", fault=Fault.slow(0.1))
        await clock.pass_time(30)
        assert watched.lines('org="O"') == before
        clock.advance(0.25)
        await until(lambda: watched.lines('org="O"') != before)
        counters = [f'vspark_folder_calls_total{{company="C",folder="{each}",org="O"}} 0.0' for each in ("A", "B")]
        polls = [line for line in before if line.startswith(("vspark_up", "vspark_last", "vspark_poll"))]
        assert watched.lines('org="O"') == [*counters, *polls]
        assert created() == begins.timestamp()
        await until(lambda: watched.value(DAY_START) is not None)
        requested = [request.query["daterange"] for request in simulator.requests if request.path == "/stats/C/O"]
        assert requested == [f"{each:%Y%m%d}-{each:%Y%m%d}" for each in (yesterday, day)]
        assert watched.value(DAY_START) == begins.timestamp()
        assert watched.value(total) == 0
        assert created() == begins.timestamp()
        assert watched.text('org="Tokyo"') == tokyo
        assert watched.events() == []


@pytest.mark.parametrize("shape", [Shape.BARE, Shape.LIST])  # without a date, and with one
async def test_a_late_response_for_the_day_before(shape: Shape) -> None:
    midnight = datetime(2026, 11, 24, 5, tzinfo=UTC)
    async with watching(target_of("US/Eastern", "A"), start=midnight - timedelta(seconds=5)) as (
        simulator,
        clock,
        watched,
    ):
        simulator.shape = shape
        simulator.fail("C", "O", "A", fault=Fault.slow(0.1))
        await until(lambda: len(simulator.requests) == 1)
        clock.advance(5)
        await until(lambda: watched.events() != [])
        assert (watched.text(), watched.poller.ready) == ("", False)
        await until(lambda: watched.poller.ready)
        assert watched.lines("vspark_polls_total") == ['vspark_polls_total{company="C",folder="A",org="O"} 1.0']
        assert watched.lines("vspark_folder_calls") == [
            'vspark_folder_calls_today{company="C",folder="A",org="O"} 0.0',
            'vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0',
        ]
        assert [request.query["daterange"] for request in simulator.requests] == [
            "20261123-20261123",
            "20261124-20261124",
        ]
        assert watched.events() == [("answer_too_late", "C/O/A", "")]


async def test_a_late_answer_changes_nothing_of_what_is_known() -> None:
    midnight = datetime(2026, 11, 24, 5, tzinfo=UTC)
    target = target_of("US/Eastern", "A")
    async with watching(target, start=midnight - timedelta(seconds=65)) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        simulator.fail("C", "O", "A", fault=Fault.status(503))
        await watched.polled()
        polls = watched.text("vspark_up") + watched.text("vspark_last") + watched.text("vspark_poll")
        assert 'vspark_up{company="C",folder="A",org="O"} 0.0' in polls
        simulator.heal_all()
        simulator.fail("C", "O", "A", fault=Fault.slow(0.1), times=1)
        requests = len(simulator.requests)
        watched.poller._begin_poll(watched.poller._states[0])
        await until(lambda: len(simulator.requests) > requests)
        simulator.fail("C", "O", "A", fault=Fault.slow())
        clock.advance(5)
        await until(lambda: ("answer_too_late", "C/O/A", "") in watched.events())
        counter = 'vspark_folder_calls_total{company="C",folder="A",org="O"} 0.0\n'
        assert watched.text() == counter + polls
        assert [event for event, _, _ in watched.events()] == ["poll_failed", "answer_too_late"]


# An outage over midnight


@pytest.mark.parametrize("minutes", [7, 2])  # the values expire before midnight, or not
async def test_an_outage_over_midnight_keeps_the_counters_at_0_for_a_time(minutes: int) -> None:
    midnight = datetime(2026, 11, 24, 5, tzinfo=UTC)
    target = target_of("US/Eastern", "A")
    async with watching(target, start=midnight - timedelta(minutes=minutes)) as (simulator, clock, watched):
        simulator.override("C", "O", "A", body=b'{"calls":2538}')
        await until(lambda: watched.poller.ready)
        simulator.fail("C", "O", "A", fault=Fault.status(503))
        await clock.pass_time(60.0 * minutes - 1, settled=lambda: watched.idle)
        total = 'vspark_folder_calls_total{company="C",folder="A",org="O"} '
        assert watched.text("vspark_folder_calls_total") == ("" if minutes == 7 else f"{total}2538.0\n")
        await clock.pass_time(1, settled=lambda: watched.idle)
        await until(lambda: watched.text("vspark_folder") == f"{total}0.0\n")
        await clock.pass_time(300, settled=lambda: watched.idle)
        assert watched.text("vspark_folder") == f"{total}0.0\n"
        await clock.pass_time(1, settled=lambda: watched.idle)
        await until(lambda: watched.text("vspark_folder") == "")
        simulator.override("C", "O", "A", body=b'{"calls":263}')
        await watched.polled()
        assert watched.text("vspark_folder_calls_total") == f"{total}263.0\n"
        events = (
            ["poll_failed", "values_expired", "poll_recovered"] if minutes == 7 else ["poll_failed", "poll_recovered"]
        )
        assert [event for event, _, _ in watched.events()] == events


# When the clock is set


async def test_a_machine_that_slept_within_a_day() -> None:
    """Its values are too old, and it is polled at once."""
    async with watching(target_of("US/Eastern", "A")) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        before = watched.lines("vspark_folder")
        clock.set(clock.time() + 3600)
        simulator.fail("C", "O", "A", fault=Fault.slow(0.1), times=1)
        clock.advance(5)
        await until(lambda: watched.lines("vspark_folder") == [])
        await until(lambda: watched.idle and len(simulator.requests) == 2)
        assert len(watched.lines("vspark_folder")) == len(before) > 0
        assert watched.events() == [("values_expired", "C/O/A", "")]
        skipped = 'vspark_polls_skipped_total{company="C",folder="A",org="O"}'
        await watched.polled(55)
        assert (len(simulator.requests), watched.value(skipped)) == (3, 0)


async def test_values_get_too_old_although_the_clock_was_set_back() -> None:
    async with watching(target_of("US/Eastern", "A")) as (simulator, clock, watched):
        await until(lambda: watched.poller.ready)
        simulator.fail("C", "O", "A", fault=Fault.status(503))
        clock.set(clock.time() - 3600)
        for _ in range(5):
            await watched.polled()
        assert watched.lines("vspark_folder") != []
        clock.advance(1)
        await until(lambda: watched.lines("vspark_folder") == [])
