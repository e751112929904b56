"""Keep unit tests fast and independent of the machine: no sockets, no processes, no sleeping."""

import asyncio
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

_FORBIDDEN: Final = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.sendto",
        "subprocess.Popen",
    }
)
"""Audit events of Python. The socket pair inside an event loop raises none of them."""
_UNIT_TESTS: Final = Path(__file__).parent
_LONGEST_PAUSE_SECONDS: Final = 0.005
"""Long computations pause for the event loop, and `until` for other tasks; neither pauses for longer than this."""

_running: str | None = None
"""The unit test that is running. It is global because an audit hook cannot be removed."""


def _forbid(what: str, arguments: tuple[Any, ...]) -> None:
    # Not an Exception: the code under test must not be able to catch it.
    pytest.fail(
        f"{_running}: {what}{arguments!r}: a unit test opens no socket, starts no process and does not sleep; "
        "move it to tests/integration"
    )


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _running is not None and event in _FORBIDDEN:
        _forbid(event, arguments)


sys.addaudithook(_audit)


async def _pause(delay: float, result: Any = None, sleep: Any = asyncio.sleep) -> Any:
    if delay > _LONGEST_PAUSE_SECONDS:
        _forbid("asyncio.sleep", (delay,))
    return await sleep(delay, result)


def _sleep(seconds: float) -> None:
    _forbid("time.sleep", (seconds,))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch the tests of this folder and their fixtures. Pytest calls the hook for every test."""
    global _running  # noqa: PLW0603 # see there
    if not item.path.is_relative_to(_UNIT_TESTS):
        return (yield)
    _running = item.nodeid
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "sleep", _pause)
            patch.setattr(time, "sleep", _sleep)
            return (yield)
    finally:
        _running = None
