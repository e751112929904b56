from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import DecodeError
from exporter.runtime.steps import Steps
from exporter.stats import uniform_agents
from exporter.stats.changes import ChangeTracker
from exporter.stats.field_names import Layouts
from exporter.stats.folder_day import FolderDayBuilder
from exporter.stats.model import AgentDay, FolderDay
from exporter.stats.parser import Parser, Requested
from tests.support.day_records import folder_day as read
from tests.support.day_records import part
from tests.support.finished_steps import finished


@pytest.mark.parametrize(
    "agents",
    [
        *({name: {"a": {"calls": 1, "duration": 60}, "b": 3}} for name in ("agents", "agentstats", "byagent")),
        {"By Agent": {"a": {"calls": 1, "duration": 60}, "b": "3"}},
        {"agents": {"a": {"calls": 1, "duration": 60}, "b": 3, "c": 0, "d": {"ncalls": "0"}, "e": None}},
        {"agents": {"a": {"numcalls": "1", "totalduration": 60}, "b": {"volume": 3, "duration": None}}},
        {
            "agents": {
                "a": {"calls": 1, "overall": {"ncalls": 1, "duration": "0:01:00"}},
                "b": {"overall": {"calls": 3}},
            }
        },
        {"agents": {"a": {"duration": 60, "overall": {"calls": 1, "duration": 7}}, "b": {"calls": 3, "overall": 5}}},
        {"agents": {"a": {"calls": 1, "Overall": {"sumduration": 60}}, "b": {"calls": 3, "overall": None}}},
        {"agents": {"a": {"calls": 1, "Calls": None, "duration": 60}, "b": {"calls": 3, "agents": {"x": 9}}}},
        {"agents": [{"agent": "a", "calls": 1, "duration": 60}, {"agent": "b", "calls": 3}]},
        {"agents": [{"agentid": "a", "calls": 1, "duration": 60}, {"Agent ID": "b", "calls": 3}, None]},
        {"agents": [{"id": "a", "name": "x", "calls": 1, "duration": 60}, {"agent": None, "name": "b", "calls": 3}]},
        {"agents": [{"agent": "a", "id": 1, "overall": {"calls": 1, "duration": 60}}, {"name": "b", "calls": "3"}]},
        {"agents": [{"id": "a", "calls": 1, "duration": 60}, {"id": "b", "calls": 3}, {"id": "c", "calls": 0}]},
        {"agents": 2, "a": {"calls": 1, "duration": 60}, "b": {"calls": 3}},
        {"agents": "7", "a": {"calls": 1, "overall": {"duration": 60}}, "b": {"overall": {"calls": 3}}, "c": {"x": 1}},
        {"By-Agent": 2.0, "a": {"calls": 1, "duration": 60}, "b": {"calls": 3}, "overall": {"calls": 4}, "d": [1]},
        {"agents": 0, "a": {"calls": 1, "duration": 60}, "b": {"calls": None, "ncalls": 3}, "c": 7, "e": {}},
        {"agents": 2, "a": {"calls": 1, "duration": 60}, "b": {"calls": 3, "CALLS": None}, "f": {"calls": 0}},
        {"agents": None, "agentstats": {"a": {"calls": 1, "duration": 60}, "b": 3}},
        {"byagent": {"x": 1}, "agents": {"a": {"calls": 1, "duration": 60}, "b": 3}},
    ],
)
def test_rule_3_agents(agents: dict[str, Any]) -> None:
    expected = FolderDay("F", 9, 10.0, (AgentDay("a", 1, 60.0), AgentDay("b", 3)))
    assert read({"calls": 9, "duration": 10, **agents}) == expected


@pytest.mark.parametrize(
    "agents",
    [
        *({}, {"agents": None}, {"agents": {}}, {"agents": []}, {"agents": 0}, {"agents": 12}),
        *({"agents": {"a": None, "b": 0}}, {"agents": "3", "a": {"x": 1}, "b": None}),
        *({"a": {"calls": 1}}, {"agent": {"a": 1}}, {"agents": 1, "a": {"overall": {"overall": {"calls": 3}}}}),
    ],
)
def test_rule_3_no_agents(agents: dict[str, Any]) -> None:
    assert read({"calls": 9, **agents}) == FolderDay("F", 9)


def test_rule_3_an_id_may_be_a_number_and_any_text() -> None:
    listed = {"calls": 4, "agents": [{"id": 7, "calls": 1}, {"id": "007", "calls": 1}, {"id": "", "calls": 2}]}
    assert read(listed).agents == (AgentDay("7", 1), AgentDay("007", 1), AgentDay("", 2))
    by_id = {"calls": 4, "agents": {"20261123": 1, "stats": 1, "error": 1, "overall": {"calls": 1}}}
    assert [agent.agent for agent in read(by_id).agents] == ["20261123", "stats", "error", "overall"]


def test_the_path_is_that_of_the_record_it_stands_in() -> None:
    with pytest.raises(DecodeError) as caught:
        read({"calls": 1}, {"calls": 1, "agents": {"a": {"calls": 1}, "b": {"calls": None, "volume": "x"}}})
    assert str(caught.value) == "$[1].agents[agent 2].volume: expected a number of calls, found another text"


def agents_of(count: int) -> list[tuple[str, dict[str, Any]]]:
    return [(f"a{number}", {"calls": 1, "duration": "0:01:00"}) for number in range(count)]


@pytest.mark.parametrize(
    "record",
    [
        {"calls": 5000, "agents": dict(agents_of(5000))},
        {"calls": 5000, "agents": 5000, **dict(agents_of(5000))},
        {"calls": 5000, "agents": [{"id": agent, **record} for agent, record in agents_of(5000)]},
        {"calls": 5000, "agents": {agent: 1 for agent, _ in agents_of(5000)}},
    ],
)
def test_many_agents_are_read_with_pauses_in_time_that_grows_with_their_number(record: dict[str, Any]) -> None:
    layouts = Layouts()
    steps, pauses = FolderDayBuilder(layouts, {}).build("F", [part(record, layouts)]), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            day = end.value
            break
        pauses += 1
    assert (day.calls, len(day.agents)) == (5000, 5000)
    assert pauses >= 4


counts = st.integers(min_value=0, max_value=2**53)


averages = st.none() | st.integers(min_value=0, max_value=10**6)


@given(st.lists(st.tuples(counts, averages), max_size=6))
def test_the_fast_way_and_the_general_way_read_the_same(agents: list[tuple[int, int | None]]) -> None:
    def written(count: Any, average: Any, more: dict[str, Any]) -> dict[str, Any]:
        return {"calls": count, **({} if average is None else {"avgduration": average}), **more}

    def clock(seconds: int | None) -> str | None:
        return None if seconds is None else f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    ways: list[list[dict[str, Any]]] = [
        [written(count, clock(average), {}) for count, average in agents],
        [written(count, average, {}) for count, average in agents],
        [written(str(count), clock(average), {}) for count, average in agents],
        [written(count, None if average is None else str(average), {}) for count, average in agents],
        [written(count, clock(average), {"ncalls": None}) for count, average in agents],
        [written(count, clock(average), {"Calls": None, "overall": None}) for count, average in agents],
        [{"overall": written(count, clock(average), {})} for count, average in agents],
        [written(count, None, {"overall": {"duration": clock(average)}}) for count, average in agents],
    ]
    by_id = [read({"calls": 1, "agents": {f"a{i}": record for i, record in enumerate(way)}}) for way in ways]
    listed = [read({"calls": 1, "agents": [{"id": f"a{i}", **record} for i, record in enumerate(way)]}) for way in ways]
    beside = [read({"calls": 1, "agents": 1, **{f"a{i}": record for i, record in enumerate(way)}}) for way in ways]
    again = [read({"calls": 1, "agents": {f"a{i}": record for i, record in enumerate(way)}}) for way in ways]
    expected = tuple(
        AgentDay(f"a{i}", count, None if average is None else float(average))
        for i, (count, average) in enumerate(agents)
        if count
    )
    assert {tuple(day.agents) for day in (*by_id, *listed, *beside, *again)} == {expected}


TEXTS = st.sampled_from(
    [
        *(f'"a{number}"' for number in range(9)),
        '"a"',
        '"\\u0061"',
        '"calls"',
        '"{"',
        '"overall"',
        '"20261123"',
        '"é"',
        '""',
    ]
)
COUNTS = st.sampled_from(["0", "1", "12", "12.0", "1e1", "9007199254740993", '"3"', "-1", "-0", "null", "true", "{}"])
MEANS = st.sampled_from(['"0:01:00"', '"1:30"', '"7"', "60", "1.5", "-0.0", "9007199254740992", '"x"', "1e999", "null"])
OTHERS = st.sampled_from(["1", "null", '"}{"', '{"calls": 5}', '[{"calls": 1}]', "1e999", '"\\\\"'])
IDS = TEXTS | st.sampled_from(["7", "-0", "7.0", "9223372036854775808", "null", "[]"])
PLAIN = {"calls": st.sampled_from(["0", "1", "12"]), "duration": st.sampled_from(['"0:01:00"', "60"])}
ODD = {
    "ncalls": COUNTS,
    "avgduration": MEANS,
    "totalduration": MEANS,
    "silence": OTHERS,
    "Calls": COUNTS,
    "date": OTHERS,
}


@st.composite
def json_objects(draw: st.DrawFn, usual: dict[str, st.SearchStrategy[str]]) -> str:
    """Objects that are nearly always alike, as texts: they may have a key twice, and white space."""
    keys = list(usual)
    if draw(st.integers(0, 5)) == 0:
        keys = draw(st.permutations(keys) | st.lists(st.sampled_from([*usual, *ODD]), max_size=4))
    colon, comma = draw(st.sampled_from([(":", ","), (": ", ", "), (" :\n", " ,\t")]))
    return "{" + comma.join(f'"{key}"{colon}{draw({**ODD, **usual}[key])}' for key in keys) + "}"


def agent_lists() -> st.SearchStrategy[list[list[str]]]:
    """Agents of two records, most of them of one kind."""
    plain: dict[str, st.SearchStrategy[str]] = {"calls": COUNTS, "duration": MEANS}
    overall = {"overall": json_objects(PLAIN | {"silence": OTHERS})}
    kinds = [PLAIN, plain, PLAIN | {"id": IDS}, plain | {"id": IDS}, {"id": IDS, "calls": PLAIN["calls"], **overall}]
    records = [json_objects(kind) for kind in (*kinds, overall, {"calls": COUNTS, **overall})]
    mixed = st.one_of(*records, COUNTS)
    return st.sampled_from([*records, mixed]).flatmap(
        lambda kind: st.lists(st.lists(kind, max_size=4), min_size=2, max_size=2)
    )


def day_record_text(form: str, ids: list[str], agents: list[str]) -> str:
    members = ", ".join(f"{agent}: {record}" for agent, record in zip(ids, agents, strict=False))
    return {
        "object": f'{{"calls": 1, "agents": {{{members}}}}}',
        "list": f'{{"calls": 1, "agents": [{", ".join(agents)}]}}',
        "beside": f'{{"calls": 1, "agents": 3, "x": 7{", " if members else ""}{members}}}',
        "beside, without a count": f'{{"agents": 3{", " if members else ""}{members}, "y": {{}}}}',
    }[form]


@pytest.mark.parametrize("form", ["object", "list", "beside", "beside, without a count"])
@given(st.lists(TEXTS, min_size=4, max_size=4), agent_lists())
def test_what_is_read_as_columns_is_what_the_rules_say(form: str, ids: list[str], agents: list[list[str]]) -> None:
    """A record is read alike by the rules alone and after another record, which says what agents look like."""
    first, second = (day_record_text(form, ids, each) for each in agents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uniform_agents, "record_type", lambda *_, **__: None)
        by_the_rules = [outcome(Parser(Layouts()), text) for text in (first, second)]
    parser = Parser(Layouts())
    assert [outcome(parser, text) for text in (first, second)] == by_the_rules
    assert outcome(parser, first) == by_the_rules[0]


ALIKE = [
    '{"calls": 1, "duration": "0:01:00"}',
    '{"calls": 5, "overall": {"ncalls": 5, "duration": "0:03:11", "silence": "0:00:01"}}',
    '{"overall": {"calls": 2, "duration": 60}}',
    '{"calls": 7}',
]
UNLIKE = [
    *('{"calls": 1, "duration": null}', '{"calls": null, "duration": "0:01:00"}', '{"calls": 1, "duration": 7}'),
    *(
        '{"calls": 0, "duration": "0:01:00"}',
        '{"calls": 1}',
        '{"calls": 1, "calls": 2, "duration": 1}',
        "{}",
        "[1, {}]",
    ),
    *(
        '{"calls": 9007199254740993, "duration": 1}',
        '{"calls": 1, "duration": "1:60"}',
        '{"calls": "3", "duration": 1}',
    ),
    *('{"calls": 1, "duration": 1, "x": {"calls": 1}}', '{"calls": 1, "x": 1e999}', '{"x": 1}', "null", "7", "1e999"),
    *('{"calls": 5, "overall": {"ncalls": 5, "duration": "0:03:11"}}', '{"calls": 5, "overall": null}'),
    *('{"calls": 5, "overall": {"ncalls": 5, "duration": null, "silence": {"a": [1, 2]}}}', '"a, b"', "true"),
]
PLAIN_IDS = [*(f'"a{number}"' for number in range(6)), '"Doe, J"', '"\\u0061"', '"\\"{"', '""', '"a\\nb"']
ODD_IDS = [
    *('"a0"', '"\\u002c"', '"calls"', '"Folder"', '"agents"', '"Over-All"', '"stats"', '"name"', '"error"', '"date"'),
    *('"20261123"', '"2026-11-23"', '"20261332"', f'"{"é" * 1024}"', f'"{"é" * 1025}"', '"calls\\nx"'),
]
FIELDS = ['"calls": 4', '"duration": "0:02:00"', '"note": "a, b"', '"date": "2026-11-23"', '"x": null', '"overall": 1']
ODD_FIELDS = [
    *('"agents": 3', '"agents": "x"', '"Agents": null', '"Agents": 1', '"calls": null', '"folder": "G"', '"x": [1]'),
    *(
        '"x": 1e999',
        '"x": 123456789012345678901',
        '"byagent": 1',
        '"overall": {"calls": 1}',
        '"date": "x"',
        '"calls": -1',
    ),
]


@st.composite
def records_with_agents_beside(draw: st.DrawFn, alike: str) -> str:
    """A day record whose agents are nearly always `alike`, as a text, which may have a key twice."""
    ids = draw(st.lists(st.sampled_from(PLAIN_IDS), min_size=1, max_size=5, unique=True))
    members = [f"{each}: {alike}" for each in ids]
    members += ['"folder": "F"', '"agents": 3', *draw(st.lists(st.sampled_from(FIELDS), max_size=3, unique=True))]
    if draw(st.booleans()):
        records = st.just(alike) | st.sampled_from(ALIKE + UNLIKE)
        another = st.builds("{}: {}".format, st.sampled_from(PLAIN_IDS + ODD_IDS), records)
        members += draw(st.lists(another | st.sampled_from(ODD_FIELDS), min_size=1, max_size=2))
    text = draw(st.sampled_from([", ", ",", " ,\n"])).join(draw(st.permutations(members)))
    return f"{{{text}}}"


def bodies_with_agents_beside() -> st.SearchStrategy[tuple[str, list[str]]]:
    """What an agent's record looks like, and day records."""
    return st.sampled_from(ALIKE).flatmap(
        lambda alike: st.tuples(st.just(alike), st.lists(records_with_agents_beside(alike), min_size=1, max_size=3))
    )


@given(bodies_with_agents_beside())
def test_what_is_decoded_at_once_is_what_the_rules_say(alike_and_records: tuple[str, list[str]]) -> None:
    """Bodies are read alike by the rules alone and by a parser that knows what the agents beside a number look like."""
    alike, records = alike_and_records
    body = f"[{', '.join(records)}]"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uniform_agents, "record_type", lambda *_, **__: None)
        by_the_rules = outcome(Parser(Layouts()), body)
    parser = Parser(Layouts())
    outcome(parser, f'{{"folder": "F", "agents": 1, "a": {alike}}}')
    assert [outcome(parser, body), outcome(parser, body)] == [by_the_rules] * 2


def outcome(parser: Parser, text: str) -> Any:
    """Return the folder days of a body, or the error."""
    found: list[FolderDay] = []

    def put(day: FolderDay) -> Steps[None]:
        found.append(day)
        yield

    try:
        finished(ChangeTracker(parser).read(text.encode(), Requested("C", "O", "F", None), put))
    except DecodeError as error:
        return str(error)
    return found
