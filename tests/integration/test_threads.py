"""A process that ends while a thread is at work."""

import subprocess
import sys

from tests.support.repository import ROOT

HANGING = """\
import asyncio, os, sys
from exporter.runtime import threads

async def main():
    reading, _ = os.pipe()
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    def hang():
        loop.call_soon_threadsafe(began.set)
        os.read(reading, 1)
    task = asyncio.create_task(asyncio.to_thread(hang))
    await began.wait()
    return 7

sys.exit(threads.run(main()))
"""


def test_a_thread_that_hangs_does_not_keep_the_process() -> None:
    command = [sys.executable, "-c", HANGING]
    ended = subprocess.run(command, cwd=ROOT, timeout=10, capture_output=True, check=False)  # noqa: S603 # our own text
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, b"", b"")
