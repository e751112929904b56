"""Texts of the status page: ages, durations, times, and foreign text made safe to display."""

import unicodedata
from datetime import UTC, datetime, tzinfo
from typing import Final, Self

from msgspec import Struct

from exporter.errors import SAYS

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SHOWN: Final = {"\u200c", "\u200d"}
"""Joiners, needed by some scripts and emoji."""
_LONGEST_NAME: Final = 120
_LONGEST_WORDS: Final = 500
_HIDDEN: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def visible(text: str, longest: int) -> str:
    """Return a foreign text cut after `longest` characters, with invisible and bidirectional characters as codes."""
    cut = text if len(text) <= longest else text[:longest]
    if not cut.isprintable():
        cut = "".join(map(_shown, cut))
    return cut if len(text) <= longest else f"{cut}… ({len(text):,} characters)"


def visible_name(name: str) -> str:
    """Return a name likewise."""
    return visible(name, _LONGEST_NAME)


def visible_words(text: str) -> str:
    """Return a sentence likewise."""
    return visible(text, _LONGEST_WORDS)


def _shown(character: str) -> str:
    if character.isprintable() or character in _SHOWN or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"\\u{{{ord(character):x}}}"


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: `41 s`, `3 min 5 s`, `2 h 7 min`, `3 d 4 h`."""
    whole = int(max(0.0, seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "min")
    return _two(whole, _DAY, "d", _HOUR, "h")


def _two(whole: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = whole % large // small
    return f"{whole // large} {large_name} {rest} {small_name}" if rest else f"{whole // large} {large_name}"


def call_duration(seconds: float) -> str:
    """Return a call's duration as `4:23`, or `1:02:03`."""
    minutes, rest = divmod(round(seconds), _MINUTE)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rfc3339(time: float) -> str:
    """Return a Unix time as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of_day(time: float, zone: tzinfo | None) -> str:
    """Return a Unix time as hours and minutes in a time zone, of the machine if it is None."""
    local = datetime.fromtimestamp(time, zone)
    return f"{local.hour:02}:{local.minute:02}"


def split_words(text: str) -> tuple[str, str]:
    """Return the exporter's own words of an error, and those of the response that it quotes, empty without any."""
    own, _, said = text.partition(SAYS)
    if said and own.count("(") > own.count(")"):  # the quotation is in parentheses
        own, said = f"{own})", said.removesuffix(")")
    return own, said


class Words(Struct, frozen=True, gc=False):
    """The text of an error made safe to display: the exporter's own words, and those of the response."""

    own: str
    said: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return both parts, each cut if it is long."""
        own, said = split_words(text)
        return cls(visible(own, _LONGEST_WORDS), visible(said, _LONGEST_WORDS))
