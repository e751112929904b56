import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from exporter.errors import PollError
from exporter.simulator import Fault, Simulator, Site
from tests.support.fake_clock import site_of, target_of
from tests.support.raw_servers import (
    TARGET,
    Listener,
    Observed,
    Pauses,
    answer,
    client_of,
    failure_of,
    reset,
    serving,
    then_close,
    then_hang,
    until,
)

ANSWER = answer()
BUSY = answer(b"busy", status="503 Service Unavailable")


async def test_a_transient_error_is_retried_after_growing_pauses() -> None:
    pauses, observed = Pauses(), Observed()
    async with (
        serving(BUSY, reset, then_close(b""), answer(b"[1]")) as server,
        client_of(server.port, sleep=pauses, observe=observed) as client,
    ):
        assert await client.fetch(TARGET, None) == b"[1]"
    assert observed.codes == ["503", "none", "none", "200"]
    assert all(0 <= seconds < 1 for _, seconds in observed)
    assert [0 <= pause <= longest for pause, longest in zip(pauses, [0.25, 0.5, 1.0], strict=True)] == [True] * 3


async def test_the_last_error_is_raised_after_four_attempts() -> None:
    pauses = Pauses()
    async with serving(reset, reset, reset, BUSY, ANSWER) as server:
        assert await failure_of(client_of(server.port, sleep=pauses)) == (
            "StatusError server_error",
            "V-Spark, or a proxy in front of it, fails: check its log (status 503 Service Unavailable; it says: busy)",
        )
    assert (len(server.requests), len(pauses)) == (4, 3)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_retry_after_is_waited_exactly(status: str) -> None:
    pauses = Pauses()
    async with (
        serving(answer(b"", "Retry-After: 3", status=status), ANSWER) as server,
        client_of(server.port, sleep=pauses) as client,
    ):
        assert await client.fetch(TARGET, None) == b"[]"
    assert pauses == [3.0]


async def test_retry_after_may_be_a_date() -> None:
    date_in_3_seconds = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    pauses = Pauses()
    busy = answer(b"", f"Retry-After: {date_in_3_seconds}", status="429 Too Many Requests")
    async with serving(busy, ANSWER) as server, client_of(server.port, sleep=pauses) as client:
        assert await client.fetch(TARGET, None) == b"[]"
    assert [0 < pause <= 3 for pause in pauses] == [True]


@pytest.mark.parametrize("value", ["0", "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_a_retry_after_that_has_passed_is_a_pause_as_after_any_error(value: str) -> None:
    pauses = Pauses()
    busy = answer(b"", f"Retry-After: {value}", status="429 Too Many Requests")
    async with serving(busy) as server:
        await failure_of(client_of(server.port, sleep=pauses))
    assert [0 < pause <= longest for pause, longest in zip(pauses, [0.25, 0.5, 1.0], strict=True)] == [True] * 3


async def test_a_pause_that_does_not_fit_is_not_made() -> None:
    pauses = Pauses()
    async with serving(answer(b"", "Retry-After: 6", status="429 Too Many Requests")) as server:
        failure = await failure_of(client_of(server.port, sleep=pauses, timeout_seconds=5))
    assert failure == (
        "StatusError rate_limited",
        "too many requests: raise poll.interval or lower poll.concurrency (status 429 Too Many Requests)",
    )
    assert (len(server.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", id="half of the headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]", id="half of the body"),
    ],
)
async def test_a_server_that_hangs(sent: bytes) -> None:
    observed = Observed()
    async with serving(then_hang(sent)) as server:
        assert await failure_of(client_of(server.port, timeout_seconds=0.3, observe=observed)) == (
            "ConnectError timeout",
            (
                f"no complete response from 127.0.0.1:{server.port} within 0.3 s: "
                "check the load of V-Spark, or raise vspark.timeout"
            ),
        )
        await until(lambda: server.gone == 1)
    assert len(server.requests) == 1
    assert [0.25 < seconds < 2 for _, seconds in observed] == [True]


async def test_connecting_takes_a_part_of_the_time_and_is_retried() -> None:
    connections = 0

    async def never_shake_hands(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()

    observed = Observed()
    async with Listener(never_shake_hands) as listener:
        client = client_of(f"https://127.0.0.1:{listener.port}", timeout_seconds=0.9, observe=observed)
        assert await failure_of(client) == (
            "ConnectError timeout",
            (
                f"no connection to 127.0.0.1:{listener.port} within 0.3 s: "
                "the host is down, or a firewall drops the packets"
            ),
        )
    assert connections == len(observed) >= 2
    assert observed[0][0] == "none"
    assert 0.25 < observed[0][1] < 0.8


async def test_only_so_many_requests_at_a_time() -> None:
    open_now = most = 0
    release = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await release.wait()
        open_now -= 1
        writer.write(ANSWER)

    async with serving(hold) as server, client_of(server.port, concurrency=3) as client:
        polls = [asyncio.create_task(client.fetch(TARGET, None)) for _ in range(10)]
        await until(lambda: open_now == 3)
        release.set()
        assert await asyncio.gather(*polls) == [b"[]"] * 10
    assert most == 3


async def test_the_wait_for_a_slot_does_not_count_and_a_pause_holds_no_slot() -> None:
    release, paused = asyncio.Event(), asyncio.Event()

    async def sleep(_: float) -> None:
        paused.set()
        await release.wait()

    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        writer.write(ANSWER)

    async with (
        serving(BUSY, slow) as server,
        client_of(server.port, concurrency=1, timeout_seconds=1.0, sleep=sleep) as client,
    ):
        pausing = asyncio.create_task(client.fetch(TARGET, None))
        await paused.wait()
        # 0.4 s each, one after the other, while the first one pauses until its time is over.
        polls = [asyncio.create_task(client.fetch(TARGET, None)) for _ in range(3)]
        assert await asyncio.gather(*polls) == [b"[]"] * 3
        with pytest.raises(PollError) as caught:
            await pausing
        assert caught.value.reason == "timeout"


async def test_a_retry_that_waits_for_a_slot_has_as_much_time_left() -> None:
    targets = [target_of(None, org=org) for org in ("X", "A", "B", "C")]
    async with (
        Simulator(site_of(*targets)) as simulator,
        client_of(simulator.url, concurrency=1, timeout_seconds=0.5) as client,
    ):
        simulator.fail("C", "X", fault=Fault.status(503), times=1)
        for org in ("A", "B", "C"):  # longer than a poll's time, one after the other
            simulator.fail("C", org, fault=Fault.slow(0.3))
        polls = [asyncio.create_task(client.fetch(target, None)) for target in targets]
        assert all(await asyncio.gather(*polls))
        assert [request.path for request in simulator.requests] == [
            f"/stats/C/{org}" for org in ("X", "A", "B", "C", "X")
        ]


async def test_a_company_that_hangs_does_not_hold_all_slots() -> None:
    broken = [replace(TARGET, company="Broken", folder=str(number)) for number in range(6)]
    fine = replace(TARGET, company="Fine")
    async with (
        Simulator(Site(())) as simulator,
        client_of(simulator.url, concurrency=2, timeout_seconds=0.3) as client,
    ):
        simulator.override("Fine", TARGET.org, body=b"[]")
        for target in broken:
            simulator.fail("Broken", target.org, target.folder, fault=Fault.slow())
        # At first it is not known that they hang. Then they have one of the two slots.
        for slots in (2, 1):
            simulator.requests.clear()
            polls = [asyncio.create_task(client.fetch(target, None)) for target in broken]
            await until(lambda: len(simulator.requests) == slots)  # noqa: B023 # awaited in this turn
            assert await client.fetch(fine, None) == b"[]"
            requested = [request.path.split("/")[2] for request in simulator.requests]
            # The first free slot is for the fine company; a request for the second one may have come before.
            assert requested[:slots] == ["Broken"] * slots
            assert "Fine" in requested[slots : 2 * slots]
            failures = await asyncio.gather(*polls, return_exceptions=True)
            assert [getattr(failure, "reason", None) for failure in failures] == ["timeout"] * 6
        simulator.heal_all()
        for target in broken:
            simulator.override("Broken", target.org, target.folder, body=b"[]")
        assert await asyncio.gather(*(client.fetch(target, None) for target in broken)) == [b"[]"] * 6
        assert not client._hanging


async def test_a_poll_that_is_cancelled_leaves_nothing_behind() -> None:
    observed = Observed()
    async with (
        serving(then_hang(), ANSWER) as server,
        client_of(server.port, concurrency=1, observe=observed) as client,
    ):
        poll = asyncio.create_task(client.fetch(TARGET, None))
        await until(lambda: len(server.requests) == 1)
        poll.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll
        await until(lambda: server.gone == 1)
        assert await client.fetch(TARGET, None) == b"[]"
    assert observed.codes == ["none", "200"]
