from exporter.status.sparkline import Sparkline, sparkline
from tests.support.fake_clock import target_of
from tests.support.target_statuses import NOW, curve_of

EASTERN = target_of("US/Eastern")
NOTHING = {"A": 0}


def test_bars_gaps_and_words() -> None:
    curve = curve_of(EASTERN, {"A": 4, "B": 0}, {"A": 4, "B": 2}, None, {"A": 4, "B": 2})
    morning = NOW - 12 * 3600 + 3 * 1800 + 60
    assert sparkline(EASTERN, curve, None, morning) == Sparkline(
        bars="M0.5 20V11M1.5 20V15M3.5 20V19",
        gaps="M2.2 19h.5",
        width=48,
        peak="peak 4 at 00:00",
        label="Calls per half hour since midnight in US/Eastern: peak 4 at 00:00; 1 half hour unknown",
    )
    drawn = sparkline(EASTERN, curve, "B", morning)
    assert drawn is not None
    assert drawn.bars == "M0.5 20V19M1.5 20V15M3.5 20V19"
    assert drawn.label == "Calls per half hour since midnight in US/Eastern: peak 2 at 00:30; 1 half hour unknown"


def test_one_call_does_not_look_like_a_rush() -> None:
    heights = []
    for calls in (1, 5, 10, 11, 1000):
        drawn = sparkline(EASTERN, curve_of(EASTERN, {"A": calls}), "A", NOW - 12 * 3600 + 60)
        assert drawn is not None
        heights.append(drawn.bars)
    assert heights == ["M0.5 20V17", "M0.5 20V9", "M0.5 20V0", "M0.5 20V0", "M0.5 20V0"]


def test_a_start_in_the_middle_of_the_day() -> None:
    curve = curve_of(EASTERN, *[None] * 20, {"A": 100}, {"A": 117})
    drawn = sparkline(EASTERN, curve, "A", NOW - 3600)
    assert drawn is not None
    assert drawn.label == "Calls per half hour since 10:01 in US/Eastern: peak 17 at 10:30; 20 half hours unknown"


def test_no_calls() -> None:
    drawn = sparkline(EASTERN, curve_of(EASTERN, NOTHING, NOTHING), "A", NOW - 11 * 3600 - 1)
    words = "Calls per half hour since midnight in US/Eastern: no calls"
    assert drawn == Sparkline("M0.5 20V19M1.5 20V19", "", 48, "no calls", words)


def test_nothing_is_known() -> None:
    assert sparkline(EASTERN, curve_of(EASTERN), None, NOW) is None
    assert sparkline(target_of(None), curve_of(target_of(None)), None, NOW) is None


def test_a_long_day() -> None:
    # Not the day on which the clocks go back: only the 50th half hour matters.
    drawn = sparkline(EASTERN, curve_of(EASTERN, *[NOTHING] * 50), None, NOW + 13 * 3600 - 1)
    assert drawn is not None
    assert (drawn.width, drawn.bars[-11:]) == (50, "M49.5 20V19")
