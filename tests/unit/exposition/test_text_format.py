import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.utils import floatToGoString

from exporter.exposition.families import AGENT_CALLS, FAMILIES, Family
from exporter.exposition.text_format import Format, agent_samples, header, label_text, sample
from tests.support.exposition_oracle import END, Sample, assert_valid, expected, label_values, numbers

FORMATS = list(Format)
GAUGE = Family("wait_seconds", "gauge", 'How long, in "s".\nOr C:\\.', ("org",), "seconds")
COUNTER = Family("calls_total", "counter", "Calls.", ("org", "folder"), created=True)


@pytest.mark.parametrize(
    ("family", "form", "text"),
    [
        (GAUGE, Format.TEXT, '# HELP wait_seconds How long, in "s".\\nOr C:\\\\.\n# TYPE wait_seconds gauge\n'),
        (
            GAUGE,
            Format.OPENMETRICS,
            (
                '# HELP wait_seconds How long, in \\"s\\".\\nOr C:\\\\.\n'
                "# TYPE wait_seconds gauge\n# UNIT wait_seconds seconds\n"
            ),
        ),
        (COUNTER, Format.TEXT, "# HELP calls_total Calls.\n# TYPE calls_total counter\n"),
        (COUNTER, Format.OPENMETRICS, "# HELP calls Calls.\n# TYPE calls counter\n"),
    ],
)
def test_header(family: Family, form: Format, text: str) -> None:
    assert header(family, form).decode() == text
    assert expected({family: []}, form).decode() == text


@pytest.mark.parametrize("form", FORMATS)
def test_every_header_is_that_of_the_client_library(form: Format) -> None:
    assert [header(family, form) for family in FAMILIES] == [expected({family: []}, form) for family in FAMILIES]


def test_labels_are_sorted_and_escaped() -> None:
    labels = {"org": 'a"b', "company": "c\\d\ne", "folder": "Süd {1}, x=1"}
    assert label_text(labels) == 'company="c\\\\d\\ne",folder="Süd {1}, x=1",org="a\\"b"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0"),
        (-0.0, "0.0"),
        (True, "1.0"),
        (7, "7.0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-05, "1e-05"),
        (999_999, "999999.0"),
        (1_000_000, "1e+06"),
        (1_234_567.5, "1.2345675e+06"),
        (1_795_410_000, "1.79541e+09"),
        (2**53 + 1, "9.007199254740992e+15"),
        (1e16, "1e+16"),
        (-1_234_567.5, "-1234567.5"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert sample("x", 'a="b"', value) == f'x{{a="b"}} {text}\n'


def test_a_zero_is_written_alike_whichever_came_first() -> None:
    for start in (1, 100_001):  # so many that none of a zero is kept
        agent_samples("x", "", [""] * 60_000, range(start, start + 60_000))
    zeros = [-0.0, 0.0, 0, -0.0]
    assert agent_samples("x", 'b="b"', ["a"] * 4, zeros) == 'x{agent="a",b="b"} 0.0\n' * 4
    assert [sample("x", "", value) for value in zeros] == ["x 0.0\n"] * 4


def test_more_distinct_numbers_than_are_kept() -> None:
    for start in range(0, 120_000, 10_000):
        values = [3, *range(start, start + 10_000), 3]
        text = agent_samples("x", 'b="b"', ["a"] * len(values), values)
        assert text == "".join(f'x{{agent="a",b="b"}} {floatToGoString(value)}\n' for value in values)


@pytest.mark.parametrize("form", FORMATS)
@given(labels=st.dictionaries(st.tuples(label_values, label_values), numbers, max_size=5))
def test_samples_are_those_of_the_client_library(form: Format, labels: dict[tuple[str, str], float]) -> None:
    gauge = Family("calls_today", "gauge", "Calls.", ("org", "folder"))
    text = "".join(
        sample(gauge.name, label_text({"org": org, "folder": folder}), value) for (org, folder), value in labels.items()
    )
    page = header(gauge, form) + text.encode()
    assert page == expected({gauge: [Sample(values, value) for values, value in labels.items()]}, form)
    assert_valid(page + END, form)


@pytest.mark.parametrize("form", FORMATS)
@given(folder=label_values, agents=st.dictionaries(label_values, numbers, max_size=8))
def test_agents_are_those_of_the_client_library(form: Format, folder: str, agents: dict[str, float]) -> None:
    labels = label_text({"company": "Co", "org": "Co-Org", "folder": folder})
    text = agent_samples(AGENT_CALLS.name, labels, list(agents), list(agents.values()))
    samples = [Sample(("Co", "Co-Org", folder, agent), value) for agent, value in agents.items()]
    page = header(AGENT_CALLS, form) + text.encode()
    assert page == expected({AGENT_CALLS: samples}, form)
    assert_valid(page + END, form)


def test_agents_and_values_are_pairs() -> None:
    with pytest.raises(ValueError, match="of size 1"):
        agent_samples("x", "", ["a", "b"], [1])
