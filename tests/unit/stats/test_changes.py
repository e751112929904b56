import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import DecodeError
from exporter.runtime.steps import Steps
from exporter.stats import values
from exporter.stats.changes import ChangeTracker, Contents
from exporter.stats.day_record import Part
from exporter.stats.field_names import (
    AGENT_IDS,
    AGENTS,
    AVERAGES,
    COUNTS,
    DAYS,
    ERRORS,
    FOLDERS,
    WRAPPERS,
    Layouts,
    normalize,
)
from exporter.stats.model import AgentDay, FolderDay
from exporter.stats.parser import Parser, Requested
from tests.support.finished_steps import finished
from tests.support.parsed_bodies import parsed, request_for

YESTERDAY, DAY, TOMORROW = date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 24)
ORG = request_for(None, DAY)


def fresh() -> ChangeTracker:
    return ChangeTracker(Parser(Layouts()))


def read(changes: ChangeTracker, body: bytes, requested: Requested) -> tuple[dict[str, FolderDay], Contents]:
    return parsed(changes, body, requested)[:2]


def into(days: list[FolderDay]) -> Callable[[FolderDay], Steps[None]]:
    def put(day: FolderDay) -> Steps[None]:
        days.append(day)
        yield

    return put


def as_bytes(body: Any) -> bytes:
    return json.dumps(body).encode()


# Which folders of a body have changed.


def record(folder: str, calls: Any, day: date | None = None) -> dict[str, Any]:
    return {"folder": folder, "calls": calls} | ({"date": f"{day:%Y%m%d}"} if day else {})


def test_all_folders_of_the_first_body_have_changed_and_none_of_the_same_body_again() -> None:
    changes = fresh()
    body = as_bytes([record("A", 1), record("B", 2)])
    contents = Contents(DAY, frozenset({"A", "B"}))
    assert read(changes, body, ORG) == ({"A": FolderDay("A", 1), "B": FolderDay("B", 2)}, contents)
    assert parsed(changes, body, ORG).pauses == 0
    assert read(changes, body, ORG) == ({}, contents)
    assert read(changes, body + b"\n", ORG) == ({}, contents)


def test_only_the_folders_whose_bytes_have_changed_are_read_again() -> None:
    changes = fresh()
    read(changes, as_bytes([record("A", 1), record("B", 2), record("B", 3)]), ORG)
    body = as_bytes([record("B", 2), record("C", 4), record("A", 1), record("B", 30)])
    days, contents = read(changes, body, ORG)
    assert days == {"B": FolderDay("B", 32), "C": FolderDay("C", 4)}
    assert contents == Contents(DAY, frozenset("ABC"))


def test_records_are_decoded_while_the_body_is_taken_apart_if_most_had_changed_before() -> None:
    decoded: list[int] = []

    class Watched(Parser):
        def split(self, body: bytes, requested: Requested, *, mostly_new: bool = True) -> Steps[list[Part]]:
            parts = yield from super().split(body, requested, mostly_new=mostly_new)
            decoded.append(sum(part.agents is not None for part in parts))
            return parts

    def body(*calls: int) -> bytes:
        return as_bytes([{"folder": f"F{i}", "agents": 1, "a": {"calls": number}} for i, number in enumerate(calls)])

    changes = ChangeTracker(Watched(Layouts()))
    bodies = body(1, 1, 1), body(2, 2, 2), body(3, 2, 2), body(4, 2, 2), body(5, 5, 5), body(6, 6, 6)
    all_read = [{folder: day.calls for folder, day in read(changes, each, ORG)[0].items()} for each in bodies]
    all_of = [dict.fromkeys(("F0", "F1", "F2"), number) for number in range(7)]
    assert all_read == [all_of[1], all_of[2], {"F0": 3}, {"F0": 4}, all_of[5], all_of[6]]
    assert decoded == [0, 3, 3, 0, 0, 3]  # the first body shows what agents look like


def test_a_folder_that_was_missing_has_changed_when_it_is_back() -> None:
    changes = fresh()
    read(changes, as_bytes([record("A", 1)]), ORG)
    assert read(changes, b"[]", ORG) == ({}, Contents(DAY, frozenset()))
    assert read(changes, as_bytes([record("A", 1)]), ORG)[0] == {"A": FolderDay("A", 1)}


def test_after_forget_all_folders_have_changed() -> None:
    changes = fresh()
    body = as_bytes([record("A", 1)])
    read(changes, body, ORG)
    changes.forget()
    assert read(changes, body, ORG)[0] == {"A": FolderDay("A", 1)}


def test_a_record_that_was_left_out_is_read_when_its_day_has_come() -> None:
    changes = fresh()
    body = as_bytes([record("A", 1, DAY), record("A", 2, TOMORROW), record("B", 3)])
    assert read(changes, body, ORG)[0] == {"A": FolderDay("A", 1), "B": FolderDay("B", 3)}
    assert read(changes, body, request_for(None, TOMORROW)) == (
        {"A": FolderDay("A", 2), "B": FolderDay("B", 3)},
        Contents(TOMORROW, frozenset("AB")),
    )


def test_the_latest_day_may_go_away_again() -> None:
    changes, requested = fresh(), request_for(None, None)
    early, both = [record("A", 1, DAY)], [record("A", 1, DAY), record("A", 2, TOMORROW)]
    assert read(changes, as_bytes(early), requested) == ({"A": FolderDay("A", 1)}, Contents(DAY, frozenset("A")))
    assert read(changes, as_bytes(both), requested) == ({"A": FolderDay("A", 2)}, Contents(TOMORROW, frozenset("A")))
    assert read(changes, as_bytes(early), requested) == ({"A": FolderDay("A", 1)}, Contents(DAY, frozenset("A")))


def test_after_a_failure_the_next_body_is_compared_with_the_last_good_one() -> None:
    changes = fresh()
    good, bad = as_bytes([record("A", 1), record("B", 2)]), as_bytes([record("A", 9), record("B", -2)])
    read(changes, good, ORG)
    put: list[FolderDay] = []
    with pytest.raises(DecodeError, match=r"^\$\[1\]\.calls: expected a number of calls, found a negative number$"):
        finished(changes.read(bad, ORG, into(put)))
    assert put == [FolderDay("A", 9)]
    assert read(changes, good, ORG) == ({}, Contents(DAY, frozenset("AB")))
    assert read(changes, as_bytes([record("A", 9), record("B", 2)]), ORG)[0] == {"A": FolderDay("A", 9)}


def test_a_body_that_is_left_in_the_middle_changes_nothing() -> None:
    changes = fresh()
    read(changes, as_bytes([record("A", 1)]), ORG)
    put: list[FolderDay] = []
    left = changes.read(as_bytes([record("A", 2)]), ORG, into(put))
    while not put:
        next(left)
    left.close()
    assert read(changes, as_bytes([record("A", 2)]), ORG)[0] == {"A": FolderDay("A", 2)}


def test_records_that_do_not_count_are_checked_and_left_out() -> None:
    body = [record("A", 1), record("B", 2), record("A", 3, YESTERDAY)]
    assert read(fresh(), as_bytes(body), request_for("A", DAY)) == (
        {"A": FolderDay("A", 1)},
        Contents(DAY, frozenset("A")),
    )
    with pytest.raises(DecodeError, match=r"^\$\[3\]\.calls: "):
        read(fresh(), as_bytes([*body, record("C", 0.5, YESTERDAY)]), request_for("A", DAY))


Outcome = tuple[dict[str, FolderDay], Contents] | tuple[str, str, str]


def outcome(changes: ChangeTracker, body: bytes, requested: Requested, known: Mapping[str, FolderDay]) -> Outcome:
    """Read a body as a caller that keeps the folders, and drops those of a body that fails."""
    try:
        days, contents = read(changes, body, requested)
    except DecodeError as error:
        return error.reason, error.path, error.message
    return {folder: days.get(folder) or known[folder] for folder in contents.folders}, contents


some_records = st.sampled_from(
    [
        *(record(folder, calls, day) for folder in "AB" for calls in (1, 2) for day in (None, YESTERDAY, DAY)),
        *(
            {"calls": 3},
            {"20261124": {"A": {"calls": 4}}},
            record("A", -1),
            record("B", 0, YESTERDAY),
            {"calls": 3},
            {},
        ),
    ]
)
some_requested = st.sampled_from(
    [ORG, request_for(None, None), request_for("A", DAY), request_for("A", YESTERDAY), request_for("A", None)]
)
some_steps = st.tuples(st.lists(some_records, max_size=4), some_requested, st.booleans())


@given(st.lists(some_steps, min_size=2, max_size=8))
def test_bodies_in_a_row_are_read_as_each_alone(steps: list[tuple[list[Any], Requested, bool]]) -> None:
    changes = fresh()
    known: dict[str, FolderDay] = {}
    for body, requested, forgets in steps:
        if forgets:
            changes.forget()
            known = {}
        alone = outcome(fresh(), as_bytes(body), requested, {})
        assert outcome(changes, as_bytes(body), requested, known) == alone
        if isinstance(alone[0], dict):
            known = alone[0]


# What a parser has read before makes it faster and changes nothing.

good_counts, good_durations = st.sampled_from([0, 1, 5, 7]), st.sampled_from(["0:01:00", "1:30", "0:00:00"])
odd_counts: st.SearchStrategy[Any] = st.sampled_from(["7", 5.0, 1.5, -1, True, None, 2**53, 2**53 + 1, [], "x"])
odd_durations: st.SearchStrategy[Any] = st.sampled_from(
    [60, 2.5, 0, -1, True, None, "x", "5", "", [], 2**53, 2**53 + 1, 2**54, "0:60:00"]
)
odd_records: st.SearchStrategy[Any] = st.sampled_from(
    [3, "3", None, [], {}, {"calls": 2}, {"ncalls": 2, "overall": {"duration": 9}}, {"x": 1}]
)
odd_others = st.sampled_from([None, 1, "\ud83d\ude00", [[{"calls": 3}]], {"calls": 3}])


def uniform(counts: st.SearchStrategy[Any], durations: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pair = {"calls": counts, "duration": durations}
    spelled = {"Call Count": counts, "score": odd_others, "AvgDuration": durations}
    agents = st.sampled_from(["x", "y", "z", "calls", "volume", ""])
    return st.dictionaries(agents, st.fixed_dictionaries(pair), max_size=4) | st.dictionaries(
        agents, st.fixed_dictionaries(spelled), max_size=4
    )


def test_a_duration_just_beyond_the_largest_is_rejected_among_uniform_agents_too() -> None:
    changes = fresh()
    read(changes, as_bytes([{"folder": "A", "calls": 2, "agents": {"x": {"calls": 2, "duration": 1}}}]), ORG)
    beyond = as_bytes([{"folder": "A", "calls": 2, "agents": {"x": {"calls": 2, "duration": 2**53 + 1}}}])
    with pytest.raises(DecodeError, match=r"^\$\[0\]\.agents\[agent 1\]\.duration: expected a duration, found a"):
        read(changes, beyond, ORG)


some_of_agents = uniform(good_counts, good_durations) | uniform(good_counts, st.sampled_from([0, 1, 2.5, 60]))
some_of_agents |= uniform(good_counts | odd_counts, good_durations) | uniform(
    good_counts, good_durations | odd_durations
)
some_of_agents |= st.builds(
    dict.__or__, uniform(good_counts, good_durations), st.dictionaries(st.just("o"), odd_records)
)
of_agents = st.fixed_dictionaries({"agents": some_of_agents}, optional={"calls": good_counts, "Agents": st.none()})


@given(st.lists(st.dictionaries(st.sampled_from("AB"), of_agents, min_size=1), min_size=1, max_size=5))
def test_what_was_read_before_does_not_change_what_is_read(bodies: list[Any]) -> None:
    parser = Parser(Layouts())
    for body in bodies:
        alone = outcome(fresh(), as_bytes(body), ORG, {})
        assert outcome(ChangeTracker(parser), as_bytes(body), ORG, {}) == alone


def test_depth_is_rejected_by_a_parser_that_knows_the_keys_too() -> None:
    def body(other: str) -> bytes:
        return b'{"A":{"calls":1,"agents":{"x":{"calls":1,"duration":"0:01:00","score":%s}}}}' % other.encode()

    parser = Parser(Layouts())
    read(ChangeTracker(parser), body("1"), ORG)
    results = [
        outcome(ChangeTracker(parser), body("[" * depth + "]" * depth), ORG, {})
        for depth in [*range(700, 1100), 100_000]
    ]
    assert results[0] == ({"A": FolderDay("A", 1, None, (AgentDay("x", 1, 60.0),))}, Contents(DAY, frozenset("A")))
    assert results[-1] == ("unrecognized", "$", "nested too deeply")
    assert all(result == results[0] or result[-1] == "nested too deeply" for result in results)


# A model, written in every permitted shape, is read back.

RESERVED = {*COUNTS, *AVERAGES, *AGENTS, *FOLDERS, *DAYS, *WRAPPERS, *ERRORS, "overall", "agent", "agentid", "id"}
RESERVED |= {"totalduration", "durationtotal", "sumduration"}


def is_plain(name: str) -> bool:
    return normalize(name) not in RESERVED and values.day_of_key(name) is None


names = st.sampled_from(
    ["Test01", "Süd & A/B", "001", "7", "a b", "A-B", "Ä\U0001f600", '"', "\\ud800", "x\n", "_other"]
)
names |= st.text(min_size=1, max_size=6).filter(is_plain)
seconds = st.integers(min_value=0, max_value=8 * 100_000).map(lambda eighths: eighths / 8)
some_agents = st.lists(
    st.builds(AgentDay, names, st.integers(min_value=1, max_value=10**6), st.none() | seconds),
    max_size=4,
    unique_by=lambda agent: agent.agent,
).map(tuple)


def added_up(folder: str, agents: Sequence[AgentDay]) -> FolderDay:
    timed = [(agent.calls, Fraction(agent.average_seconds)) for agent in agents if agent.average_seconds is not None]
    weight = sum(calls for calls, _ in timed)
    average = float(sum(calls * average for calls, average in timed) / weight) if weight else None
    return FolderDay(folder, sum(agent.calls for agent in agents), average, tuple(agents))


folder_days = st.builds(FolderDay, names, st.integers(min_value=1, max_value=10**6), st.none() | seconds, some_agents)
folder_days |= st.builds(FolderDay, names, st.just(0))
folder_days |= st.builds(added_up, names, some_agents)
models = st.lists(folder_days, min_size=1, max_size=4, unique_by=lambda day: day.folder)


class Writer:
    """Writes a model in a way that `random` chooses."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def one_of(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def coin(self) -> bool:
        return self.random.random() < 0.5

    def spelled(self, *names: str) -> str:
        """Draw one of the names, in other cases and with `_`, `-` and spaces in it."""
        if self.coin():
            return names[0]
        letters = (
            self.one_of("", "", "_", "-", " ") + self.one_of(letter, letter.upper()) for letter in self.one_of(*names)
        )
        return "".join(letters)

    def blurred(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Draw the same members in another order, with nulls among them."""
        present = {normalize(key) for key in members}
        nulls = [
            name for name in ("calls", "Avg_Duration", "silence", "Date", "folder") if normalize(name) not in present
        ]
        entries = [*members.items(), *((name, None) for name in nulls if not self.random.randrange(4))]
        self.random.shuffle(entries)
        return dict(entries)

    def count(self, calls: int) -> Any:
        return self.one_of(calls, calls, str(calls), float(calls), f"{calls:09}")

    def duration(self, value: float) -> Any:
        minutes, second = divmod(value, 60)
        clock = f"{minutes // 60:.0f}:{minutes % 60:02.0f}:{second:06.3f}"
        if value % 0.125:  # a mean of agents, which no clock may hold
            return self.one_of(value, str(value))
        return self.one_of(clock, clock.removesuffix(".000"), f"{minutes:.0f}:{second:06.3f}", value, str(value))

    def measures(self, calls: int, average_seconds: float | None) -> dict[str, Any]:
        count = {self.spelled(*COUNTS): self.count(calls)}
        if average_seconds is None:
            return count if calls else count | {self.spelled(*AVERAGES): self.duration(0.0)}
        return count | {self.spelled(*AVERAGES): self.duration(average_seconds)}

    def agent(self, agent: AgentDay) -> dict[str, Any]:
        members = self.measures(agent.calls, agent.average_seconds)
        moved = self.one_of([], list(members), list(members)[1:])
        below = {key: members.pop(key) for key in moved}
        return members | ({self.spelled("overall"): self.blurred(below | {"silence": "0:00:01"})} if below else {})

    def agents(self, agents: Sequence[AgentDay]) -> dict[str, Any]:
        """Draw the members of a day record that hold its agents."""
        if not agents:
            return {"agents": self.one_of(None, {}, [], 0, {"nobody": 0}, [{"id": 1, "calls": 0}])}
        key = self.spelled(*AGENTS)
        records = {agent.agent: self.agent(agent) for agent in agents}
        match self.one_of("object", "list", "beside"):
            case "object":
                numbers = {agent.agent: self.count(agent.calls) for agent in agents if agent.average_seconds is None}
                return {key: self.one_of(records, records | numbers) | self.one_of({}, {"nobody": None})}
            case "list":
                ids = {agent: int(agent) if agent == "7" and self.coin() else agent for agent in records}
                key_of_id = self.spelled(*AGENT_IDS)
                return {key: [self.blurred({key_of_id: ids[agent]} | record) for agent, record in records.items()]}
        return {key: self.count(len(agents))} | {agent: self.blurred(record) for agent, record in records.items()}

    def record(self, day: FolderDay, fields: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
        members = self.agents(tuple(day.agents))
        if not day.agents or day != added_up(day.folder, tuple(day.agents)) or self.coin():
            members |= self.measures(day.calls, day.average_seconds)
        return self.blurred(members | {self.spelled(*names): value for names, value in fields.items()})

    def answer(self, dated: Mapping[str, Sequence[FolderDay]]) -> Any:
        """Write folders by date; where there is just one date, it may be left out by giving it as an empty text."""
        body = self.one_of(
            self.by_field, self.by_folder, self.by_date, self.by_folder_and_date, self.by_date_and_folder
        )(dated)
        for _ in range(self.random.randrange(3)):
            if self.coin():
                body = {self.one_of("DocTestCo", "DocTestCo-DocTesting"): body}
            body = self.blurred({self.spelled(*WRAPPERS): body} | self.one_of({}, {"success": True, "status": "ok"}))
        return body

    def date(self, day: str) -> dict[tuple[str, ...], Any]:
        return {DAYS: self.one_of(day, day, int(day.replace("-", "")))} if day else {}

    def by_field(self, dated: Mapping[str, Sequence[FolderDay]]) -> Any:
        records = [self.record(of, self.date(day) | {FOLDERS: of.folder}) for day in dated for of in dated[day]]
        return [*records, *self.one_of([], [None], [[]], [{}])]

    def by_folder(self, dated: Mapping[str, Sequence[FolderDay]]) -> Any:
        folders: dict[str, list[Any]] = {}
        for day in dated:
            for of in dated[day]:
                folders.setdefault(of.folder, []).append(self.record(of, self.date(day)))
        return self.blurred(
            {name: self.one_of(*records) if len(records) == 1 else records for name, records in folders.items()}
        )

    def by_date(self, dated: Mapping[str, Sequence[FolderDay]]) -> Any:
        if "" in dated:
            return self.by_field(dated)
        return self.blurred({day: [self.record(of, {FOLDERS: of.folder}) for of in dated[day]] for day in dated})

    def by_folder_and_date(self, dated: Mapping[str, Sequence[FolderDay]]) -> Any:
        if "" in dated:
            return self.by_folder(dated)
        folders: dict[str, dict[str, Any]] = {}
        for day in dated:
            for of in dated[day]:
                folders.setdefault(of.folder, {})[day] = self.record(of, {})
        return self.blurred({folder: self.blurred(days) for folder, days in folders.items()})

    def by_date_and_folder(self, dated: Mapping[str, Sequence[FolderDay]]) -> Any:
        if "" in dated:
            return self.by_folder(dated)
        return self.blurred({day: self.blurred({of.folder: self.record(of, {}) for of in dated[day]}) for day in dated})


def in_order(day: FolderDay) -> FolderDay:
    return msgspec.structs.replace(day, agents=tuple(sorted(day.agents, key=lambda agent: agent.agent)))


@given(models, models, st.randoms(use_true_random=True))
def test_a_model_is_read_back_from_every_shape(model: list[FolderDay], other: list[FolderDay], random: Random) -> None:
    writer = Writer(random)
    requested = request_for(writer.one_of(None, None, model[0].folder), writer.one_of(DAY, DAY, None))
    today = writer.one_of("20261123", "2026-11-23")
    dated = writer.one_of(
        {"": model}, {today: model}, {today: model, "20261122": other}, {"20261122": other, today: model}
    )
    body = json.dumps(writer.answer(dated), ensure_ascii=writer.coin(), indent=writer.one_of(None, 1)).encode()
    days, contents = read(fresh(), body, requested)
    expected = {day.folder: in_order(day) for day in model if requested.folder in (None, day.folder)}
    assert {folder: in_order(day) for folder, day in days.items()} == expected
    assert contents == Contents(requested.day if "" in dated else DAY, frozenset(expected))


@given(folder_days, st.randoms(use_true_random=True))
def test_a_bare_record_is_read_back(day: FolderDay, random: Random) -> None:
    body = Writer(random).record(day, {})
    days, _ = read(fresh(), as_bytes(body), request_for(day.folder, DAY))
    assert {folder: in_order(day) for folder, day in days.items()} == {day.folder: in_order(day)}


# A body that the rules reject is a failure, and never another exception.

KEYS = ["calls", "Volume", "agents", "byagent", "overall", "duration", "sumduration", "agent", "id", "name", "folder"]
KEYS += ["date", "day", "stats", "data", "error", "errors", "20261123", "A", "B", "001", "", "status", "Calls"]
leaves: st.SearchStrategy[Any] = st.sampled_from([None, True, False, 0, 1, 5, "7", "0:01:00", "20261123", "A", ""])
leaves |= st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
anything = st.recursive(
    leaves,
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), below, max_size=4)
    ),
    max_leaves=12,
)


counts = st.sampled_from([0, 1, 5, "7", 0, 1, 5, None, 2.0, -1, "x"])
durations = st.sampled_from([0, 60, "0:01:00", "1:00", "2.5", None, None, "0:60:00"])
measures = {"calls": counts, "Volume": counts, "duration": durations, "total duration": durations}
agent_records = st.fixed_dictionaries({}, optional=measures | {"overall": st.fixed_dictionaries({}, optional=measures)})
listed = st.fixed_dictionaries({"id": st.sampled_from(["x", "y", 7])}, optional=measures)
agents = st.dictionaries(st.sampled_from("xyz"), agent_records | counts, max_size=3) | st.lists(listed, max_size=3)
fields = {
    "folder": st.sampled_from(["A", "A", "B", None]),
    "date": st.sampled_from(["20261123", "20261123", None, 20261123, "20261122"]),
    "agents": agents | counts,
    "x": agent_records,
    "stats": anything,
}
day_records = st.fixed_dictionaries({}, optional=measures | fields) | st.fixed_dictionaries({"calls": counts})
near = st.recursive(
    day_records,
    lambda below: (
        st.lists(below | st.none(), max_size=3)
        | st.dictionaries(st.sampled_from(["A", "B", "20261123", "20261122"]), below, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS), below, max_size=2)
    ),
    max_leaves=6,
)


def calls_of(record: Any) -> int | None:
    """Return the call count of an object, the one that is read of several; None without one."""
    if not isinstance(record, dict):
        return None
    members = {normalize(key): below for key, below in record.items() if below is not None}
    for name in COUNTS:
        if name in members and not isinstance(members[name], dict | list):
            return values.count(members[name])
    return None


def calls_of_agent(record: Any) -> int | None:
    calls = calls_of(record)
    return calls if calls is not None or not isinstance(record, dict) else calls_of(record.get("overall"))


def has_calls(value: Any) -> bool:
    """Return whether there is a call count above 0 on the way down to the day records, or in their agents."""
    if isinstance(value, list):
        return any(map(has_calls, value))
    if not isinstance(value, dict):
        return False
    if (calls := calls_of(value)) is not None:
        return calls > 0
    agents = next((value[name] for name in ("agents", "byagent") if value.get(name) is not None), None)
    if isinstance(agents, dict):
        agents = [below if isinstance(below, dict) else {"calls": below} for below in agents.values()]
    if isinstance(agents, list):
        return has_calls(agents)
    beside = [calls for below in value.values() if (calls := calls_of_agent(below)) is not None]
    if agents is not None and beside:
        return any(beside)
    return has_calls(list(value.values()))


def says_something(value: Any, key: str = "") -> bool:
    """Return whether anything in a body without day records could have been read."""
    if isinstance(value, list):
        return any(map(says_something, value))
    if isinstance(value, dict):
        return any(says_something(below, key) for key, below in value.items())
    if normalize(key) in {*ERRORS, *DAYS, *FOLDERS}:
        return normalize(key) in ERRORS and bool(value)
    return value is not None and value is not True and (value is False or value != 0)


@given(near | anything, st.sampled_from([ORG, request_for("A", DAY), request_for(None, None), request_for("A", None)]))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_read_or_rejected_and_garbage_is_never_a_zero(body: Any, requested: Requested) -> None:
    try:
        days, contents = read(fresh(), as_bytes(body), requested)
    except DecodeError as error:
        facts = error.reason, error.path[0], error.path.isascii()
        assert facts == ("unrecognized", "$", True)  # most bodies are rejected
        return
    assert contents.folders == days.keys()
    assert all(day.calls >= 0 and all(agent.calls > 0 for agent in day.agents) for day in days.values())
    assert all((day.average_seconds or 0) >= 0 and (day.calls or day.average_seconds is None) for day in days.values())
    if requested == ORG and "2026" not in str(body).replace("20261123", ""):
        assert (sum(day.calls for day in days.values()) > 0) == has_calls(body)
        assert days or not says_something(body)


GOOD = as_bytes([{"date": "20261123", "folder": "A", "calls": 5, "agents": {"\ud83d\ude00": {"calls": 5, "x": [1e5]}}}])


@given(st.binary(max_size=40) | st.text(alphabet='[]{}",:0159.-eEtrufalsn\\ud\ufeff <', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_rejected(body: bytes) -> None:
    check_bytes(body)


@given(st.integers(min_value=0, max_value=len(GOOD)), st.integers(min_value=0, max_value=3), st.binary(max_size=3))
def test_a_damaged_body_is_read_or_rejected(place: int, left_out: int, put_in: bytes) -> None:
    check_bytes(GOOD[:place] + put_in + GOOD[place + left_out :])


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_body_that_is_cut_off_is_not_json(length: int) -> None:
    with pytest.raises(DecodeError) as caught:
        read(fresh(), GOOD[:length], ORG)
    assert caught.value.reason == "not_json"


def check_bytes(body: bytes) -> None:
    for requested in (ORG, request_for("A", None)):
        try:
            read(fresh(), body, requested)
        except DecodeError as error:
            assert error.reason in ("not_json", "unrecognized")  # noqa: PT017 # most bodies are rejected
