import sys
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.stats import values
from exporter.stats.values import durations_in

MOST = 2**53
SECONDS = durations_in("seconds")


@pytest.mark.parametrize(
    ("value", "calls"),
    [
        (0, 0),
        (-0.0, 0),
        (1, 1),
        (MOST, MOST),
        (12.0, 12),
        (1e3, 1000),
        (float(MOST), MOST),
        ("0", 0),
        ("-0", 0),
        ("12", 12),
        ("012", 12),
        ("12.0", 12),
        ("12.000", 12),
        ("1e3", 1000),
        ("1E+3", 1000),
        ("1200e-2", 12),
        (str(MOST), MOST),
        ("0" * 380 + "7", 7),
    ],
)
def test_a_count_is_a_whole_number_or_a_text_that_is_one(value: Any, calls: int) -> None:
    found = values.count(value)
    assert (found, type(found)) == (calls, int)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (-1, "a negative number"),
        (-0.5, "a negative number"),
        ("-1", "a negative number"),
        (0.5, "a fraction"),
        ("1.5", "a fraction"),
        ("15e-1", "a fraction"),
        (MOST + 1, "a number out of range"),
        (10**399, "a number out of range"),
        (1e300, "a number out of range"),
        ("1e400", "a number out of range"),
        ("9" * 400, "a number out of range"),
        (float("inf"), "a number out of range"),
        (float("nan"), "a number out of range"),
        (True, "a boolean"),
        (False, "a boolean"),
        (None, "null"),
        ([], "a list"),
        ([1], "a list"),
        ({}, "an object"),
        ("", "another text"),
        (" 1", "another text"),
        ("1\n", "another text"),
        ("+1", "another text"),
        ("1,000", "another text"),
        ("1_000", "another text"),
        ("0x10", "another text"),
        (".5", "another text"),
        ("1.", "another text"),
        ("NaN", "another text"),
        ("Infinity", "another text"),
        ("inf", "another text"),
        ("true", "another text"),
        ("null", "another text"),
        ("٣", "another text"),
        ("²", "another text"),
        ("0:00:01", "another text"),
        ("1e99999", "another text"),
        ("1" * 401, "another text"),
        ("1" * 5000, "another text"),
    ],
)
def test_another_value_is_not_a_count(value: Any, found: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is compared
        values.count(value)
    assert str(caught.value) == f"expected a number of calls, found {found}"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        (12, 12.0),
        (12.5, 12.5),
        (float(MOST), float(MOST)),
        ("12", 12.0),
        ("12.5", 12.5),
        ("1.0000", 1.0),
        ("1e2", 100.0),
        ("0:11:55", 715.0),
        ("00:11:55", 715.0),
        ("0:00:00", 0.0),
        ("1:00:00", 3600.0),
        ("100:59:59", 363599.0),
        ("0:03:13.25", 193.25),
        ("0:00", 0.0),
        ("5:12", 312.0),
        ("05:12", 312.0),
        ("90:00", 5400.0),
        ("1440:00.5", 86400.5),
    ],
)
def test_a_duration_is_read_in_seconds(value: Any, seconds: float) -> None:
    found = SECONDS.seconds(value)
    assert (found, type(found)) == (seconds, float)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (-1, "a negative number"),
        ("-1", "a negative number"),
        ("-0.001", "a negative number"),
        (MOST + 1, "a number out of range"),
        (10**399, "a number out of range"),
        ("1e400", "a number out of range"),
        ("999999999999999:00:00", "a number out of range"),
        (float("inf"), "a number out of range"),
        (float("nan"), "a number out of range"),
        (True, "a boolean"),
        (False, "a boolean"),
        (None, "null"),
        ([], "a list"),
        ({}, "an object"),
        ("", "another text"),
        ("0:60:00", "another text"),
        ("0:00:60", "another text"),
        ("0:60", "another text"),
        ("0:5:12", "another text"),
        ("0:05:2", "another text"),
        ("5:2", "another text"),
        (":05", "another text"),
        ("1:", "another text"),
        ("0:05:12.", "another text"),
        ("0:05.5:12", "another text"),
        ("1:00:00:00", "another text"),
        ("-0:05:12", "another text"),
        ("0:05:12\n", "another text"),
        (" 0:05:12", "another text"),
        ("0:05:1٣", "another text"),
        ("1h", "another text"),
        ("12s", "another text"),
        ("12,5", "another text"),
        ("NaN", "another text"),
        ("inf", "another text"),
    ],
)
def test_another_value_is_not_a_duration(value: Any, found: str) -> None:
    for _ in range(2):  # the seconds that are kept of texts must not let it through
        with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is compared
            SECONDS.seconds(value)
        expected = "a duration (seconds, MM:SS or H:MM:SS)" if found == "another text" else "a duration"
        assert str(caught.value) == f"expected {expected}, found {found}"


@pytest.mark.parametrize(
    ("unit", "value", "seconds"),
    [
        ("milliseconds", 227_500, 227.5),
        ("milliseconds", 1, 0.001),
        ("milliseconds", "227500", 227.5),
        ("milliseconds", "2.5e3", 2.5),
        ("milliseconds", 0, 0.0),
        ("milliseconds", "0:03:47.5", 227.5),
        ("milliseconds", "3:47", 227.0),
        ("minutes", 3.5, 210.0),
        ("minutes", "3.5", 210.0),
        ("minutes", "0:03:47", 227.0),
        ("minutes", "90:00", 5400.0),
        ("minutes", MOST // 60, MOST // 60 * 60.0),
    ],
)
def test_the_unit_applies_to_plain_numbers_only(unit: str, value: Any, seconds: float) -> None:
    for _ in range(2):  # converted, then known
        assert durations_in(unit).seconds(value) == seconds


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (MOST // 60 + 1, "expected a duration, found a number out of range"),
        (str(MOST), "expected a duration, found a number out of range"),
        (10**399, "expected a duration, found a number out of range"),
        (-1, "expected a duration, found a negative number"),
        (True, "expected a duration, found a boolean"),
        ("1h", "expected a duration (minutes, MM:SS or H:MM:SS), found another text"),
    ],
)
def test_another_value_is_not_a_number_of_minutes(value: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is compared
        durations_in("minutes").seconds(value)
    assert str(caught.value) == message


def test_a_bounded_number_of_durations_is_remembered() -> None:
    for number in range(20_100):
        assert SECONDS.seconds(f"{number}.25") == number + 0.25
        assert len(SECONDS.of_text) <= 20_000


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("20261123", date(2026, 11, 23)),
        ("2026-11-23", date(2026, 11, 23)),
        (20261123, date(2026, 11, 23)),
        ("20240229", date(2024, 2, 29)),
        ("00010101", date(1, 1, 1)),
    ],
)
def test_a_date_is_a_text_or_a_number(value: Any, day: date) -> None:
    assert values.day(value) == day


@pytest.mark.parametrize(
    "value",
    [
        *("", "today", "2026", "2026112", "202611231", "2026-1123", "202611-23", "2026-11-2", "2026_11_23"),
        *("20261332", "20230229", "00000101", "23.11.2026", "2026/11/23", "2026-11-23T00:00:00"),
        *("20261123\n", " 20261123", "٢٠٢٦١١٢٣"),
        *(20261123.0, 2026, -20261123, 10**4000, True, None, [], {}),
    ],
)
def test_another_value_is_not_a_date(value: Any) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is compared
        values.day(value)
    assert str(caught.value) == "expected a date, YYYYMMDD or YYYY-MM-DD"


@pytest.mark.parametrize(
    ("text", "day"),
    [("20261123", date(2026, 11, 23)), ("2026-11-23", date(2026, 11, 23)), ("20261131", None), ("Test01", None)],
)
def test_a_key_is_a_date_or_none(text: str, day: date | None) -> None:
    assert values.day_of_key(text) == day


@pytest.mark.parametrize("name", ["Test01", "20261123", "stats", " ", "Süd & A/B", "\x00"])
def test_a_folder_is_any_text_with_something_in_it(name: str) -> None:
    assert values.folder(name) == name


@pytest.mark.parametrize("value", ["", 1, 1.5, True, None, [], {}, ["Test01"]])
def test_another_value_is_not_a_folder(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^expected a folder name \(a text that is not empty\)$"):
        values.folder(value)


@pytest.mark.parametrize(
    ("value", "agent"),
    [("001", "001"), ("", ""), ("Ann Lee", "Ann Lee"), (7, "7"), (0, "0"), (-7, "-7"), (10**399, "1" + "0" * 399)],
)
def test_an_agents_id_is_a_text_or_a_whole_number(value: Any, agent: str) -> None:
    assert values.agent_id(value) == agent


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, "a boolean"),
        (7.0, "a fraction"),
        (7.5, "a fraction"),
        (None, "null"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_another_value_is_not_an_agent_id(value: Any, found: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is compared
        values.agent_id(value)
    assert str(caught.value) == f"expected an agent id (a text or a whole number), found {found}"


@pytest.mark.parametrize("read", [values.count, SECONDS.seconds, values.day, values.folder, values.agent_id])
def test_no_message_repeats_the_value(read: Callable[[Any], object]) -> None:
    secret = ["hunter2"]
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is looked at
        read(secret)
    assert "hunter2" not in str(caught.value)


@given(st.integers(min_value=0, max_value=MOST))
def test_a_count_is_the_same_as_a_number_and_as_a_text(calls: int) -> None:
    assert values.count(calls) == values.count(str(calls)) == values.count(f"{calls:020}") == calls


@given(
    st.integers(min_value=0, max_value=10**6),
    st.integers(min_value=0, max_value=59),
    st.integers(min_value=0, max_value=59),
    st.integers(min_value=0, max_value=7),
)
def test_a_duration_is_the_same_in_each_way_of_writing(hours: int, minutes: int, seconds: int, eighths: int) -> None:
    expected = hours * 3600 + minutes * 60 + seconds + eighths / 8
    fraction = f"{eighths / 8:.3f}"[1:]
    clocks = (
        f"{hours}:{minutes:02}:{seconds:02}{fraction}",
        f"{hours:03}:{minutes:02}:{seconds:02}{fraction}",
        f"{hours * 60 + minutes}:{seconds:02}{fraction}",
    )
    assert {SECONDS.seconds(value) for value in (*clocks, expected, str(expected))} == {expected}


@given(st.text(max_size=12) | st.text(alphabet="0123456789:.-eE+ \n", max_size=12))
def test_any_text_is_a_value_in_range_or_a_value_error(text: str) -> None:
    for read, most in ((values.count, MOST), (SECONDS.seconds, float(MOST))):
        try:
            value = read(text)
        except ValueError as error:
            assert sys.maxsize > len(str(error)) > 0  # noqa: PT017 # most texts are rejected
        else:
            assert 0 <= value <= most


@example(["99991231", "00010101", "a", ":"])
@given(st.lists(st.text(max_size=3) | st.from_regex(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", fullmatch=True)))
def test_dates_are_found_among_keys(keys: list[str]) -> None:
    assert values.dates_among(keys) == [key for key in keys if values.day_of_key(key) is not None]
