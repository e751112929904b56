from datetime import UTC, date, datetime

from exporter.exposition.agent_rules import AgentRules
from exporter.polling.day_changes import DayChanges
from exporter.polling.org_day import OrgSeries, ZoneDays
from exporter.polling.target_series import TargetSeries
from exporter.polling.target_state import TargetState
from exporter.stats.field_names import Layouts
from exporter.stats.parser import Parser
from tests.support.fake_clock import target_of

RULES = AgentRules(enabled=True, max_per_folder=1000, include=".*", exclude="")
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
NEW_YORK, KOLKATA = "US/Eastern", "Asia/Kolkata"


def state_of(zone: str | None, day: date | None) -> TargetState:
    target = target_of(zone)
    return TargetState(target, TargetSeries(target, Parser(Layouts()), RULES, OrgSeries()), day, 0.0)


def utc(hour: int, minute: int = 0) -> float:
    return datetime(2026, 11, 23, hour, minute, tzinfo=UTC).timestamp()


def test_the_targets_of_a_zone_begin_a_day_together_and_once() -> None:
    changes = DayChanges(ZoneDays())
    states = [state_of(KOLKATA, MONDAY), state_of(NEW_YORK, MONDAY), state_of(KOLKATA, MONDAY), state_of(None, None)]
    changes.replace(states)
    assert changes.take(utc(18, 29)) == {}
    assert changes.take(utc(18, 30)) == {states[0]: TUESDAY, states[2]: TUESDAY}
    states[0].day = states[2].day = TUESDAY
    assert changes.take(utc(18, 31)) == {}
    assert changes.take(utc(18, 29)) == {states[0]: MONDAY, states[2]: MONDAY}  # the clock was set back


def test_a_target_that_came_after_midnight_has_begun_its_day_already() -> None:
    changes = DayChanges(ZoneDays())
    states = [state_of(KOLKATA, MONDAY), state_of(KOLKATA, TUESDAY)]
    changes.replace(states)
    assert changes.take(utc(18, 30)) == {states[0]: TUESDAY}


def test_the_next_end_of_a_day_is_the_first_of_all_zones() -> None:
    changes = DayChanges(ZoneDays())
    assert changes.seconds_to_next(utc(12)) is None
    changes.replace([state_of(None, None)])
    assert changes.seconds_to_next(utc(12)) is None
    changes.replace([state_of(NEW_YORK, MONDAY), state_of(KOLKATA, MONDAY)])
    assert changes.seconds_to_next(utc(12)) == 6.5 * 3600
    assert changes.seconds_to_next(utc(18, 30)) == 10.5 * 3600


def test_a_look_at_the_day_costs_the_same_for_any_number_of_targets() -> None:
    class Counted(ZoneDays):
        looks = 0

        def today(self, zone: object, now: float) -> date:
            self.looks += 1
            return super().today(zone, now)  # type: ignore[arg-type]

    days = Counted()
    changes = DayChanges(days)
    changes.replace([state_of(NEW_YORK, MONDAY) for _ in range(200)])
    assert changes.take(utc(12)) == {}
    assert days.looks == 1
