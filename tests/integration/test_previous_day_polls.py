"""The finished day that is still polled, over real HTTP, with calls that are transcribed late."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from exporter.config.discovered import NameFilter
from exporter.config.targets import Target
from exporter.exposition.agent_rules import AgentRules
from exporter.polling.previous_day_series import PreviousDaySeries
from exporter.simulator import Fault, Org, Simulator, demo_site
from exporter.simulator.calls import folder_calls
from tests.support.exporter_process import serving
from tests.support.fake_clock import FOLDERS, NOON, FakeClock, RunningPoller, target_of, watching
from tests.support.raw_servers import until

EAST = "US/Eastern"
HOUR = 3600.0
SUNDAY, MONDAY, TUESDAY = (date(2026, 11, day) for day in (22, 23, 24))
MIDNIGHT = datetime(2026, 11, 24, 5, tzinfo=UTC)
"""It ends Monday in US/Eastern."""
CALLS, SECONDS, AGENTS = (
    f"vspark_{name}_previous_day" for name in ("folder_calls", "folder_call_seconds", "agent_calls")
)


def wanted(folder: str | None = None, *, zone: str | None = EAST, org: str = "O", hours: float = 6.0) -> Target:
    """Return a target whose previous day is polled. Its values do not expire while a test skips hours."""
    target = target_of(zone, folder, org=org, stale_after_seconds=1e6)
    return replace(target, previous_day_seconds=hours * HOUR)


class Watching:
    """A poller at a simulator, and the time that both go by."""

    def __init__(self, simulator: Simulator, clock: FakeClock, poller: RunningPoller) -> None:
        self.simulator, self.clock, self.poller = simulator, clock, poller

    async def skip(self, seconds: float, *, step: float = 600.0) -> None:
        """Let time pass in steps, and wait after each until everything that was due has ended."""
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            await self.settled()

    async def skip_to(self, moment: datetime) -> None:
        await self.skip(moment.timestamp() - self.clock.time())

    async def settled(self) -> None:
        await until(lambda: bool(self.clock.sleepers) and self.poller.idle)

    async def begun(self) -> None:
        """Wait for the first polls, and then for those of the previous day."""
        await until(lambda: self.poller.poller.ready)
        await self.skip(1)

    @property
    def days(self) -> Counter[str]:
        """How often each day has been requested."""
        return Counter(request.query.get("daterange", "")[:8] for request in self.simulator.requests)

    def calls(self, org: str = "O") -> dict[str, float]:
        """Return the calls of each folder on the previous day."""
        lines = [line for line in self.lines(CALLS) if f'org="{org}"' in line]
        return {line.split('folder="')[1].split('"')[0]: float(line.rpartition(" ")[2]) for line in lines}

    def lines(self, *names: str) -> list[str]:
        names = names or (CALLS, SECONDS, AGENTS)
        return [line for line in self.poller.page().splitlines() if line.startswith(names)]

    def whole_day(self, day: date, *, until_share: float = 1.0, zone: str = EAST) -> dict[str, int]:
        """Return the simulator's calls of each folder of the org O on a day."""
        org = Org("O", zone, FOLDERS)
        return {
            folder.name: folder_calls(self.simulator.site, org, folder, day, until=until_share).calls
            for folder in FOLDERS
        }


@asynccontextmanager
async def watched(
    *targets: Target, start: datetime = NOON, transcription: timedelta = timedelta()
) -> AsyncIterator[Watching]:
    async with watching(*targets, start=start) as (simulator, clock, poller):
        simulator.site = replace(simulator.site, transcription=transcription)
        yield Watching(simulator, clock, poller)


async def test_it_is_off_unless_it_is_wanted() -> None:
    async with watched(target_of(EAST, stale_after_seconds=1e6), start=MIDNIGHT - timedelta(minutes=20)) as site:
        await site.begun()
        await site.skip(2 * HOUR)
        assert site.lines() == []
        assert site.days.keys() == {"20261123", "20261124"}
        assert min(moment for name, moment in site.poller.upstream.begun) == 1000.0


async def test_once_at_start_whatever_the_time() -> None:
    async with watched(wanted()) as site:
        await site.begun()
        assert site.calls() == site.whole_day(SUNDAY)
        assert len(site.lines(SECONDS)) == 2
        agents = [float(line.rpartition(" ")[2]) for line in site.lines(AGENTS)]
        assert sum(agents) == site.whole_day(SUNDAY)["A"]
        await site.skip(10 * HOUR)
        assert site.days["20261122"] == 1
        assert site.calls() == site.whole_day(SUNDAY)


async def test_a_configuration_file_turns_it_on(tmp_path: Path) -> None:
    site = demo_site()
    (org,) = (each for company in site.companies for each in company.orgs if each.name == "KauriBank-Cards")
    async with Simulator(site) as simulator:
        config = tmp_path / "config.yaml"
        config.write_text(
            f"vspark: {{url: {simulator.url}, token: {site.root_token}}}\n"
            "poll: {interval: 500ms, previous_day_for: 6h}\n"
            "companies: [{name: KauriBank}]\n"
        )
        today = datetime.now(UTC).astimezone(org.zone).date()
        async with serving(config) as running:
            async with asyncio.timeout(30):
                while not (
                    series := {key: value for key, value in (await running.series()).items() if key[0] == CALLS}
                ):
                    await asyncio.sleep(0.05)
        assert {dict(labels)["folder"]: value for (_, labels), value in series.items()} == {
            folder.name: folder_calls(site, org, folder, today - timedelta(days=1)).calls for folder in org.folders
        }


async def test_late_calls_are_added_until_the_period_ends_and_stay_until_the_next_midnight() -> None:
    start = MIDNIGHT - timedelta(minutes=5)
    async with watched(wanted("A"), start=start, transcription=timedelta(hours=5)) as site:
        await site.begun()
        assert site.calls() == {"A": site.whole_day(SUNDAY)["A"]}
        await site.skip_to(MIDNIGHT - timedelta(seconds=1))
        as_today = site.days["20261123"]
        known = []
        for minutes in range(0, 320, 20):
            await site.skip_to(MIDNIGHT + timedelta(minutes=minutes))
            known.append(site.calls()["A"])
        assert known[0] == site.whole_day(MONDAY, until_share=19 / 24)["A"] < site.whole_day(MONDAY)["A"]
        assert known == sorted(known)
        assert known[-1] == site.whole_day(MONDAY)["A"]
        await site.skip_to(MIDNIGHT + timedelta(hours=7))
        # At midnight, every 10 intervals of a minute, and when the period ends.
        before = site.days["20261123"]
        assert before - as_today == 37
        await site.skip_to(MIDNIGHT + timedelta(hours=23, minutes=59))
        assert site.days["20261123"] == before
        assert site.calls() == {"A": site.whole_day(MONDAY)["A"]}
        site.simulator.fail("C", "O", "A", fault=Fault.status(503))
        await site.skip_to(MIDNIGHT + timedelta(hours=24))
        assert site.lines() == []


@pytest.mark.parametrize(
    ("midnight", "finished"),
    [
        ("2026-03-09T04:00", date(2026, 3, 8)),  # of 23 hours
        ("2026-11-02T05:00", date(2026, 11, 1)),  # of 25 hours
        ("2026-03-08T05:00", date(2026, 3, 7)),  # the clocks change while it is polled
        ("2026-11-01T04:00", date(2026, 10, 31)),
    ],
)
async def test_days_on_which_the_clocks_change(midnight: str, finished: date) -> None:
    begins = datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    late = timedelta(hours=5)
    async with watched(wanted(), start=begins - timedelta(minutes=1), transcription=late) as site:
        await site.begun()
        assert site.calls() == site.whole_day(finished - timedelta(days=1))
        await site.skip_to(begins)
        assert sum(site.calls().values()) < sum(site.whole_day(finished).values())
        await site.skip_to(begins + late + timedelta(minutes=10))
        assert site.calls() == site.whole_day(finished)
        await site.skip_to(begins + timedelta(hours=6, minutes=1))
        polls = site.days[f"{finished:%Y%m%d}"]
        await site.skip_to(begins + timedelta(hours=22))
        assert site.days[f"{finished:%Y%m%d}"] == polls
        assert site.calls() == site.whole_day(finished)


async def test_each_org_has_its_own_midnight_and_without_a_zone_there_is_none() -> None:
    berlin = wanted(org="P", zone="Europe/Berlin")
    async with watched(wanted(), berlin, wanted(org="Q", zone=None), start=MIDNIGHT - timedelta(minutes=1)) as site:
        await site.begun()
        in_berlin = site.calls("P")
        assert site.calls("O") == site.whole_day(SUNDAY)
        await site.skip_to(MIDNIGHT)
        assert site.calls("O") == site.whole_day(MONDAY)
        assert site.calls("P") == in_berlin
        assert site.calls("Q") == {}


async def test_it_keeps_no_poll_of_today_waiting() -> None:
    async with watched(wanted("A")) as site:  # there is only one slot
        site.simulator.fail("C", "O", "A", fault=Fault.slow(), day=SUNDAY)
        await until(lambda: site.poller.poller.ready)
        site.clock.advance(1)
        await until(lambda: site.days["20261122"] == 1)
        for polls in (2, 3):
            site.clock.advance(60)
            await until(lambda polls=polls: site.days["20261123"] == polls)  # type: ignore[misc]
            await until(lambda polls=polls: site.days["20261122"] == polls)  # type: ignore[misc] # sent again
        labels = '{company="C",folder="A",org="O"}'
        assert site.poller.value(f"vspark_up{labels}") == 1
        assert site.poller.value(f"vspark_polls_total{labels}") == 3
        assert site.poller.value(f"vspark_polls_skipped_total{labels}") == 0
        site.simulator.heal_all()
        site.clock.advance(60)
        await site.settled()
        assert site.calls() == {"A": site.whole_day(SUNDAY)["A"]}
        assert site.poller.events() == []


async def test_its_failures_are_logged_once_and_change_nothing_else() -> None:
    async with watched(wanted("A"), wanted("B")) as site:
        site.simulator.fail("C", "O", "A", fault=Fault.status(503), day=SUNDAY)
        await site.begun()
        assert site.calls() == {"B": site.whole_day(SUNDAY)["B"]}
        for _ in range(3):
            await site.skip(600)
        site.simulator.override("C", "O", "A", body=b'{"error":"no"}')
        site.simulator.heal("C", "O", "A")
        site.simulator.fail("C", "O", "A", fault=Fault.answer(b'{"error":"no"}'), day=SUNDAY)
        await site.skip(600)
        labels = '{company="C",folder="A",org="O"}'
        assert site.poller.value(f"vspark_up{labels}") == 1
        failures = site.poller.lines(f"vspark_poll_failures_total{labels.rstrip('}')}")
        assert {line[-3:] for line in failures} == {"0.0"}
        site.simulator.heal_all()
        await site.skip(600)
        assert site.calls() == {folder: site.whole_day(SUNDAY)[folder] for folder in "AB"}
        events = [
            {key: value for key, value in each.items() if key not in ("error", "log_level")}
            for each in site.poller.logged
            if each["log_level"] != "debug"
        ]
        assert events == [
            {"event": "previous_day_failed", "target": "C/O/A", "day": "2026-11-22", "reason": "server_error"},
            {"event": "previous_day_failed", "target": "C/O/A", "day": "2026-11-22", "reason": "unrecognized"},
            {"event": "previous_day_recovered", "target": "C/O/A", "day": "2026-11-22"},
        ]


async def test_a_target_that_fails_is_not_asked_for_its_previous_day() -> None:
    async with watched(wanted("A")) as site:
        site.simulator.fail("C", "O", "A", fault=Fault.status(503))
        await site.begun()
        await site.skip(HOUR)
        assert site.days["20261122"] == 0
        site.simulator.heal_all()
        await site.skip(120, step=60)
        assert site.days["20261122"] == 1
        assert site.calls() == {"A": site.whole_day(SUNDAY)["A"]}


async def test_values_stay_while_polls_fail() -> None:
    target = replace(wanted("A"), stale_after_seconds=300.0)
    async with watched(target) as site:
        await site.begun()
        before = site.lines()
        site.simulator.fail("C", "O", "A", fault=Fault.status(503))
        await site.skip(HOUR)
        assert site.poller.lines("vspark_folder_calls_today") == []
        assert (before != [], site.lines()) == (True, before)


async def test_a_late_response_for_the_day_before_yesterday_is_dropped() -> None:
    async with watched(wanted("A"), wanted("B"), start=MIDNIGHT - timedelta(seconds=30)) as site:
        site.simulator.fail("C", "O", "A", fault=Fault.slow(0.3), day=SUNDAY)
        await until(lambda: site.poller.poller.ready)
        site.clock.advance(1)
        await until(lambda: site.days["20261122"] == 1)
        site.clock.advance(29)
        await until(lambda: site.days["20261124"] == 2)
        await site.settled()
        assert site.calls() == {folder: site.whole_day(MONDAY)[folder] for folder in "AB"}
        late = [dict(each) for each in site.poller.logged if each["event"] == "answer_too_late"]
        assert late == [{"event": "answer_too_late", "log_level": "info", "target": "C/O/A", "day": "2026-11-22"}]


async def test_other_rules_for_agents_apply_at_once() -> None:
    hashed = AgentRules(enabled=True, max_per_folder=1000, include=".*", exclude="", hash_key=b"a key of 16 bytes")
    async with watched(wanted("A")) as site:
        await site.begun()
        before = site.lines(AGENTS)
        await site.poller.replace(wanted("A"), rules=hashed)
        assert site.lines() == []
        await site.skip(1)
        after = site.lines(AGENTS)
        assert [line.partition('"')[2][2] for line in before] == ['"', '"']  # a1 and a2
        assert [len(line.split('"')[1]) for line in after] == [16, 16]
        assert sorted(line[-5:] for line in after) == sorted(line[-5:] for line in before)
        assert site.calls() == {"A": site.whole_day(SUNDAY)["A"]}


async def test_a_target_that_leaves_loses_them_and_one_that_arrives_gets_them() -> None:
    async with watched(wanted("A")) as site:
        await site.begun()
        await site.poller.replace(wanted("B"))
        assert site.calls() == {}
        await site.settled()
        await site.skip(1)
        assert site.calls() == {"B": site.whole_day(SUNDAY)["B"]}
        await site.skip(HOUR)
        assert site.days["20261122"] == 2


async def test_it_can_be_turned_on_extended_and_turned_off_while_it_runs() -> None:
    off = target_of(EAST, "A", stale_after_seconds=1e6)
    async with watched(off) as site:
        await site.begun()
        await site.poller.replace(wanted("A"))
        await site.settled()
        await site.skip(1)
        assert site.calls() == {"A": site.whole_day(SUNDAY)["A"]}
        await site.skip(HOUR)
        assert site.days["20261122"] == 1
        await site.poller.replace(wanted("A", hours=24))
        await site.settled()
        await site.skip(HOUR)
        assert site.days["20261122"] in (7, 8)
        await site.poller.replace(off)
        assert site.lines() == []
        await site.skip(HOUR)
        assert site.days["20261122"] in (7, 8)


async def test_another_time_zone_has_another_day() -> None:
    async with watched(wanted("A")) as site:
        await site.begun()
        auckland = wanted("A", zone="Pacific/Auckland")  # where it is Tuesday
        await site.poller.replace(auckland)
        assert site.lines() == []
        await site.settled()
        await site.skip(1)
        assert site.days["20261123"] >= 1
        assert site.calls().keys() == {"A"}


async def test_a_response_that_arrives_after_a_reload_has_turned_it_off() -> None:
    async with watched(wanted("A"), wanted("B")) as site:
        site.simulator.fail("C", "O", "A", fault=Fault.slow(0.2), day=SUNDAY)
        await until(lambda: site.poller.poller.ready)
        site.clock.advance(1)
        await until(lambda: site.days["20261122"] == 1)
        await site.poller.replace(target_of(EAST, "A"), target_of(EAST, "B"))
        await site.settled()
        assert site.lines() == []


async def test_a_new_connection_to_v_spark_requests_it_again() -> None:
    async with watched(wanted("A"), wanted("B")) as site:
        await site.begun()
        site.simulator.fail("C", "O", "A", fault=Fault.slow(), day=SUNDAY)
        other = replace(site.poller.upstream)
        await site.poller.replace(wanted("A"), wanted("B"), upstream=other)
        assert site.calls() == {folder: site.whole_day(SUNDAY)[folder] for folder in "AB"}
        site.simulator.heal_all()
        await site.skip(1)
        assert site.days["20261122"] == 4
        assert site.poller.events() == []


async def test_a_deleted_folder_leaves_and_a_new_one_has_no_calls() -> None:
    async with watched(replace(wanted(), folders=frozenset("AB"))) as site:
        await site.begun()
        await site.poller.replace(replace(wanted(), folders=frozenset("AN")))
        assert site.calls() == {"A": site.whole_day(SUNDAY)["A"], "N": 0.0}


async def test_a_bug_is_recorded_and_affects_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    async with watched(wanted("A"), wanted("B")) as site:
        with monkeypatch.context() as patched:
            patched.setattr(PreviousDaySeries, "settle", broken)
            await site.begun()
        labels = '{company="C",folder="A",org="O"}'
        assert site.poller.value(f"vspark_up{labels}") == 1
        assert site.poller.value('vspark_poll_failures_total{company="C",folder="A",org="O",reason="internal"}') == 1
        assert site.lines() == []
        await site.skip(600)
        assert site.calls() == {folder: site.whole_day(SUNDAY)[folder] for folder in "AB"}


async def test_the_clock_is_set_back_over_midnight() -> None:
    async with watched(wanted("A"), start=MIDNIGHT + timedelta(hours=8)) as site:
        await site.begun()
        assert site.calls() == {"A": site.whole_day(MONDAY)["A"]}
        site.clock.set((MIDNIGHT - timedelta(hours=1)).timestamp())
        await site.skip(10, step=5)
        assert site.calls() == {"A": site.whole_day(SUNDAY)["A"]}


async def test_a_request_that_is_broken_off_before_it_begins_is_made_later() -> None:
    async with watched(wanted("A")) as site:
        await until(lambda: site.poller.poller.ready)
        previous_days, tasks = site.poller.poller._previous_days, site.poller.poller._tasks
        assert tasks is not None
        site.clock.advance(1)
        previous_days.begin_due(tasks)
        await previous_days.cancel()  # as a reload may, before the task has run for the first time
        await site.settled()
        await site.skip(600)
        assert site.calls() == {"A": site.whole_day(SUNDAY)["A"]}


async def test_a_folder_that_is_excluded_leaves_even_if_v_spark_has_not_listed_any() -> None:
    async with watched(wanted()) as site:
        await site.begun()
        assert site.calls().keys() == {"A", "B"}
        await site.poller.replace(replace(wanted(), folder_filter=NameFilter(exclude="C/O/A")))
        await site.settled()
        await site.skip(1)
        assert site.days["20261122"] == 2
        assert site.poller.lines('folder="A"') == []
        assert site.calls() == {"B": site.whole_day(SUNDAY)["B"]}


async def test_a_response_that_was_requested_before_a_folder_was_excluded_is_dropped() -> None:
    async with watched(wanted(), replace(wanted("B"), previous_day_seconds=0.0)) as site:
        site.simulator.fail("C", "O", fault=Fault.slow(0.2), day=SUNDAY)
        await until(lambda: site.poller.poller.ready)
        site.clock.advance(1)
        await until(lambda: site.days["20261122"] == 1)
        await site.poller.replace(replace(wanted(), folder_filter=NameFilter(exclude="C/O/A")))
        seen = list[dict[str, float]]()

        def published() -> bool:
            seen.append(site.calls())
            return bool(seen[-1]) and site.poller.idle

        await until(published)
        assert [calls for calls in seen if "A" in calls] == []
        assert site.calls() == {"B": site.whole_day(SUNDAY)["B"]}
