import asyncio
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from exporter.backfill.days import Span
from exporter.backfill.history import History, Outcome, Wanted
from exporter.backfill.journal import JournalError
from exporter.config.schema import Agents, Config, Poll, Vspark
from exporter.config.targets import Target
from exporter.config.tokens import LiteralToken
from exporter.errors import ConnectError, PollError
from tests.support.fake_clock import FakeClock, target_of
from tests.support.past_upstream import Failing, PastUpstream

FIRST, LAST = date(2026, 11, 20), date(2026, 11, 22)
CONFIG = Config(vspark=Vspark(url="http://v", token=LiteralToken("secret-token")), poll=Poll(concurrency=1))
TARGET = target_of("UTC")
RECORDS = {("O", "F", FIRST): 3, ("O", "F", LAST): 4}


class Shown:
    """Remembers what a progress shows."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, days: int, *, done: int) -> None:
        self.said.append(f"{done}/{days}")

    def advance(self, days: int) -> None:
        self.said.append(f"+{days}")

    def write(self) -> None:
        self.said.append("write")


def wanted(folder: Path) -> Wanted:
    return Wanted(folder / "out", FIRST, LAST, agents=True, step_seconds=86400)


async def run(
    config: Config, wanted: Wanted, failing: Failing = lambda *_: None
) -> tuple[Outcome, list[str], list[str]]:
    clock, upstream, shown = FakeClock(datetime(2026, 11, 25, 12, tzinfo=UTC)), PastUpstream(RECORDS, failing), Shown()
    history = History(config, wanted, clock)
    running = asyncio.create_task(history.run([TARGET], upstream, shown))
    while not running.done():
        await asyncio.sleep(0)
        if clock.sleepers:
            clock.advance(clock.sleepers[0][0] - clock.monotonic())
    return await running, upstream.requests, shown.said


def samples(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_everything_is_written(tmp_path: Path) -> None:
    outcome, requests, said = await run(CONFIG, wanted(tmp_path))
    assert (outcome.rejected, outcome.failures) == ([], [])
    assert requests == ["C/O 2026-11-20", "C/O 2026-11-21 to 2026-11-22"]
    assert said == ["0/3", "+1", "+2", "write"]
    assert samples(tmp_path / "out") == [
        'vspark_folder_calls_previous_day{company="C",folder="F",org="O"} 3.0 1795219200',
        'vspark_folder_calls_previous_day{company="C",folder="F",org="O"} 0.0 1795305600',
        'vspark_folder_calls_previous_day{company="C",folder="F",org="O"} 4.0 1795392000',
        'vspark_folder_call_seconds_previous_day{company="C",folder="F",org="O"} 90.0 1795219200',
        'vspark_folder_call_seconds_previous_day{company="C",folder="F",org="O"} 0.0 1795305600',
        'vspark_folder_call_seconds_previous_day{company="C",folder="F",org="O"} 120.0 1795392000',
        'vspark_agent_calls_previous_day{agent="a",company="C",folder="F",org="O"} 3.0 1795219200',
        'vspark_agent_calls_previous_day{agent="a",company="C",folder="F",org="O"} 4.0 1795392000',
        'vspark_agent_calls_previous_day{agent="b",company="C",folder="F",org="O"} 1.0 1795219200',
        'vspark_agent_calls_previous_day{agent="b",company="C",folder="F",org="O"} 1.0 1795392000',
    ]
    assert names_in(tmp_path) == ["out"]


async def test_after_failures_only_the_rest_is_requested(tmp_path: Path) -> None:
    def failing(_: Target, days: Span) -> PollError | None:
        return ConnectError("timeout", "slow") if date(2026, 11, 21) in days else None

    outcome, _, _ = await run(CONFIG, wanted(tmp_path), failing)
    assert [str(each.days) for each in outcome.failures] == ["2026-11-21"]
    assert outcome.written
    first = samples(tmp_path / "out")
    outcome, requests, said = await run(CONFIG, wanted(tmp_path))
    assert requests == ["C/O 2026-11-21"]
    assert said == ["2/3", "+1", "write"]
    assert len(samples(tmp_path / "out")) == len(first) + 2
    assert names_in(tmp_path) == ["out"]


async def test_agents_as_in_live_polling(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    config = replace(CONFIG, agents=Agents(exclude="b", hash_key_file=key))
    await run(config, wanted(tmp_path))
    agents = [line for line in samples(tmp_path / "out") if "agent" in line]
    assert [line.partition(",")[0] for line in agents] == [
        'vspark_agent_calls_previous_day{agent="0c806ca38a87cad9"'
    ] * 2
    config = replace(CONFIG, agents=Agents(max_per_folder=1))
    await run(config, wanted(tmp_path))
    agents = [line for line in samples(tmp_path / "out") if "agent" in line]
    assert [line.partition(",")[0].rpartition("=")[2] for line in agents] == ['"_other"', '"_other"', '"a"', '"a"']


@pytest.mark.parametrize(
    ("config", "change", "differing"),
    [
        (CONFIG, {"step_seconds": 60}, "--step"),
        (CONFIG, {"first": LAST, "last": None}, "--from, --to"),
        (CONFIG, {"names": ("C",), "labels": {"job": "v"}}, "COMPANY[/ORG[/FOLDER]], --label"),
        (replace(CONFIG, agents=Agents(exclude="x"), stats_jq="."), {}, "agents, stats_jq"),
    ],
)
def test_another_backfill_is_not_continued(
    tmp_path: Path, config: Config, change: dict[str, object], differing: str
) -> None:
    clock = FakeClock(datetime(2026, 11, 25, 12, tzinfo=UTC))
    History(CONFIG, wanted(tmp_path), clock)._journal.__exit__()
    with pytest.raises(
        JournalError, match=f"which had other values of {differing.replace('[', r'.').replace(']', '.')}:"
    ):
        History(config, replace(wanted(tmp_path), **change), clock)
    assert (tmp_path / "out.partial").stat().st_mode & 0o077 == 0
    assert [path for path in (tmp_path / "out.partial").iterdir() if b"secret-token" in path.read_bytes()] == []


def test_a_directory_of_other_files_is_left_alone(tmp_path: Path) -> None:
    clock = FakeClock(datetime(2026, 11, 25, 12, tzinfo=UTC))
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "mine").touch()
    with pytest.raises(JournalError) as caught:
        History(CONFIG, wanted(tmp_path), clock)
    assert str(caught.value) == f"{tmp_path}/out.partial is not of a backfill: move it, or choose another --output"
    assert names_in(tmp_path / "out.partial") == ["mine"]
