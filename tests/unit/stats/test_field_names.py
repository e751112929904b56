import pytest

from exporter.errors import DecodeError
from exporter.stats.field_names import ERRORS, WRAPPERS, Layout, Layouts, normalize
from exporter.stats.values import durations_in

EMPTY = Layout((), (), (), (), (), (), (), (), duplicate=None, wrappers=(), durations=durations_in("seconds"))

COUNTS = ["calls", "ncalls", "numcalls", "totalcalls", "callcount", "callvolume", "volume"]
AVERAGES = ["avgduration", "averageduration", "avgcallduration", "averagecallduration", "avglength", "duration"]
TOTALS = ["totalduration", "durationtotal", "sumduration"]
AGENTS = ["agents", "agentstats", "byagent"]
AGENT_IDS = ["agent", "agentid", "id", "name"]
FOLDERS = ["folder", "foldername", "name"]
DAYS = ["date", "day"]
NAMES = {
    "counts": COUNTS,
    "averages": AVERAGES,
    "totals": TOTALS,
    "agents": AGENTS,
    "agent_ids": AGENT_IDS,
    "folders": FOLDERS,
    "days": DAYS,
    "overall": ["overall"],
}


@pytest.mark.parametrize(
    ("name", "compared"),
    [
        ("calls", "calls"),
        ("Call Volume", "callvolume"),
        ("AVG_CALL-duration", "avgcallduration"),
        ("_- ", ""),
        ("", ""),
        ("calls\t", "calls\t"),
        ("calls.total", "calls.total"),
        ("Süd", "süd"),
    ],
)
def test_names_are_compared_without_case_underscores_hyphens_and_spaces(name: str, compared: str) -> None:
    assert normalize(name) == compared


@pytest.mark.parametrize("part", NAMES)
def test_the_names_are_tried_in_the_order_of_the_rules(part: str) -> None:
    layout = Layouts()[(*reversed(NAMES[part]), "other")]
    assert getattr(layout, part) == tuple(NAMES[part])


def test_a_name_has_the_parts_that_the_rules_give_it_and_no_other() -> None:
    found = {
        name: " ".join(part for part in NAMES if getattr(Layouts()[(name,)], part))
        for name in (*COUNTS, *AVERAGES, *TOTALS, *AGENTS, *AGENT_IDS, *FOLDERS, *DAYS, "overall")
    }
    assert found == {
        **dict.fromkeys(COUNTS, "counts"),
        **dict.fromkeys(AVERAGES, "averages"),
        **dict.fromkeys(TOTALS, "totals"),
        **dict.fromkeys(AGENTS, "agents"),
        **dict.fromkeys(AGENT_IDS, "agent_ids"),
        **dict.fromkeys(FOLDERS, "folders"),
        "name": "agent_ids folders",
        **dict.fromkeys(DAYS, "days"),
        "overall": "overall",
    }


@pytest.mark.parametrize("key", ["silence", "call", "calls2", "agentcalls", "error", "001", "20261123", ""])
def test_other_keys_play_no_part(key: str) -> None:
    assert Layouts()[(key,)] == EMPTY


def test_keys_are_given_as_they_are_spelled() -> None:
    layout = Layouts()["Folder Name", "Num-Calls", "TOTAL_DURATION", "Agent-ID", "By Agent", "DAY", "Over_All"]
    assert layout == Layout(
        counts=("Num-Calls",),
        averages=(),
        totals=("TOTAL_DURATION",),
        agents=("By Agent",),
        agent_ids=("Agent-ID",),
        folders=("Folder Name",),
        days=("DAY",),
        overall=("Over_All",),
        duplicate=None,
        wrappers=(),
        durations=durations_in("seconds"),
    )


@pytest.mark.parametrize(
    ("keys", "duplicate"),
    [
        (("calls", "ncalls"), None),
        (("calls", "Calls"), "Calls"),
        (("avg_duration", "x", "avgduration"), "avgduration"),
        (("over all", "overall"), "overall"),
        (("date", "Date", "DATE"), "DATE"),
        (("x", "X"), None),
        (("stats", "Stats"), None),
    ],
)
def test_a_name_in_two_spellings_is_a_duplicate(keys: tuple[str, ...], duplicate: str | None) -> None:
    assert Layouts()[keys].duplicate == duplicate


def test_names_of_wrappers_are_found_among_many_keys() -> None:
    keys = ("agent 1", "Folders", "data", "calls", "date")
    assert Layouts()[keys].wrappers == ("Folders", "data")


def test_a_key_may_contain_the_line_break_that_joins_keys() -> None:
    layout = Layouts()["calls\nduration", "date", "a\n", "Cal-ls"]
    assert (layout.counts, layout.averages, layout.days) == (("Cal-ls",), (), ("date",))


@pytest.mark.parametrize(
    ("key", "known"),
    [
        *(("calls", True), ("Over-All", True), ("FOLDERS", True), ("an rufe", True), ("id", True), ("day", True)),
        *(("001", False), ("error", False), ("message", False), ("calls\nx", False), ("x\ncalls", False), ("", False)),
    ],
)
def test_a_key_with_a_meaning_is_found_among_many(key: str, *, known: bool) -> None:
    layouts = Layouts(calls=["Anrufe"])
    nothing = layouts[()]
    assert (layouts[("a", key, "b\n")] != nothing, layouts.knows_any(["a", key, "b\n"])) == (known, known)
    assert layouts.knows_any(["a", key]) == known


def test_extensions_come_before_all() -> None:
    layouts = Layouts(
        calls=["Anrufe", "n"],
        average_duration=["Dauer"],
        total_duration=["Summe"],
        agents=["Wer"],
        agent_id=["Kennung", "Bezeichnung"],
        folder=["Ordner", "Bezeichnung"],
        date=["Tag"],
        duration_unit="minutes",
    )
    keys = "calls n avgduration agents WER dauer an_rufe totalduration summe name ID kennung bezeichnung ordner folder"
    layout = layouts[(*keys.split(), "day", "TAG")]
    assert layout == Layout(
        counts=("an_rufe", "n", "calls"),
        averages=("dauer", "avgduration"),
        totals=("summe", "totalduration"),
        agents=("WER", "agents"),
        agent_ids=("kennung", "bezeichnung", "ID", "name"),
        folders=("ordner", "bezeichnung", "folder", "name"),
        days=("TAG", "day"),
        overall=(),
        duplicate=None,
        wrappers=(),
        durations=durations_in("minutes"),
    )


def test_an_extension_moves_a_name_of_the_rules_to_the_front() -> None:
    layouts = Layouts(calls=["Call_Volume"])
    assert layouts["calls", "callvolume"].counts == ("callvolume", "calls")


def test_extensions_are_seen_in_two_spellings_too() -> None:
    assert Layouts(calls=["anrufe"])["anrufe", "Anrufe"].duplicate == "Anrufe"


def test_a_layout_is_worked_out_once() -> None:
    layouts = Layouts()
    assert layouts["calls", "date"] is layouts["calls", "date"]


def test_no_more_layouts_are_kept_than_an_installation_has() -> None:
    layouts = Layouts()
    for number in range(5000):
        assert layouts["calls", str(number)].counts == ("calls",)
        assert len(layouts) <= 1024


def test_the_layout_of_many_keys_is_not_kept() -> None:
    layouts = Layouts()
    assert layouts["volume", *map(str, range(100))].counts == ("volume",)
    assert layouts == {}


def test_the_layout_of_an_object_with_a_duplicated_name_is_an_error() -> None:
    assert Layouts().of({"calls": 1, "x": 2}) == Layouts()["calls", "x"]
    with pytest.raises(DecodeError) as caught:
        Layouts().of({"calls": 1, "Calls": 2}, "$.A")
    message = "$.A.Calls: this field is present in two spellings, so its value is ambiguous"
    assert (caught.value.reason, str(caught.value)) == ("unrecognized", message)


def test_wrappers_and_errors_are_those_of_the_rules() -> None:
    assert {"stats", "data", "results", "folders"} == WRAPPERS
    assert {"error", "errors"} == ERRORS
