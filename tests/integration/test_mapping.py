import asyncio
import json
import os
from pathlib import Path

import psutil
import pytest

from exporter.errors import PollError
from exporter.vspark.mapping import JqMapper

VARIABLES = {"company": "Co", "org": "Co-Org", "folder": "Test 01", "day": "2026-11-25"}


async def mapped(program: str, body: bytes = b'{"a":1}', timeout_seconds: float = 20.0) -> bytes:
    mapper = JqMapper(program, workers=1)
    try:
        return await mapper.map(body, VARIABLES, timeout_seconds=timeout_seconds)
    finally:
        await mapper.close()


def workers() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "exporter.vspark.mapping_worker" in child.cmdline()
    ]


@pytest.mark.parametrize(
    ("program", "body", "result"),
    [
        (".", b' \xef\xbb\xbf {"a": 9007199254740992} ', {"a": 9007199254740992}),
        ("[$company, $org, $folder, $day]", b"{}", ["Co", "Co-Org", "Test 01", "2026-11-25"]),
        ('def twice: . * 2; .a | twice # the " and ) of a comment', b'{"a":3}', 6),
        ("{(.n): {calls: .c}}", '{"n":"Süd","c":3}'.encode(), {"Süd": {"calls": 3}}),
        ("env", b"{}", {}),
        ("debug", b'{"token":"x"}', {"token": "x"}),
    ],
)
async def test_a_program_returns_one_result(program: str, body: bytes, result: object) -> None:
    assert json.loads(await mapped(program, body)) == result


@pytest.mark.parametrize(
    ("program", "body", "reason", "message"),
    [
        ("empty", b"{}", "mapping", "stats_jq: the program returned no result"),
        (".,.", b"{}", "mapping", "stats_jq: the program returned several results"),
        ("repeat(.)", b"{}", "mapping", "stats_jq: the program returned several results"),
        ("halt", b"{}", "mapping", "stats_jq: the program returned no result"),
        ('error("no folders")', b"{}", "mapping", "stats_jq: the program failed: no folders"),
        (".a.b", b'{"a":1}', "mapping", 'stats_jq: the program failed: Cannot index number with string ("b")'),
        (".", b"<html>", "not_json", "$: the body is an HTML or XML page, of a proxy or a login perhaps"),
        (".", b'{"a":1', "not_json", "$: Input data was truncated"),
        (".", b'{"a":1}, "org": {}', "not_json", "$: JSON is malformed: trailing characters (byte 8)"),
        (".", b'"\xff"', "not_json", "$: the body is no UTF-8 at byte 1"),
        (".", b'"\\ud800"', "not_json", "$: the body has a lone surrogate"),
        (".", b"", "not_json", "$: the body is empty"),
    ],
)
async def test_a_program_that_fails(program: str, body: bytes, reason: str, message: str) -> None:
    with pytest.raises(PollError) as caught:
        await mapped(program, body)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


async def test_a_program_that_loops_is_killed_and_does_not_fail_the_next_body() -> None:
    mapper = JqMapper("def loop: loop; if .loop then loop else . end", workers=1)
    assert await mapper.map(b"{}", VARIABLES, timeout_seconds=20.0) == b"{}"
    (first,) = workers()
    looping = asyncio.create_task(mapper.map(b'{"loop":true}', VARIABLES, timeout_seconds=0.3))
    waiting = asyncio.create_task(mapper.map(b'{"a":1}', VARIABLES, timeout_seconds=20.0))
    with pytest.raises(PollError) as caught:
        await looping
    assert str(caught.value) == "stats_jq: the program did not end within 0.3 s"
    assert await waiting == b'{"a": 1}'
    (second,) = workers()
    assert second != first
    await mapper.close()
    assert workers() == []


async def test_a_program_that_uses_too_much_memory_is_ended() -> None:
    with pytest.raises(PollError) as caught:
        await mapped("[range(1e9)]", timeout_seconds=60.0)
    assert str(caught.value) == "stats_jq: the program's process ended with SIGABRT; its memory limit is 512 MiB"


async def test_a_cancelled_run_ends_its_process() -> None:
    mapper = JqMapper("def loop: loop; loop", workers=1)
    run = asyncio.create_task(mapper.map(b"{}", VARIABLES, timeout_seconds=60.0))
    async with asyncio.timeout(20):
        while not workers():
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert workers() == []


async def test_a_process_is_kept_for_the_next_body_and_starts_where_a_folder_shadows_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jq.py").write_text("raise SystemExit(1)\n")
    monkeypatch.chdir(tmp_path)
    mapper = JqMapper(".", workers=2)
    for _ in range(3):
        assert await mapper.map(b"1", VARIABLES, timeout_seconds=20.0) == b"1"
    assert len(workers()) == 1
    assert os.getpgid(workers()[0].pid) != os.getpgid(0)
    await mapper.close()
