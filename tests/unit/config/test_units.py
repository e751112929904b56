import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.units import Duration, DurationOrZero, Size, format_duration, format_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1d", 86400.0),
        ("1d2h3m4s5ms", 93784.005),
        ("90m", 5400.0),
        ("0d10s", 10.0),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "30", "30 s", " 30s", "30s\n", "-1s", "+1s", "1.5h", "1s1m", "1s1s", "1w", "1S", "s", "٣s", "9999999999s"],
)
def test_texts_that_are_not_durations(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is compared
        Duration.parse(text)
    assert str(caught.value) == f"expected a duration such as 30s, got {text!r}"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1B", 1),
        ("10kB", 10_000),
        ("10KB", 10_000),
        ("10MB", 10_000_000),
        ("2GB", 2_000_000_000),
        ("4KiB", 4096),
        ("64MiB", 67_108_864),
        ("1GiB", 1_073_741_824),
    ],
)
def test_a_size_is_read_in_bytes(text: str, number: int) -> None:
    assert Size.parse(text) == number


@pytest.mark.parametrize("text", ["", "64", "64 MiB", "64M", "64mib", "-1B", "1.5GiB", "1MiB\n", "٣B", "1TiB"])
def test_texts_that_are_not_sizes(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is compared
        Size.parse(text)
    assert str(caught.value) == f"expected a size such as 64MiB, got {text!r}"


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0.0), ("0d0ms", 0.0), ("6h", 21600.0)])
def test_a_duration_that_may_be_zero(text: str, seconds: float) -> None:
    assert DurationOrZero.parse(text) == seconds
    assert float(DurationOrZero()) == 0.0


@pytest.mark.parametrize(("kind", "text"), [(Duration, "0s"), (Duration, "0d0ms"), (Size, "0B"), (Size, "0GiB")])
def test_zero_is_rejected(kind: type[Duration] | type[Size], text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be more than 0$"):
        kind.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (0.5, "500ms"), (60.0, "1m"), (5400.0, "1h30m"), (93784.005, "1d2h3m4s5ms")]
)
def test_a_duration_is_written_in_its_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1B"), (1000, "1kB"), (1024, "1KiB"), (67_108_864, "64MiB"), (10**7, "10MB"), (1025, "1025B")],
)
def test_a_size_is_written_in_the_largest_unit_that_divides_it(number: int, text: str) -> None:
    assert format_size(number) == text


@given(st.integers(min_value=1, max_value=10**13))
def test_a_duration_that_is_written_is_read_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert Duration.parse(format_duration(seconds)) == seconds


@given(st.integers(min_value=1, max_value=10**12 - 1))
def test_a_size_that_is_written_is_read_back(number: int) -> None:
    assert Size.parse(format_size(number)) == number
