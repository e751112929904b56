from zoneinfo import ZoneInfo

import pytest

from exporter.status.formatting import Words, call_duration, rfc3339, span, split_words, time_of_day, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Kundenservice Süd & <b>", "Kundenservice Süd & <b>"),
        ("שלום", "שלום"),
        ("👩\u200d🚀 a\u00a0b", "👩\u200d🚀 a\u00a0b"),
        ("invoice\u202egnp.exe", "invoice\\u{202e}gnp.exe"),
        ("\u2066a\u2069\u200b", "\\u{2066}a\\u{2069}\\u{200b}"),
        ("\x1b[31mred\x1b[0m\r\n\x00", "\\u{1b}[31mred\\u{1b}[0m\\u{d}\\u{a}\\u{0}"),
        ("a\u2028b\ud800c\ufeff", "a\\u{2028}b\\u{d800}c\\u{feff}"),
        ("0123456789", "0123456789"),
        ("0123456789x", "0123456789… (11 characters)"),
        ("x" * 1_000_000, "xxxxxxxxxx… (1,000,000 characters)"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text, 10 if len(text) >= 10 and text[0] in "0x" else 100) == shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (7620, "2 h 7 min"),
        (86_400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_span(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (59.6, "1:00"), (263, "4:23"), (3723.2, "1:02:03")])
def test_call_duration(seconds: float, said: str) -> None:
    assert call_duration(seconds) == said


def test_rfc3339() -> None:
    assert rfc3339(1_795_453_260.0625) == "2026-11-23T17:01:00.062Z"


def test_time_of_day() -> None:
    assert time_of_day(1_795_453_260.0, ZoneInfo("Asia/Kolkata")) == "22:31"


@pytest.mark.parametrize(
    ("text", "own", "said"),
    [
        ("cannot connect to 127.0.0.1:9: Connection refused", "cannot connect to 127.0.0.1:9: Connection refused", ""),
        (
            "the token from $TOKEN is rejected (status 403 Forbidden; it says: No (really))",
            "the token from $TOKEN is rejected (status 403 Forbidden)",
            "No (really)",
        ),
        ("$.data: expected a day record; it says: a; b)", "$.data: expected a day record", "a; b)"),
        ("$: plain text; it says: it failed; it says: no", "$: plain text", "it failed; it says: no"),
    ],
)
def test_the_words_of_the_response_are_apart_from_our_own(text: str, own: str, said: str) -> None:
    assert split_words(text) == (own, said)


def test_both_are_made_safe_to_display() -> None:
    assert Words.of(f"a\x1b; it says: {'x' * 501}\x1b") == Words("a\\u{1b}", f"{'x' * 500}… (502 characters)")
