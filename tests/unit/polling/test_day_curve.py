import sys
from itertools import accumulate

from exporter.polling.day_curve import SLOT_SECONDS, SLOTS, DayCurve

MIDNIGHT = 1_795_410_000.0


def at(slot: float) -> float:
    return MIDNIGHT + slot * SLOT_SECONDS


def polled(curve: DayCurve, slot: float, patience_seconds: float = 120, **totals: int) -> None:
    curve.begin_poll(at(slot), MIDNIGHT, patience_seconds)
    for folder, total in totals.items():
        curve.put(folder, total)


def test_nothing_is_known_before_the_first_poll() -> None:
    curve = DayCurve()
    assert (curve.half_hours(None, at(3)), curve.half_hours("A", at(3)), curve.since) == ([], [], None)


def test_what_came_in_is_counted_to_its_half_hour() -> None:
    curve = DayCurve()
    for slot, (a, b) in enumerate([(3, 0), (3, 1), (10, 1)]):
        polled(curve, slot + 0.1, A=a, B=b)
        polled(curve, slot + 0.9, A=a + 2, B=b)
    assert curve.half_hours("A", at(2.95)) == [5, 0, 7]
    assert curve.half_hours("B", at(2.95)) == [0, 1, 0]
    assert curve.half_hours(None, at(2.95)) == [5, 1, 7]
    assert curve.half_hours("C", at(2.95)) == [0, 0, 0]
    assert curve.since is None


def test_a_start_in_the_middle_of_the_day_knows_nothing_of_before() -> None:
    curve = DayCurve()
    polled(curve, 2.2, A=500)
    polled(curve, 2.4, A=507)
    polled(curve, 3.1, A=510, B=4)
    assert curve.half_hours("A", at(3.1)) == [None, None, 7, 3]
    assert curve.half_hours("B", at(3.1)) == [None, None, 0, 4]
    assert curve.since == at(2.2)


def test_half_hours_without_a_success_are_unknown_and_what_came_in_then_belongs_to_none() -> None:
    curve = DayCurve()
    polled(curve, 0.5, A=5)
    polled(curve, 3.5, A=400)
    polled(curve, 3.9, A=403)
    assert curve.half_hours("A", at(5.1)) == [5, None, None, 3, None]
    assert curve.half_hours(None, at(5.1)) == [5, None, None, 3, None]


def test_polls_that_are_rare_count_what_came_in_since_the_last_one() -> None:
    curve = DayCurve()
    for slot in (0, 2, 4):
        polled(curve, slot, 2 * 2 * SLOT_SECONDS, A=slot * 10)
    assert curve.half_hours("A", at(4)) == [0, None, 20, None, 20]


def test_a_count_that_is_revised_downwards_takes_nothing_away() -> None:
    curve = DayCurve()
    for slot, total in enumerate([8, 6, 9]):
        polled(curve, slot, A=total)
    assert curve.half_hours("A", at(2)) == [8, 0, 1]


def test_folders_that_are_forgotten_leave_their_place_to_others() -> None:
    curve = DayCurve()
    polled(curve, 0, A=5, B=7)
    polled(curve, 1, A=6, B=9)
    curve.forget_others({"B"})
    polled(curve, 2, B=9, C=3)
    polled(curve, 3, A=4, B=10, C=5)
    assert curve.half_hours("A", at(3)) == [0, 0, 0, 4]
    assert curve.half_hours("B", at(3)) == [7, 2, 0, 1]
    assert curve.half_hours("C", at(3)) == [0, 0, 3, 2]
    assert curve.half_hours(None, at(3)) == [12, 3, 3, 7]
    assert len(curve._calls) == 3 * SLOTS


def test_a_new_day_begins_at_nothing() -> None:
    curve = DayCurve()
    polled(curve, 2, A=5)
    curve.begin()
    assert (curve.half_hours("A", at(2)), curve.since) == ([], None)
    polled(curve, 0, A=2)
    assert curve.half_hours("A", at(0)) == [2]


def test_numbers_of_any_size() -> None:
    curve = DayCurve()
    for slot, total in enumerate(accumulate([65_535, 65_536, 2**53])):
        polled(curve, slot, A=total, B=1)
    assert curve.half_hours("A", at(2)) == [65_535, 65_536, 2**32 - 1 - 131_071]
    assert curve.half_hours("B", at(2)) == [1, 0, 0]


def test_a_day_of_25_hours_and_a_clock_that_is_wrong() -> None:
    curve = DayCurve()
    polled(curve, -3, A=1)
    polled(curve, SLOTS - 0.5, 1e9, A=2)
    polled(curve, SLOTS + 70, 1e9, A=4)
    drawn = curve.half_hours("A", at(SLOTS + 200))
    assert (len(drawn), drawn[0], drawn[1], drawn[-1]) == (SLOTS, 1, None, 3)
    assert curve.half_hours("A", at(-3)) == [1]


def test_the_memory_of_very_many_folders() -> None:
    curve = DayCurve()
    names = [f"Folder{number}" for number in range(100_000)]
    for slot in range(48):
        curve.begin_poll(at(slot), MIDNIGHT, 120)
        for name in names[:: 1 if slot in (0, 47) else 1000]:
            curve.put(name, (slot + 1) * 10)
    held = [curve._rows, curve._totals, curve._calls, curve._whole, curve._known, *curve._rows.values()]
    assert sum(map(sys.getsizeof, held)) < 25_000_000
