"""Durations and sizes as people write them: `1h30m`, `64MiB`. A number without a unit is rejected."""

import re
from typing import ClassVar, Final, Self

_MILLISECONDS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_BYTES: Final = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}


class Duration(float):
    """A time in seconds, more than 0, exact to the millisecond."""

    shortest_milliseconds: ClassVar[int] = 1

    pattern: ClassVar[str] = "^" + "".join(rf"([0-9]{{1,9}}{unit})?" for unit in _MILLISECONDS) + "$"
    """What `parse` accepts, and an empty text, as a regular expression for JSON Schema and for Go's RE2."""

    expected: ClassVar[str] = "a duration such as 30s"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the duration of a text such as `500ms`, `1h30m` or `1d`; ValueError for 0 and for other texts."""
        found = re.fullmatch(cls.pattern.removesuffix("$"), text, re.ASCII)
        if found is None or not text:
            raise ValueError(f"expected {cls.expected}, got {text!r}")
        counts = (int(part.rstrip("dhms")) if part else 0 for part in found.groups())
        milliseconds = sum(count * each for count, each in zip(counts, _MILLISECONDS.values(), strict=True))
        if milliseconds < cls.shortest_milliseconds:
            raise ValueError("must be more than 0")
        return cls(milliseconds / 1000)


class DurationOrZero(Duration):
    """A time in seconds that may be 0: `0s`."""

    shortest_milliseconds: ClassVar[int] = 0


class Size(int):
    """A number of bytes, more than 0."""

    pattern: ClassVar[str] = f"^([0-9]{{1,12}})({'|'.join(_BYTES)})$"
    """What `parse` accepts, as a regular expression for JSON Schema."""

    expected: ClassVar[str] = "a size such as 64MiB"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the size of a text such as `64MiB`, `10MB` or `512B`; ValueError for 0 and for other texts."""
        found = re.fullmatch(cls.pattern.removesuffix("$"), text, re.ASCII)
        if found is None:
            raise ValueError(f"expected {cls.expected}, got {text!r}")
        size = int(found[1]) * _BYTES[found[2]]
        if size == 0:
            raise ValueError("must be more than 0")
        return cls(size)


def format_duration(seconds: float) -> str:
    """Return a time in seconds as `Duration.parse` reads it, rounded to the millisecond."""
    rest = round(seconds * 1000)
    text = ""
    for unit, each in _MILLISECONDS.items():
        count, rest = divmod(rest, each)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def format_size(number: int) -> str:
    """Return a number of bytes as `Size.parse` reads it, in the largest unit that divides it."""
    each, unit = max((each, unit) for unit, each in _BYTES.items() if number % each == 0)
    return f"{number // each}{unit}"
