import pytest

from exporter.status.formatting import call_duration, rfc3339, span, visible


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
