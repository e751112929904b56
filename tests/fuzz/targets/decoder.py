"""Bodies of `/stats`, one after the other, from bytes to the page.

The first byte of an input selects the request; the rest are the bodies, with the byte 0x1E between them.
"""

import json
import math
from datetime import date
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from exporter.config.targets import Target
from exporter.config.tokens import LiteralToken
from exporter.errors import DecodeError
from exporter.exposition import families
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format
from exporter.polling.org_day import OrgSeries
from exporter.polling.target_series import TargetSeries
from exporter.stats import field_names
from exporter.stats.changes import ChangeTracker
from exporter.stats.field_names import Layouts
from exporter.stats.model import AgentDays, FolderDay
from exporter.stats.parser import Parser, Requested
from tests.fuzz import reference
from tests.fuzz.figures import RefusedError
from tests.fuzz.targets import AnyBytes
from tests.fuzz.trees import Gardener
from tests.support.exposition_oracle import assert_valid
from tests.support.finished_steps import finished, publish
from tests.support.parsed_bodies import parsed

SEPARATOR: Final = b"\x1e"
DAY: Final = date(2026, 11, 23)
NOW: Final = 1_795_453_200.0
OWNERS: Final = ('C"o', "O\\")
REQUESTS: Final = tuple(Requested(*OWNERS, *each) for each in ((None, DAY), ("A", DAY), (None, None), ("A", None)))
ANY_DIGITS: Final = 4000
"""Beyond it Python reads no integer."""

_NAMES: Final = (
    *(
        *field_names.COUNTS,
        *field_names.AVERAGES,
        *field_names.TOTALS,
        *field_names.AGENTS,
        *field_names.AGENT_IDS,
        *field_names.FOLDERS,
    ),
    *(
        *field_names.DAYS,
        *field_names.OVERALL,
        *sorted(field_names.WRAPPERS),
        *sorted(field_names.ERRORS),
        "status",
        "count",
    ),
)
_KEYS: Final = (
    *_NAMES,
    "A",
    "B",
    "001",
    "20261123",
    "2026-11-23",
    "20261122",
    "",
    "_other",
    *OWNERS,
    'a"\\\n}',
    "é\u2028",
)
_LEAVES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, 7, -1, 0.5, 2**53, 2**53 + 1, 1e308, 5e-324, "", "0", "7", "1e1", "-0", "ok", "A", "B"),
    *(
        "0:01:00",
        "1:30",
        "0:60:00",
        "0:00:00.5",
        "20261123",
        "2026-11-22",
        20261123,
        "20261332",
        [],
        {},
        "x",
        "٣",
        "\ud800",
    ),
    *(
        {"calls": 3},
        {"calls": 2, "duration": "0:01:00"},
        {"x": {"calls": 1}},
        [{"id": 1, "calls": 1}],
        {"overall": {"calls": 1}},
        {"calls": 2, "overall": {"ncalls": 2, "duration": "0:01:05"}},
    ),
)
WORDS: Final = (
    *_NAMES,
    '"calls":0',
    '"agents":{',
    '"overall":{',
    '"20261123"',
    '"0:01:00"',
    "null",
    "1e400",
    "\\ud83d",
    "\x1e",
)

_Outcome = dict[str, FolderDay] | None


def check(data: bytes) -> None:
    """Read the bodies, each alone and all in a row: the two agree, with the rules, and with the page."""
    requested = REQUESTS[data[0] % len(REQUESTS)] if data else REQUESTS[0]
    row, known = _Row(requested), Parser(Layouts())
    for body in data[1:].split(SEPARATOR):
        alone = _read(ChangeTracker(Parser(Layouts())), body, requested)
        again = _read(ChangeTracker(known), body, requested)
        assert again == alone, (again, alone)  # what agents of former bodies looked like makes no difference
        _check_by_the_rules(body, requested, alone)
        row.take(body, alone)


def mutate(data: bytes, most_bytes: int, random: Random, any_bytes: AnyBytes) -> bytes:
    """Change the JSON of one body, or put a changed one behind it."""
    bodies = data[1:].split(SEPARATOR)
    place = random.randrange(len(bodies))
    try:
        tree = json.loads(bodies[place])
    except (ValueError, RecursionError):
        return any_bytes(data, most_bytes)
    body = json.dumps(_gardener.changed(tree, random), separators=(",", ":"), ensure_ascii=random.random() < 0.5)
    place, before = (place + 1, place + 1) if random.random() < 0.25 else (place, place + 1)
    bodies[place:before] = [body.encode("utf-8", "surrogatepass")]
    changed = bytes([random.randrange(4)]) if random.random() < 0.1 else data[:1]
    changed += SEPARATOR.join(bodies)
    return changed if len(changed) <= most_bytes else any_bytes(data, most_bytes)


_gardener: Final = Gardener(_KEYS, _LEAVES)


def _read(changes: ChangeTracker, body: bytes, requested: Requested) -> _Outcome:
    """Read a body as a whole; return None if it is rejected as it should be."""
    try:
        days, contents, _ = parsed(changes, body, requested)
    except DecodeError as error:
        assert error.path.startswith("$")
        assert error.path.isascii()
        return None
    assert contents.folders == days.keys()
    return days


def _check_by_the_rules(body: bytes, requested: Requested, outcome: _Outcome) -> None:
    """Compare with Python's own JSON and the rules written a second time."""
    if outcome is None:
        return
    try:
        answer = json.loads(body.strip().removeprefix(b"\xef\xbb\xbf").strip().decode(), parse_constant=_no_json)
        if len(body) > ANY_DIGITS:
            return
        expected = reference.read(answer, requested.folder, requested.day, OWNERS)
    except (ValueError, RefusedError) as error:
        raise AssertionError(f"not refused: {outcome}") from error
    except RecursionError:
        return
    assert expected.keys() == outcome.keys()
    for folder, figures in expected.items():
        day = outcome[folder]
        agents = AgentDays.of(day.agents)
        assert day.calls == figures.calls, (day, figures)
        assert _same(day.average_seconds, figures.mean), (day, figures)
        found = {agent.agent: (agent.calls, agent.average_seconds) for agent in agents}
        assert len(found) == len(agents)
        assert found.keys() == figures.agents.keys()
        for agent, (calls, mean) in figures.agents.items():
            assert found[agent][0] == calls, (day, figures)
            assert _same(found[agent][1], mean), (day, figures)


def _no_json(constant: str) -> Any:
    raise ValueError(constant)


def _same(found: float | None, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-300)


class _Row:
    """A target whose answers come one after the other, and its page."""

    def __init__(self, requested: Requested) -> None:
        zone = ZoneInfo("US/Eastern") if requested.day else None
        target = Target(*OWNERS, requested.folder, zone, 60.0, 300.0, LiteralToken("token"))
        rules = AgentRules(enabled=True, max_per_folder=3, include=".*", exclude="")
        self._requested = requested
        self._series = TargetSeries(target, Parser(Layouts()), rules, OrgSeries())
        self._store = Store()
        self._published: dict[str, FolderDay] = {}

    def take(self, body: bytes, alone: _Outcome) -> None:
        """Take a body as the poller does; `alone` is what it says when it is read by itself."""
        draft = self._store.draft()
        try:
            response = finished(self._series.read(body, self._requested.day, draft))
        except DecodeError:
            assert alone is None, alone
            return
        assert alone is not None
        finished(self._series.settle(response, self._requested.day, NOW, draft))
        publish(self._store, draft)
        gone = {*self._published, *([self._requested.folder] if self._requested.folder else [])} - alone.keys()
        self._published = alone | {folder: FolderDay(folder, 0) for folder in gone}
        for form in Format:
            self._check_page(form)

    def _check_page(self, form: Format) -> None:
        end = b"# EOF\n" if form is Format.OPENMETRICS else b""
        series = assert_valid(b"".join(self._store.pages[form].text()[1]) + end, form)
        calls: dict[str, float] = {}
        of_agents = dict.fromkeys(self._published, 0.0)
        for (name, labels), value in series.items():
            told = dict(labels)
            if name == "vspark_folder_calls_today":
                calls[told["folder"]] = value
            if name == families.AGENT_CALLS.name:
                of_agents[told["folder"]] += value
            assert "company" not in told or told["company"] == 'C"o'
            assert math.isfinite(value)
        assert calls == {folder: float(day.calls) for folder, day in self._published.items()}
        for folder, day in self._published.items():
            assert _same(of_agents[folder], sum(AgentDays.of(day.agents).calls))
