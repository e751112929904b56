import sys

import pytest

from exporter.polling.day_curve import SLOT_SECONDS, SLOTS, DayCurve
from tests.support.finished_steps import finished

MIDNIGHT = 1_795_410_000.0


def at(slot: float) -> float:
    return MIDNIGHT + slot * SLOT_SECONDS


def add(curve: DayCurve, slot: float, patience_seconds: float = 120, **new_calls: int) -> None:
    finished(curve.add(new_calls.items(), at(slot), MIDNIGHT, patience_seconds))


def test_nothing_is_known_before_the_first_poll() -> None:
    curve = DayCurve()
    assert (curve.half_hours(None, at(3)), curve.half_hours("A", at(3)), curve.since) == ([], [], None)


def test_new_calls_are_counted_in_the_half_hour_of_their_poll() -> None:
    curve = DayCurve()
    add(curve, 0.1, A=3, B=0)
    add(curve, 0.9, A=2)
    add(curve, 1.1, A=0, B=1)
    add(curve, 1.9)
    add(curve, 2.9, A=7)
    assert curve.half_hours("A", at(2.95)) == [5, 0, 7]
    assert curve.half_hours("B", at(2.95)) == [0, 1, 0]
    assert curve.half_hours(None, at(2.95)) == [5, 1, 7]
    assert curve.half_hours("C", at(2.95)) == [0, 0, 0]
    assert curve.since is None


def test_a_start_in_the_middle_of_the_day_knows_nothing_of_before() -> None:
    curve = DayCurve()
    add(curve, 2.2, A=500)
    add(curve, 2.4, A=7)
    add(curve, 3.1, A=3, B=4)
    assert curve.half_hours("A", at(3.1)) == [None, None, 7, 3]
    assert curve.half_hours("B", at(3.1)) == [None, None, 0, 4]
    assert curve.since == at(2.2)


def test_half_hours_without_a_success_are_unknown_and_their_calls_are_counted_in_none() -> None:
    curve = DayCurve()
    add(curve, 0.5, A=5)
    add(curve, 3.5, A=395)
    add(curve, 3.9, A=3)
    assert curve.half_hours("A", at(5.1)) == [5, None, None, 3, None]
    assert curve.half_hours(None, at(5.1)) == [5, None, None, 3, None]


def test_rare_polls_count_all_calls_since_the_poll_before() -> None:
    curve = DayCurve()
    for slot, calls in ((0, 0), (2, 20), (4, 20)):
        add(curve, slot, 2 * 2 * SLOT_SECONDS, A=calls)
    assert curve.half_hours("A", at(4)) == [0, None, 20, None, 20]


def test_a_count_that_was_revised_downwards_takes_nothing_away() -> None:
    curve = DayCurve()
    for slot, calls in enumerate([8, -8, 1]):
        add(curve, slot, A=calls)
    assert curve.half_hours("A", at(2)) == [8, 0, 1]


def test_folders_that_are_forgotten_stay_in_the_sum() -> None:
    curve = DayCurve()
    add(curve, 0, A=5, B=7)
    curve.keep_only({"B"})
    add(curve, 1, B=2, C=3)
    add(curve, 2, A=4)
    assert curve.half_hours("A", at(2)) == [0, 0, 4]
    assert curve.half_hours("B", at(2)) == [7, 2, 0]
    assert curve.half_hours("C", at(2)) == [0, 3, 0]
    assert curve.half_hours(None, at(2)) == [12, 5, 4]


def test_numbers_of_any_size() -> None:
    curve = DayCurve()
    for slot, calls in enumerate([65_535, 65_536, 2**53]):
        add(curve, slot, A=calls, B=1)
        add(curve, slot, A=calls)
    assert curve.half_hours("A", at(2)) == [2 * 65_535, 2 * 65_536, 2**32 - 1]
    assert curve.half_hours("B", at(2)) == [1, 1, 1]
    assert curve.half_hours(None, at(2)) == [2 * 65_535 + 1, 2 * 65_536 + 1, 2 * 2**53 + 1]


def test_a_day_of_25_hours_and_a_wrong_clock() -> None:
    curve = DayCurve()
    add(curve, -3, A=1)
    add(curve, SLOTS - 0.5, 1e9, A=1)
    add(curve, SLOTS + 70, 1e9, A=2)
    drawn = curve.half_hours("A", at(SLOTS + 200))
    assert (len(drawn), drawn[0], drawn[1], drawn[-1]) == (SLOTS, 1, None, 3)
    assert curve.half_hours("A", at(-3)) == [1]


@pytest.mark.no_cover
def test_the_memory_of_100_000_folders_with_calls() -> None:
    curve = DayCurve()
    names = [f"Folder{number}" for number in range(100_000)]
    for slot in range(48):
        finished(curve.add(((name, 10) for name in names[:: 1 if slot in (0, 47) else 1000]), at(slot), MIDNIGHT, 120))
    finished(curve.add([("WithoutCalls", 0)], at(47.5), MIDNIGHT, 120))
    held = [curve._folders, curve._all_folders, *curve._all_folders, curve._known, *curve._folders.values()]
    assert sum(map(sys.getsizeof, held)) < 35_000_000
    assert len(curve._folders) == 100_000
