"""Pseudonyms in a JSON body: everything that could be an id or a name becomes `agent1`, `folder1`, `text1` and so on.

What stays: names of fields that the rules know or the configuration lists, dates, durations, and numbers that are too
small to be a phone number. The layout, duplicated keys and the notation of numbers stay too, so the body is read as it
was.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from exporter.config.schema import StatsFields
from exporter.stats import field_names
from exporter.stats.field_names import normalize
from exporter.stats.values import day_of_key

_SMALL: Final = 1_000_000
_FIRST_NUMBER: Final = 1_000_001
_CLOCK: Final = re.compile(r"[0-9]{1,3}:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,6}\.[0-9]{1,6}")
_LARGE: Final = re.compile(r"[1-9][0-9]{6,}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,6}(?:\.[0-9]{1,20})?")
_WORDS: Final = frozenset({"ok", "success", "error", "true", "false", "null", "none"})
_DOCUMENTED: Final = frozenset(
    {"message", "silence", "status", "code", "success", "reason", "detail", "columns", "rows", "total"}
)
"""Names of fields that no rule reads, and that are not names of somebody."""


class NotJsonError(ValueError):
    """A body that is not JSON."""


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


class _Members(list[tuple[str, Any]]):
    """The members of an object, duplicated keys too."""


class Pseudonyms:
    """Pseudonyms: the same one for the same text, and none that is itself a text in one of the `bodies`."""

    def __init__(self, fields: StatsFields, bodies: Iterable[bytes]) -> None:
        lists = {key: names for key, names in msgspec.structs.asdict(fields).items() if isinstance(names, tuple)}
        own = {key: frozenset(map(normalize, names)) for key, names in lists.items()}
        durations = (own.get(key, ()) for key in ("average_duration", "total_duration"))
        self._counts = own.get("calls", frozenset()).union(field_names.COUNTS)
        self._durations = frozenset(field_names.AVERAGES).union(field_names.TOTALS, *durations)
        self._agents = own.get("agents", frozenset()).union(field_names.AGENTS)
        self._agent_ids = own.get("agent_id", frozenset()).union(field_names.AGENT_IDS)
        self._folders = own.get("folder", frozenset()).union(field_names.FOLDERS)
        known = (field_names.DAYS, field_names.OVERALL, field_names.WRAPPERS, field_names.ERRORS, _DOCUMENTED)
        self._known = frozenset().union(
            self._counts, self._durations, self._agents, self._agent_ids, self._folders, *known, *own.values()
        )
        self._given: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()
        self._taken = set(self._known)
        for body in bodies:
            try:
                self._taken.update(_texts(_parsed(body)))
            except (NotJsonError, RecursionError):
                continue

    def of(self, kind: str, text: str) -> str:
        """Return the pseudonym of a text, such as `folder1` for the first one of the kind `folder`."""
        if text not in self._given:
            self._given[text] = self._next(kind)
        return self._given[text]

    def json(self, body: bytes) -> bytes:
        """Return a body with pseudonyms; NotJsonError if it is not JSON, or nested too deeply for any body to read."""
        try:
            return "".join(self._render(_parsed(body), "")).encode()
        except RecursionError:
            raise NotJsonError("nested too deeply") from None

    def _next(self, kind: str) -> str:
        while True:
            self._numbers[kind] += 1
            number = self._numbers[kind]
            name = str(_FIRST_NUMBER - 1 + number) if kind == "number" else f"{kind}{number}"
            if name not in self._taken:
                return name

    def _render(self, value: Any, place: str) -> Iterator[str]:
        """Yield the JSON of a value; `place` is `agents` for a collection of agents, and else the field's meaning."""
        match value:
            case _Members():
                yield "{"
                for index, (key, member) in enumerate(value):
                    yield f"{', ' if index else ''}{json.dumps(self._key(key, place))}: "
                    yield from self._render(member, self._place(key, place))
                yield "}"
            case list():
                yield "["
                for index, element in enumerate(value):
                    yield ", " if index else ""
                    yield from self._render(element, "agent" if place == "agents" else "")
                yield "]"
            case _Number():
                yield self._number(value, place)
            case str():
                yield json.dumps(self._text(value, place))
            case _:
                yield json.dumps(value)

    def _key(self, key: str, place: str) -> str:
        if not key or normalize(key) in self._known or day_of_key(key) is not None:
            return key
        return self.of("agent" if place == "agents" else "key", key)

    def _place(self, key: str, above: str) -> str:
        """Return what a member is: `agents`, `count`, `duration`, `id of agent`, `id of folder`, or empty."""
        name = normalize(key)
        if name in self._agents:
            return "agents"
        if name in self._counts:
            return "count"
        if name in self._durations:
            return "duration"
        if name in self._folders and above != "agent":
            return "id of folder"
        if name in self._agent_ids:
            return "id of agent"
        # By its id, an agent has a record or a count.
        return "count" if above == "agents" else ""

    def _number(self, number: str, place: str) -> str:
        if place == "id of agent" and number.lstrip("-").isdigit():
            return json.dumps(self.of("agent", number))
        if place.startswith("id of"):
            return self._digits(number)
        small = abs(float(number)) < _SMALL
        if place == "duration" or (place == "count" and small):
            return number
        if number not in self._given and (small or day_of_key(number) is not None):
            return number
        return self._digits(number)

    def _digits(self, number: str) -> str:
        """Return another number. It is another pseudonym than that of the same text as an id."""
        return self.of("number", f"\0{number}")

    def _text(self, text: str, place: str) -> str:
        if not text.strip():
            return text
        if place.startswith("id of"):
            return self.of(place.removeprefix("id of "), text)
        if place == "count" and _LARGE.fullmatch(text):
            return self._digits(text)
        kept = (
            day_of_key(text) is not None
            or _CLOCK.fullmatch(text)
            or _DECIMAL.fullmatch(text)
            or (place in ("count", "duration") and _NUMBER.fullmatch(text))
            or text.casefold() in _WORDS
            or normalize(text) in self._known
        )
        return text if kept and text not in self._given else self.of("agent" if place == "agents" else "text", text)


def _parsed(body: bytes) -> Any:
    text = body.strip().removeprefix(b"\xef\xbb\xbf")
    try:
        return json.loads(
            text.decode(),
            object_pairs_hook=_Members,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_reject,
        )
    except (ValueError, RecursionError):
        raise NotJsonError("not JSON") from None


def _reject(name: str) -> None:
    raise ValueError(name)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text, key and number in a value."""
    match value:
        case _Members():
            for key, member in value:
                yield key
                yield from _texts(member)
        case list():
            for element in value:
                yield from _texts(element)
        case str():
            yield str(value)
