"""The format and the encoding of a page, by the headers Accept and Accept-Encoding (RFC 9110, section 12.5)."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from aiohttp import web

from exporter.exposition.text_format import Format

_OFFERS = (
    (Format.TEXT, "text", "plain", "0.0.4"),
    (Format.OPENMETRICS, "application", "openmetrics-text", "1.0.0"),
)

_KEPT: Final = 16
"""A scraper sends the same headers each time, and there are few scrapers."""

# Commas and semicolons in a quoted string do not separate.
_ELEMENT: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^",])+')
_PARAMETER: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^";])+')


class _Choice(NamedTuple):
    """One element of a header: `value` without parameters, in lower case, and its quality from 0 to 1."""

    value: str
    parameters: dict[str, str]
    quality: float


def header_value(request: web.Request, name: str) -> str:
    """Return the value of a header, which may come in several lines (RFC 9110, section 5.3); empty if it is missing."""
    return ",".join(request.headers.getall(name, ()))


def _parse(header: str) -> list[_Choice]:
    """Return the elements of a header; a quality that is not a number is 0: not acceptable."""
    choices = []
    for element in _ELEMENT.findall(header):
        value, _, rest = element.partition(";")
        parameters = {}
        for piece in _PARAMETER.findall(rest):
            name, _, text = piece.partition("=")
            parameters[name.strip().lower()] = _unquoted(text.strip()).lower()
        if value := value.strip():
            choices.append(_Choice(value.lower(), parameters, _quality(parameters.pop("q", "1"))))
    return choices


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text.strip('"')) if text.startswith('"') else text


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


@lru_cache(_KEPT)
def choose_format(accept: str | None) -> Format:
    """Return the format with the highest quality; text if they are equal, if none fits, or without a header."""
    best, best_quality = Format.TEXT, 0.0
    choices = _parse(accept or "*/*")
    for form, kind, subtype, version in _OFFERS:
        fitting = [
            (_specificity(choice), choice.quality)
            for choice in choices
            if choice.value in ("*/*", f"{kind}/*", f"{kind}/{subtype}")
            and choice.parameters.get("version", version) == version
        ]
        if fitting and (quality := max(fitting)[1]) > best_quality:
            best, best_quality = form, quality
    return best


def _specificity(choice: _Choice) -> tuple[bool, bool, bool]:
    return (not choice.value.startswith("*"), not choice.value.endswith("*"), "version" in choice.parameters)


@lru_cache(_KEPT)
def accepts_gzip(accept_encoding: str | None) -> bool:
    """Return whether to compress the response: gzip is acceptable, and no worse than identity."""
    qualities = {choice.value: choice.quality for choice in _parse(accept_encoding or "")}
    gzip = qualities.get("gzip", qualities.get("*", 0.0))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)
