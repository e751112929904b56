"""What conftest.py forbids in unit tests."""

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

ADVICE = "a unit test opens no socket, starts no process and does not sleep; move it to tests/integration"


def bind() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("time.sleep(0,)", lambda: time.sleep(0)),
        ("asyncio.sleep(0.006,)", lambda: asyncio.run(asyncio.sleep(0.006))),
        ("subprocess.Popen", lambda: subprocess.run([sys.executable, "-c", ""], check=False)),
        ("socket.bind", bind),
        ("socket.getaddrinfo", lambda: socket.create_connection(("127.0.0.1", 9))),
    ],
)
def test_it_is_forbidden(what: str, call: Callable[[], object], request: pytest.FixtureRequest) -> None:
    with pytest.raises(pytest.fail.Exception, match=rf"^{re.escape(f'{request.node.nodeid}: {what}')}.*: {ADVICE}$"):
        call()


async def test_code_that_catches_exceptions_does_not_catch_it() -> None:
    def careless() -> None:
        try:
            time.sleep(0)
        except Exception:  # noqa: BLE001 # like the boundary around a target
            return

    with pytest.raises(pytest.fail.Exception):
        await asyncio.to_thread(careless)


async def test_a_pause_for_the_event_loop_is_allowed() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0.005)
