"""The headers Accept and Accept-Encoding, compared with a second implementation of RFC 9110.

An input is an Accept, a line feed and an Accept-Encoding. If a header follows the grammar of RFC 9110, section 12.5,
the choice has to be that of the RFC; otherwise there has to be a choice.
"""

import re
from random import Random
from typing import Final, NamedTuple

from exporter.exposition.text_format import Format
from exporter.web.negotiation import accepts_gzip, choose_format
from tests.fuzz.targets import AnyBytes

WORDS: Final = (
    *(
        "text/plain",
        "application/openmetrics-text",
        "text/*",
        "application/*",
        "*/*",
        "*",
        ";version=0.0.4",
        ";version=1.0.0",
    ),
    *(
        ";q=0",
        ";q=0.5",
        ";q=1.000",
        ";q=0.001",
        ";Q=1",
        ';version="1.0.0"',
        "gzip",
        "x-gzip",
        "identity",
        ", ",
        " ; ",
        "\n",
    ),
    *(";escaping=allow-utf-8", ";charset=utf-8", "q=1e0", "q=nan", "\t", '"a,b"', r'"\""'),
)

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = r'"(?:[\t !#-\[\]-~\x80-\U0010ffff]|\\[\t -~\x80-\U0010ffff])*"'
_PARAMETER: Final = rf"[ \t]*;[ \t]*(?:({_WORD})=({_WORD}|{_QUOTED}))?"
_QUALITY: Final = r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?"
_RANGE: Final = re.compile(rf"({_WORD}/{_WORD})((?:{_PARAMETER})*)")
_CODING: Final = re.compile(rf"({_WORD})(?:[ \t]*;[ \t]*[qQ]=({_QUALITY}))?")
_OFFERS: Final = ((Format.TEXT, "text/plain", "0.0.4"), (Format.OPENMETRICS, "application/openmetrics-text", "1.0.0"))

_VALUES: Final = (
    "text/plain",
    "application/openmetrics-text",
    "text/*",
    "application/*",
    "*/*",
    "gzip",
    "*",
    "identity",
    "br",
)
_PARAMETERS: Final = (
    *(
        "version=0.0.4",
        "version=1.0.0",
        'VERSION="1.0.0"',
        "version=0.0.1",
        "q=0",
        "q=0.5",
        "q=0.123",
        "Q=1",
        "q=1.000",
        'q="0.5"',
    ),
    *("charset=utf-8", 'x="a,b"', 'x="a;q=0"', r'x="\",gzip"', "", "q=x", "q=1e-1", "q"),
)


class _Range(NamedTuple):
    kind: str
    parameters: dict[str, str]
    quality: float


def check(data: bytes) -> None:
    """Choose a format and an encoding, and compare them with the choice of the RFC."""
    accept, _, accept_encoding = data.decode("utf-8", "surrogateescape").partition("\n")
    form, packed = choose_format(accept), accepts_gzip(accept_encoding)
    assert form in Format
    assert packed in (True, False)
    assert choose_format(accept.upper().replace("Q=", "q=")) in Format
    if (ranges := _ranges(accept)) is not None:
        assert form is _chosen(ranges), ranges
    if (codings := _codings(accept_encoding)) is not None:
        gzip = codings.get("gzip", codings.get("*", 0.0))
        assert packed is (gzip > 0 and gzip >= codings.get("identity", 0.0)), codings


def mutate(data: bytes, most_bytes: int, random: Random, any_bytes: AnyBytes) -> bytes:
    """Insert, remove or change an element of one of the headers."""
    headers = [header.split(b",") for header in data.split(b"\n")[:2]]
    elements = random.choice(headers)
    parts = [random.choice(_VALUES), *random.choices(_PARAMETERS, k=random.choice((0, 1, 1, 2)))]
    element = random.choice((";", "; ", " ; ")).join(parts).encode()
    place = random.randint(0, len(elements))
    match random.randrange(4):
        case 0 if place < len(elements):
            del elements[place]
        case 1 if place < len(elements):
            elements[place] = any_bytes(elements[place], 60)
        case _:
            elements.insert(place, element)
    while len(headers) < 2:
        headers.append([b"gzip"])
    return b"\n".join(b",".join(header) for header in headers)[:most_bytes]


def _elements(header: str) -> list[str] | None:
    """Split at the commas outside of quoted strings; return None if a quoted string does not end."""
    if not re.fullmatch(rf"(?:[^\"]|{_QUOTED})*", header):
        return None
    found = re.findall(rf"(?:[^\",]|{_QUOTED})+", header)
    return [element.strip(" \t") for element in found if element.strip(" \t")]


def _ranges(header: str) -> list[_Range] | None:
    ranges = []
    elements = _elements(header)
    for element in elements or ():
        match = _RANGE.fullmatch(element)
        if match is None:
            return None
        parameters: dict[str, str] = {}
        for name, value in re.findall(_PARAMETER, match[2]):
            if name and parameters.setdefault(name.lower(), _plain(value).lower()) != _plain(value).lower():
                return None  # duplicated, with another value
        quality = parameters.pop("q", "1")
        if not re.fullmatch(_QUALITY, quality) or (match[1].startswith("*/") and match[1] != "*/*"):
            return None
        ranges.append(_Range(match[1].lower(), parameters, float(quality)))
    return None if elements is None else ranges


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _chosen(ranges: list[_Range]) -> Format:
    """Return the format with the highest quality, and text if both have the same.

    The quality is that of the most specific range, and the highest of those. `version` distinguishes the formats.
    """
    qualities = {}
    for form, name, version in _OFFERS:
        kinds = {"*/*": 0, f"{name.partition('/')[0]}/*": 1, name: 2}
        fitting = [
            (kinds[each.kind], "version" in each.parameters, each.quality)
            for each in ranges
            if each.kind in kinds and each.parameters.get("version", version) == version
        ]
        qualities[form] = max(fitting)[2] if fitting else 0.0
    if not ranges:
        return Format.TEXT
    return Format.OPENMETRICS if qualities[Format.OPENMETRICS] > qualities[Format.TEXT] else Format.TEXT


def _codings(header: str) -> dict[str, float] | None:
    codings: dict[str, float] = {}
    for element in header.split(","):
        if not (stripped := element.strip(" \t")):
            continue
        match = _CODING.fullmatch(stripped)
        if match is None or match[1].lower() in codings:
            return None
        codings[match[1].lower()] = float(match[2] or 1)
    return codings
