"""Every row of the fault matrix, end to end: client, poller, store and log, against a V-Spark on loopback."""

import asyncio
from pathlib import Path

import pytest
import trustme

from exporter.simulator import Fault
from tests.integration.faults.matrix import GROUPS
from tests.integration.faults.outages import NAME, Names, outage
from tests.integration.faults.row import CALLS, GOOD, MIB, Row
from tests.integration.faults.scene import FAULTY, NEIGHBOUR, staging
from tests.support.raw_servers import CANARY, until

ROWS = [row for rows in GROUPS.values() for row in rows]
FAULTS = [row for row in ROWS if row.fault is not None or row.token_file is not None]
LARGE = [row for row in ROWS if row.large is not None]
OUTAGES = [row for row in ROWS if row.outage]


def name(row: Row) -> str:
    return row.name


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("row", FAULTS, ids=name)
async def test_a_target_fails_and_recovers_and_its_neighbour_never_notices(row: Row, tmp_path: Path) -> None:
    token_file = None
    if row.token_file:
        token_file = tmp_path / "token"
        token_file.write_text(CANARY)
    async with staging(
        timeout_seconds=row.timeout_seconds, limit_bytes=row.limit_bytes, token_file=token_file, program=row.program
    ) as scene:
        assert scene.is_fresh(FAULTY)
        assert scene.warnings() == []
        held, values = scene.held(), scene.values(FAULTY)

        if row.token_file:
            await scene.fail_by_token(row.token_file)
        else:
            assert row.fault is not None
            await scene.fail(row.fault, row.times)
        assert scene.is_fresh(NEIGHBOUR)
        if row.reason is None:
            assert scene.warnings() == []
            assert scene.poll_value("vspark_up", FAULTY) == 1
            assert scene.published() == row.published
        else:
            failed = {"log_level": "warning", "event": "poll_failed", "target": "C/O", "reason": row.reason}
            assert scene.warnings() == [failed | {"error": row.log}]
            assert scene.poll_value("vspark_up", FAULTY) == 0
            assert scene.poll_value("vspark_poll_failures_total", FAULTY, reason=row.reason) == 1
            assert scene.values(FAULTY) == values
        await asyncio.sleep(row.aftermath_seconds)

        await scene.heal()
        assert scene.is_fresh(FAULTY)
        assert scene.is_fresh(NEIGHBOUR)
        assert [each["event"] for each in scene.warnings()] == ([] if row.reason is None else ["poll_recovered"])
        await until(lambda: scene.held() == held)


@pytest.mark.parametrize("row", OUTAGES, ids=name)
async def test_everybody_keeps_the_values_and_recovers_when_nobody_is_reached(
    row: Row, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(monkeypatch)
    async with staging(
        timeout_seconds=row.timeout_seconds,
        limit_bytes=row.limit_bytes,
        host=NAME if row.reason == "dns" or row.outage == "unreachable" else "127.0.0.1",
        authority=authority if row.reason == "tls" else None,
    ) as scene:
        held, values = scene.held(), [scene.values(org) for org in (FAULTY, NEIGHBOUR)]
        assert scene.warnings() == []

        async with outage(row.outage, scene, authority, names):
            await scene.watched.polled()
        failed = {"log_level": "warning", "event": "poll_failed", "reason": row.reason, "error": row.log}
        assert sorted(scene.warnings(), key=str) == [failed | {"target": target} for target in ("C/N", "C/O")]
        for org in (FAULTY, NEIGHBOUR):
            assert scene.poll_value("vspark_up", org) == 0
            assert scene.poll_value("vspark_poll_failures_total", org, reason=str(row.reason)) == 1
        assert [scene.values(org) for org in (FAULTY, NEIGHBOUR)] == values

        await scene.heal()
        assert scene.is_fresh(FAULTY)
        assert scene.is_fresh(NEIGHBOUR)
        assert [each["event"] for each in scene.warnings()] == ["poll_recovered", "poll_recovered"]
        await until(lambda: scene.held() == held)


@pytest.mark.release
@pytest.mark.parametrize("row", LARGE, ids=name)
async def test_the_loop_goes_on_however_much_an_answer_holds(row: Row) -> None:
    async with staging(timeout_seconds=60.0, limit_bytes=64 * MIB) as scene:
        held = scene.held()
        assert row.large is not None
        longest = await scene.fail_slowly(Fault.answer(row.large()))
        assert scene.warnings() == []
        assert scene.is_fresh(NEIGHBOUR)
        assert row.published.items() <= scene.published().items()
        assert longest < 1

        await scene.fail_slowly(Fault.answer(GOOD))
        assert scene.published()["A",] == CALLS["A",]
        assert scene.warnings() == []
        await until(lambda: scene.held() == held)


def test_no_row_stands_twice() -> None:
    assert sorted({row.name for row in ROWS}) == sorted(row.name for row in ROWS)
