from pathlib import Path

import pytest

from tools.bench.report import ORDINARY, OURS, Claim, Outcome, Report, Table, figure_text, ratio_text

TABLE = Table.of(
    "a small site",
    {OURS: {"poll, ms": 1.5, "skipped": 3.0, "memory": 1234.5}, ORDINARY: {"poll, ms": 6.0, "memory": 1000.0}},
)
HOLDS, MISSED = Claim("a", 1.0, 1.0, "It does."), Claim("b", 1.01, 1.0, "It should.")


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (0.05341, "0.0534"),
        (3.347, "3.35"),
        (48.13, "48.1"),
        (99.96, "100"),
        (100.4, "100"),
        (1812.3, "1,812"),
        (0, "0"),
    ],
)
def test_figure(figure: float, text: str) -> None:
    assert figure_text(figure) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(0.25, "1/4.0"), (1 / 1430, "1/1,430.0"), (0.5, "0.50"), (1.2, "1.20"), (0, "0.00")]
)
def test_ratio(ratio: float, text: str) -> None:
    assert ratio_text(ratio) == text


def test_a_table_compares_its_first_two_columns() -> None:
    assert TABLE.head == ("ours", "ordinary", "ratio")
    assert list(TABLE.cells()) == [
        ("poll, ms", "1.5", "6", "1/4.0"),
        ("skipped", "3", "", ""),
        ("memory", "1,234", "1,000", "1.23"),
    ]
    alone = Table.of("alone", {OURS: {"poll, ms": 1.5}})
    assert (alone.head, list(alone.cells())) == (("ours",), [("poll, ms", "1.5")])


def test_a_figure_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="a small site: no figure for skipped, ordinary"):
        TABLE.ratio("skipped")


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    Outcome([Table.of("one", {OURS: {"poll": 2.0}})], [HOLDS, MISSED], ["skipped: x"]).print()
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        *("", "one", "ours", "poll 2", "", "skipped: x", ""),
        *("holds a 1.0000 at most 1.0000", "It does.", "MISSED b 1.0100 at most 1.0000", "It should."),
    ]


def test_a_claim_holds_up_to_its_limit() -> None:
    assert Outcome([], [HOLDS, MISSED]).missed == [MISSED]


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = Report.here({"small": Outcome([TABLE], [HOLDS], ["a note"])})
    report.write(tmp_path / "report.json")
    assert Report.read(tmp_path / "report.json") == report


def test_rows_that_were_not_measured_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    Report.here({"small": Outcome([TABLE]), "idle": Outcome([], [MISSED])}).write(path)
    Report.here({"idle": Outcome([], [HOLDS])}).write(path)
    assert Report.read(path).rows == {"small": Outcome([TABLE]), "idle": Outcome([], [HOLDS])}
