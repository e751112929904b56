import pytest

from exporter.runtime.terminal import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Süd & West 顧客 🎧", "Süd & West 顧客 🎧"),
        ("a\nb\r\nc\td", "a\\nb\\r\\nc\\td"),
        (
            "\x1b[2J\x1b]8;;http://evil.example\x07here\x1b]8;;\x07",
            "\\x1b[2J\\x1b]8;;http://evil.example\\x07here\\x1b]8;;\\x07",
        ),
        ("\x00\x7f\x9b31m\x85", "\\x00\\x7f\\x9b31m\\x85"),
        ("\u202eevil\u2066\u2028\ufeff", "\\u202eevil\\u2066\\u2028\\ufeff"),
        ("\udce9", "\\udce9"),
        ("\\x1b", "\\x1b"),
    ],
)
def test_what_a_terminal_gets(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
