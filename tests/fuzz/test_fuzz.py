"""The fuzz targets, with the corpus, with hypothesis, and with atheris for a minute."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import campaign, session
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import NAMES, Target
from tests.support.repository import ROOT
from tests.support.tools import missing

SECONDS = 60
SEEDS = {name: [content for target, _, content in seeds() if target == name] for name in NAMES}
WITHOUT_A_SERVER = [name for name in NAMES if name != "http"]


def need_atheris() -> None:
    if importlib.util.find_spec("atheris") is None:
        missing("atheris is missing: it has wheels for Linux on x86_64 and Python up to 3.13")


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_shows_no_bug(name: str) -> None:
    done = fuzz("again", name)
    assert done.stdout == f"{name}: {len(files_of(campaign.CORPUS / name))} inputs, no bug\n", done.stderr


def fuzz(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "tests.fuzz", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 # ours


def test_the_corpus_begins_with_the_seeds() -> None:
    for target, name, content in seeds():
        assert (campaign.CORPUS / target / name).read_bytes() == content


def test_the_corpus_stays_small() -> None:
    paths = [path for name in NAMES for path in files_of(campaign.CORPUS / name)]
    assert sum(path.stat().st_size for path in paths) < 300_000


@pytest.mark.parametrize("name", [name for name in WITHOUT_A_SERVER if Target(name).mutate is not None])
def test_changed_seeds_show_no_bug(name: str) -> None:
    target = Target(name)
    mutate = target.mutate
    assert mutate is not None

    @settings(max_examples=200)
    @given(st.sampled_from(SEEDS[name]), st.integers(1, 12), st.integers(0, 2**32))
    def check(data: bytes, changes: int, seed: int) -> None:
        random = Random(seed)  # reproducible, not a secret
        for _ in range(changes):
            data = mutate(data, 4096, random, lambda data, most_bytes: data[:most_bytes])
        target.check(data)

    check()


def test_every_target_is_fuzzed_for_a_while_and_nothing_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_atheris()
    code = campaign.run(NAMES, SECONDS, 2, tmp_path)
    output = capsys.readouterr().out
    assert code == 0, output
    assert sorted(re.findall(r"^(\w+): [0-9]+ inputs in [0-9]+ s, no bug$", output, re.MULTILINE)) == list(NAMES), (
        output
    )


def planted(folder: Path, module: str, good: str, bad: str) -> Path:
    """Copy the code and plant a bug in it; return the folder."""
    for name in ("exporter", "tests", "tools"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "found", "node_modules")
        )
    path = folder / "exporter" / module
    text = path.read_text("utf-8")
    assert text.count(good) == 1
    path.write_text(text.replace(good, bad), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "module", "good", "bad"),
    [
        # Some hundred inputs show that counts above 5 are wrong. A rarer bug, such as a negative count that is read,
        # took more than 15,000 in some runs.
        pytest.param(
            "decoder",
            "stats/values.py",
            "<= LARGEST_COUNT:\n        return value\n",
            "<= LARGEST_COUNT:\n        return value if value < 6 else value + 1\n",
            id="decoder",
        ),
        pytest.param(
            "configuration",
            "config/checks.py",
            "except (re.error, ",
            "except (",
            id="configuration",
            marks=pytest.mark.release,
        ),
    ],
)
def test_a_bug_is_found_and_can_be_seen_again(tmp_path: Path, name: str, module: str, good: str, bad: str) -> None:
    need_atheris()
    folder = planted(tmp_path, module, good, bad)
    corpus = folder / "tests" / "fuzz" / "corpus" / name
    shutil.rmtree(corpus)
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    corpus.mkdir()
    for number, seed in enumerate(SEEDS[name]):
        (corpus / str(number)).write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz", "run", name, "--seconds", "180"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 # ours
    assert done.returncode == 1, done.stdout + done.stderr
    (again,) = re.findall(r"^  again: python -m (tests.fuzz again .*)$", done.stdout, re.MULTILINE)
    command = [sys.executable, "-m", *again.split(" ")]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 # ours
    assert done.returncode == 1
    assert "rror: " in done.stderr.splitlines()[-2]
    assert re.fullmatch(r"by .*/crash-[0-9a-f]{40}", done.stderr.splitlines()[-1])


def test_what_takes_too_long_is_a_hang() -> None:
    def compute(_: bytes) -> None:
        begun = time.process_time()
        while time.process_time() < begun + 1.1:
            pass

    with pytest.raises(session.HangError, match=r"^3 bytes took [0-9]+\.[0-9] s of CPU time$"):
        session.timed(compute)(b"abc")
