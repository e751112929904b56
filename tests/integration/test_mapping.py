import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from exporter.errors import MappingError, PollError
from exporter.vspark.mapping import JqMapper

MIB = 2**20
VARIABLES = {"company": "Co", "org": "Co-Org", "folder": "Test 01", "day": "2026-11-25"}
LIMIT = "its memory limit is 512 MiB"


def mapper_of(program: str, workers: int = 1, max_result_bytes: int = MIB) -> JqMapper:
    return JqMapper(program, workers=workers, max_result_bytes=max_result_bytes)


async def mapped(program: str, body: bytes = b'{"a":1}', timeout_seconds: float = 20.0) -> bytes:
    mapper = mapper_of(program)
    try:
        return await mapper.map(body, VARIABLES, timeout_seconds=timeout_seconds)
    finally:
        await mapper.close()
        assert workers() == []


def workers() -> list[psutil.Process]:
    """Return the workers that run; those that have ended may still be zombies."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and "exporter.vspark.mapping_worker" in child.cmdline():
                found.append(child)
    return found


def is_first_to_be_killed(process: psutil.Process) -> bool:
    return Path(f"/proc/{process.pid}/oom_score_adj").read_text("ascii") == "1000\n"


@pytest.mark.parametrize(
    ("program", "body", "result"),
    [
        (".", b' \xef\xbb\xbf {"id": 9007199254740993} ', {"id": 9007199254740993}),
        (".id + 0", b'{"id": 9007199254740993}', 9007199254740992),
        ("[$company, $org, $folder, $day]", b"{}", ["Co", "Co-Org", "Test 01", "2026-11-25"]),
        ('def twice: . * 2; .a | twice # the " and ) of a comment', b'{"a":3}', 6),
        ("{(.n): {calls: .c}}", '{"n":"Süd","c":3}'.encode(), {"Süd": {"calls": 3}}),
        ("[env, $ENV]", b"{}", [{}, {}]),
        ("[input_filename, get_search_list]", b"{}", [None, []]),
        ("debug", b'{"token":"x"}', {"token": "x"}),
        ("[inputs]", b"{}", []),
        ("nan", b"{}", None),
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
        ('1, error("late")', b"{}", "mapping", "stats_jq: the program failed: late"),
        ("error(.)", b'"a\\nb\\u202e\\u0000"', "mapping", r"stats_jq: the program failed: a\nb\u202e\x00"),
        ("error(.)", b'"%b"' % (b"x" * 1000), "mapping", f"stats_jq: the program failed: {'x' * 480}…"),
        (".a.b", b'{"a":1}', "mapping", 'stats_jq: the program failed: Cannot index number with string ("b")'),
        ("input", b"{}", "mapping", "stats_jq: the program failed: break"),
        ("infinite", b"{}", "mapping", "stats_jq: the result of the program has an infinite number"),
        (".a * 10", b'{"a": -1e308}', "mapping", "stats_jq: the result of the program has an infinite number"),
        (
            "[range(2e5)]",
            b"{}",
            "mapping",
            "stats_jq: the result has 1288891 bytes, which is more than vspark.max_response_size",
        ),
        (
            ".",
            b"<html>",
            "not_json",
            "$: the body is an HTML or XML page, perhaps of a proxy or a login; check vspark.url",
        ),
        (".", b'{"a":1', "not_json", "$: Input data was truncated"),
        (".", b'{"a":1}, "org": {}', "not_json", "$: JSON is malformed: trailing characters (byte 8)"),
        (".", b'"\xff"', "not_json", "$: the body is not UTF-8 at byte 1"),
        (".", b'{"a":"\\ud800"}', "not_json", "$: the body has a lone surrogate, which is not a character"),
        (".", b"", "not_json", "$: the body is empty"),
        (
            ".b",
            b'[{"a":{"b":1,"c":2,"b":3}}]',
            "unrecognized",
            "$: a key of an object is duplicated, so its value is ambiguous",
        ),
        (".", b"[" * 100_000, "unrecognized", "$: nested too deeply"),
    ],
)
async def test_a_program_that_fails(program: str, body: bytes, reason: str, message: str) -> None:
    with pytest.raises(PollError) as caught:
        await mapped(program, body)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


async def test_a_program_that_loops_is_killed_and_does_not_fail_the_next_body() -> None:
    mapper = mapper_of("def loop: loop; if .loop then loop else . end")
    assert await mapper.map(b"{}", VARIABLES, timeout_seconds=20.0) == b"{}"
    (first,) = workers()
    looping = asyncio.create_task(mapper.map(b'{"loop":true}', VARIABLES, timeout_seconds=0.3))
    waiting = asyncio.create_task(mapper.map(b'{"a":1}', VARIABLES, timeout_seconds=20.0))
    with pytest.raises(PollError) as caught:
        await looping
    assert str(caught.value) == "stats_jq: the program did not end within 0.3 s"
    assert await waiting == b'{"a":1}'
    (second,) = workers()
    assert second != first
    await mapper.close()
    assert workers() == []


async def test_a_program_that_loops_does_not_block_the_event_loop() -> None:
    mapper = mapper_of("def loop: loop; loop")
    looping = asyncio.create_task(mapper.map(b"[%b0]" % (b"0," * 4 * MIB), VARIABLES, timeout_seconds=1.0))
    now, longest = asyncio.get_running_loop().time, 0.0
    while not looping.done():
        before = now()
        await asyncio.sleep(0)
        longest = max(longest, now() - before)
    assert isinstance(looping.exception(), MappingError)
    assert longest < 0.5
    await mapper.close()


async def test_a_program_that_uses_too_much_memory_is_ended() -> None:
    with pytest.raises(PollError) as caught:
        await mapped("[range(1e9)]", timeout_seconds=60.0)
    assert str(caught.value) == f"stats_jq: the program's process ended with SIGABRT; {LIMIT}"


async def test_a_worker_that_ends_while_it_is_idle_does_not_fail_the_next_body() -> None:
    mapper = mapper_of(".")
    assert await mapper.map(b"1", VARIABLES, timeout_seconds=20.0) == b"1"
    (idle,) = workers()
    os.kill(idle.pid, signal.SIGKILL)
    with suppress(psutil.NoSuchProcess):
        while idle.status() != psutil.STATUS_ZOMBIE:
            pass  # without a turn for the event loop, which does not know of it yet
    assert await mapper.map(b"2", VARIABLES, timeout_seconds=20.0) == b"2"
    (other,) = workers()
    os.kill(other.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        while psutil.pid_exists(other.pid):  # until the event loop has noticed
            await asyncio.sleep(0.01)
    assert await mapper.map(b"3", VARIABLES, timeout_seconds=20.0) == b"3"
    await mapper.close()


async def test_a_worker_that_is_killed_while_it_runs_fails_the_body() -> None:
    mapper = mapper_of("def loop: loop; loop")
    run = asyncio.create_task(mapper.map(b"{}", VARIABLES, timeout_seconds=60.0))
    async with asyncio.timeout(20):
        while not workers():
            await asyncio.sleep(0.01)
    os.kill(workers()[0].pid, signal.SIGKILL)
    with pytest.raises(MappingError) as caught:
        await run
    assert str(caught.value) == f"stats_jq: the program's process ended with SIGKILL; {LIMIT}"
    await mapper.close()


async def test_a_cancelled_run_ends_its_process() -> None:
    mapper = mapper_of("def loop: loop; loop")
    run = asyncio.create_task(mapper.map(b"{}", VARIABLES, timeout_seconds=60.0))
    async with asyncio.timeout(20):
        while not workers():
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert workers() == []


async def test_a_worker_that_cannot_start_fails_the_body(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "absent"))
    with pytest.raises(MappingError) as caught:
        await mapped(".")
    assert str(caught.value) == "stats_jq: cannot start a worker process: No such file or directory"
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(MappingError) as caught:
        await mapped(".")
    assert str(caught.value) == f"stats_jq: the program's process ended with exit code 1; {LIMIT}"


async def test_python_starts_with_the_libraries_that_it_needs_and_the_program_does_not_see_where_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/python/lib")
    monkeypatch.setenv("VSPARK_TOKEN", "s3cret-canary")
    mapper = mapper_of("env")
    assert await mapper.map(b"1", VARIABLES, timeout_seconds=20.0) == b"{}"
    assert workers()[0].environ().keys() == {"LD_LIBRARY_PATH", "PYTHONPATH"}
    await mapper.close()


async def test_a_worker_is_left_to_the_exporter_and_is_killed_before_it_if_memory_is_short() -> None:
    mapper = mapper_of("[range(1e6)] | length")
    run = asyncio.create_task(mapper.map(b"1", VARIABLES, timeout_seconds=20.0))
    async with asyncio.timeout(20):
        while not (found := [each for each in workers() if is_first_to_be_killed(each)]):
            await asyncio.sleep(0.01)
    os.kill(found[0].pid, signal.SIGTERM)
    assert await run == b"1000000"
    await mapper.close()


async def test_as_many_bodies_run_at_once_as_there_are_workers() -> None:
    mapper = mapper_of("[range(1e5)] | length", workers=2)
    results = await asyncio.gather(*(mapper.map(b"1", VARIABLES, timeout_seconds=20.0) for _ in range(6)))
    assert results == [b"100000"] * 6
    assert len(workers()) == 2
    await mapper.close()
    assert workers() == []


async def test_a_process_is_kept_for_the_next_body_and_starts_where_a_folder_shadows_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jq.py").write_text("raise SystemExit(1)\n")
    monkeypatch.chdir(tmp_path)
    mapper = mapper_of(".", workers=2)
    for _ in range(3):
        assert await mapper.map(b"1", VARIABLES, timeout_seconds=20.0) == b"1"
    assert len(workers()) == 1
    assert os.getpgid(workers()[0].pid) != os.getpgid(0)
    await mapper.close()
