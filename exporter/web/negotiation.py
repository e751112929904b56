"""Which format and which encoding a scraper wants: the headers Accept and Accept-Encoding (RFC 9110, section 12.5)."""

import re
from typing import Final, NamedTuple

from exporter.exposition.text_format import Format

_OFFERS = (
    (Format.TEXT, "text", "plain", "0.0.4"),
    (Format.OPENMETRICS, "application", "openmetrics-text", "1.0.0"),
)

# Commas and semicolons in a quoted string part nothing.
_ELEMENT: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^",])+')
_PARAMETER: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^";])+')


class _Choice(NamedTuple):
    """One element of such a header: `value` without parameters, in lower case, and its quality from 0 to 1."""

    value: str
    parameters: dict[str, str]
    quality: float


def _parse(header: str) -> list[_Choice]:
    """Read a header; elements with a quality that is no number count as not wanted."""
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


def choose_format(accept: str | None) -> Format:
    """Choose the format with the highest quality, text among equals and where nothing fits or nothing is asked for."""
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


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Tell whether the answer may be compressed: gzip is wanted, and no less than a plain answer."""
    qualities = {choice.value: choice.quality for choice in _parse(accept_encoding or "")}
    gzip = qualities.get("gzip", qualities.get("*", 0.0))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)
