"""Day records decoded; agents whose records are all alike straight to their values, in a third of the time.

Alike are, as nearly always, the records of an object by agent ids that have no other keys than those before them, one
for the count and at most one for the mean, with plain values. Whatever else there is comes out as it stands in the
JSON, for `dayrecord` to read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from exporter.stats import values
from exporter.stats.field_names import Layouts
from exporter.stats.json_path import at, at_agent
from exporter.stats.model import AgentDays
from exporter.stats.raw_json import decode, first_byte, is_composite, level, pieces

_Count = Annotated[int, Meta(ge=0, le=values.LARGEST_COUNT)]
_Seconds = Annotated[float, Meta(ge=0, lt=values.LARGEST_DURATION)]
"""Below the largest, not at most: an integer just above it becomes it as a float, and `scalars` knows the integer."""
_DECODERS_KEPT: Final = 64
_KEYS_AT_MOST: Final = 64
_LEARNED_FROM: Final = 100
_LARGEST_AT_ONCE: Final = 2**20
"""Bytes of agents beyond which they are decoded some at a time, by who reads them, with pauses in between."""


class UniformAgents(Struct, frozen=True):
    """Agents with calls that have been read already; `keys` are those of their records.

    `size` is their number with those that have no calls.
    """

    agents: AgentDays
    keys: tuple[str, ...]
    size: int


Some = UniformAgents | dict[str, Raw] | list[Raw]
"""Some of very many agents."""


class RecordDecoder:
    """Decodes day records; `layouts` knows the names."""

    def __init__(self, layouts: Layouts) -> None:
        self._layouts = layouts
        self._keys: tuple[str, ...] = ()
        self._decoders: dict[tuple[str, ...], Callable[[Raw], dict[str, Any]]] = {}

    def decode(self, raw: Raw, inside: Mapping[str, Raw], path: str) -> dict[str, Any]:
        """Decode the day record at `path` with its members `inside`; its agents are `Alike` where they are.

        Very many agents come some at a time, with a None where a pause may be made. Raises DecodeError.
        """
        layout = self._layouts[tuple(inside)]
        key = layout.agents[0] if layout.agents else None
        if key is None or not is_composite(inside[key]):
            return self._decode_whole(raw, path)
        agents: UniformAgents | Iterator[Some | None] | None = None
        if len(inside[key]) > _LARGEST_AT_ONCE:
            agents = self._some_at_a_time(inside[key], at(path, key))
        elif first_byte(inside[key]) == "{":
            agents = self._read(inside[key], at(path, key))
        if agents is not None:
            return {name: agents if name == key else decode(value, at(path, name)) for name, value in inside.items()}
        record = self._decode_whole(raw, path)
        if isinstance(record[key], dict):
            level(inside[key], at(path, key))  # refuses an id that stands there twice
            self._learn(agent for agent in record[key].values() if isinstance(agent, dict))
        return record

    def _some_at_a_time(self, raw: Raw, path: str) -> Iterator[Some | None]:
        """Read agents piece by piece: those that are not alike come as raw JSON, each by itself."""
        start = 0
        for piece in pieces(raw):
            if piece is None:
                yield None
                continue
            alike = self._read(piece, path) if first_byte(piece) == "{" else None
            agents = alike or level(piece, path)
            if isinstance(agents, dict):
                few = enumerate(islice(agents.values(), _LEARNED_FROM), start)
                self._learn(map(str, level(each, at_agent(path, n))) for n, each in few if first_byte(each) == "{")
                agents = self._read(piece, path) or agents
            yield agents
            start += agents.size if isinstance(agents, UniformAgents) else len(agents)

    def _learn(self, records: Iterable[Iterable[str]]) -> None:
        """Remember the keys of agents' records, since the next ones are probably built so, too."""
        self._keys = max(map(tuple, records), key=len, default=())

    @staticmethod
    def _decode_whole(raw: Raw, path: str) -> dict[str, Any]:
        record: dict[str, Any] = decode(raw, path)
        return record

    def _read(self, raw: Raw, path: str) -> UniformAgents | None:
        """Read agents that are alike, and have the keys of those before them; None where they are or have not.

        Raises DecodeError for an id that stands there twice, unless it gives None.
        """
        pair = self._layouts[self._keys].pair if len(self._keys) <= _KEYS_AT_MOST else None
        if pair is None:
            return None
        try:
            records = self._decoder(self._keys, pair)(raw)
            if not _is_whole(raw, path, pair[0], len(records)):
                return None
            calls = [record.calls for record in records.values()]
            averages: list[Any] = [None] * len(calls)
            if pair[1] is not None:
                averages = [record.average for record in records.values()]
            known = values.SECONDS_OF_TEXT
            if set(map(type, averages)) == {str}:
                averages = list(map(known.__getitem__, averages))
            else:
                averages = [known[average] if average.__class__ is str else average for average in averages]
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None
        agents = AgentDays(list(records), calls, averages)
        if 0 in calls:
            agents = AgentDays.of(agent for agent in agents if agent.calls)
        return UniformAgents(agents, self._keys, len(calls))

    def _decoder(self, keys: tuple[str, ...], pair: tuple[str, str | None]) -> Callable[[Raw], dict[str, Any]]:
        decoder = self._decoders.get(keys)
        if decoder is None:
            if len(self._decoders) >= _DECODERS_KEPT:
                self._decoders.clear()
            fields: dict[str, tuple[str, Any, Any]] = {pair[0]: ("calls", _Count, msgspec.NODEFAULT)}
            if pair[1] is not None:
                fields[pair[1]] = ("average", str | _Seconds | None, None)
            for key in keys:
                fields.setdefault(key, (f"other_{len(fields)}", Raw, Raw()))
            record = msgspec.defstruct(
                "UniformAgents",
                list(fields.values()),
                rename={name: key for key, (name, _, _) in fields.items()},
                forbid_unknown_fields=True,
                frozen=True,
                gc=False,
            )
            decoder = self._decoders[keys] = msgspec.json.Decoder(dict[str, record]).decode  # type: ignore[valid-type] # made just now
        return decoder


def _is_whole(raw: Raw, path: str, key: str, records: int) -> bool:
    """Tell whether so many records, each with a count under `key`, are all that stand in the JSON of agents.

    False where an id or a count may stand there twice; raises DecodeError where it is known that an id does.
    """
    text = bytes(raw)
    if b"\\" in text:
        level(raw, path)  # a key may be written with an escape, so counting what it looks like tells nothing
        return True
    return text.count(b'"%b"' % key.encode()) == records
