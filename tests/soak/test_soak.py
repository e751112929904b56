import os
import subprocess
import sys

import pytest
from isal import igzip

from tests.soak.__main__ import floors
from tests.soak.scrapers import problems_of

GOOD = b"""\
# HELP vspark_up Up.
# TYPE vspark_up gauge
vspark_up{org="A"} 1.0
vspark_up{org="B"} 0.0
# TYPE vspark_exporter_build_info gauge
vspark_exporter_build_info{version="1"} 1.0
"""


def test_a_good_page_has_no_problems() -> None:
    assert problems_of(GOOD, gzip=False, openmetrics=False, targets=range(2, 3)) == []
    assert problems_of(igzip.compress(GOOD + b"# EOF\n"), gzip=True, openmetrics=True, targets=range(1, 3)) == []


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (GOOD[: GOOD.index(b"# TYPE vspark_exporter")], "its end is missing"),
        (GOOD + b'vspark_up{org="A"} 0.0\n', "a series is duplicated"),
        (GOOD + b"# TYPE vspark_up gauge\n", "a family is duplicated"),
        (GOOD.replace(b'vspark_up{org="B"} 0.0\n', b""), "1 targets instead of range(2, 3)"),
    ],
)
def test_a_bad_page_has_a_problem(page: bytes, problem: str) -> None:
    found = problems_of(page, gzip=False, openmetrics=False, targets=range(2, 3))
    assert problem in found
    assert problems_of(GOOD, gzip=False, openmetrics=True, targets=range(2, 3)) == ["its end is missing"]


def test_a_leak_raises_the_lowest_decile() -> None:
    comes_and_goes = [10.0, 30.0, 20.0, 50.0] * 100
    assert floors(comes_and_goes) == (10.0, 10.0)
    found = floors([value + number / 10 for number, value in enumerate(comes_and_goes)])
    assert found is not None
    assert found[1] > found[0] * 1.2
    assert floors(comes_and_goes[1:]) is None


@pytest.mark.release
def test_nothing_grows_in_days_of_faults_and_reloads() -> None:
    seconds = os.environ.get("SOAK_SECONDS", "600")
    command = [sys.executable, "-m", "tests.soak", "--seconds", seconds]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # our own
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
