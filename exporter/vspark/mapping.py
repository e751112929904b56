"""The jq program of `stats_jq`, run on response bodies in worker processes.

A program can loop or use any amount of memory, and nothing can interrupt it inside this process. So each run happens in
a worker process, which is killed when the time of the poll is over. A worker has a memory limit, no environment and no
standard error, so that a program cannot read a token from the environment or write one to the log.
"""

import asyncio
import json
import signal
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from exporter.errors import DecodeError, MappingError
from exporter.vspark import mapping_worker

MEMORY_LIMIT_MIB: Final = mapping_worker.MEMORY_LIMIT_MIB
_IMPORT_PATH: Final = str(Path(__file__).parents[2])

Variables = Mapping[str, str | None]
"""The values of `$company`, `$org`, `$folder` and `$day`; None becomes jq's null."""


class JqMapper:
    """Runs one jq program in at most `workers` worker processes, which start when they are first needed.

    One process runs one body at a time. A body waits for a free process without using up its time, so that a program
    that loops on the body of one target does not fail the others.
    """

    def __init__(self, program: str, *, workers: int) -> None:
        self._program = program
        self._slots = asyncio.Semaphore(workers)
        self._idle: list[Process] = []
        self._busy: set[Process] = set()

    async def map(self, body: bytes, variables: Variables, *, timeout_seconds: float) -> bytes:
        """Return the program's one result for `body`, as JSON.

        Raises MappingError if the program fails, returns no or several results, or exceeds `timeout_seconds` or its
        memory limit; DecodeError, `not_json`, if `body` is not JSON.
        """
        async with self._slots:
            worker = self._idle.pop() if self._idle else await self._start()
            self._busy.add(worker)
            try:
                async with asyncio.timeout(timeout_seconds):
                    kind, payload = await _exchange(worker, body, variables, timeout_seconds)
            except TimeoutError:
                raise MappingError(f"the program did not end within {timeout_seconds:.3g} s") from None
            except (asyncio.IncompleteReadError, ConnectionError):
                raise MappingError(_how_it_ended(await worker.wait())) from None
            else:
                self._idle.append(worker)
            finally:
                self._busy.discard(worker)
                if worker not in self._idle:
                    await _kill(worker)
        if kind == mapping_worker.RESULT:
            return payload
        message = payload.decode()
        if kind == mapping_worker.NOT_JSON:
            raise DecodeError("not_json", "$", message)
        raise MappingError(message)

    async def close(self) -> None:
        """End all worker processes."""
        for worker in (*self._idle, *self._busy):
            await _kill(worker)
        self._idle.clear()

    async def _start(self) -> Process:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", mapping_worker.__name__),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={"PYTHONPATH": _IMPORT_PATH},
            start_new_session=True,  # Ctrl-C ends the exporter, which ends its workers.
        )
        assert worker.stdin is not None  # noqa: S101 # a pipe was requested
        worker.stdin.write(mapping_worker.framed(self._program.encode()))
        return worker


async def _exchange(worker: Process, body: bytes, variables: Variables, timeout_seconds: float) -> tuple[bytes, bytes]:
    assert worker.stdin is not None  # noqa: S101 # pipes were requested
    assert worker.stdout is not None  # noqa: S101
    head = {"variables": dict(variables), "timeout_seconds": timeout_seconds}
    worker.stdin.write(mapping_worker.framed(json.dumps(head).encode()))
    worker.stdin.write(mapping_worker.framed(body))
    await worker.stdin.drain()
    kind = await worker.stdout.readexactly(1)
    (size,) = struct.unpack(mapping_worker.SIZE, await worker.stdout.readexactly(mapping_worker.SIZE_BYTES))
    return kind, await worker.stdout.readexactly(size)


async def _kill(worker: Process) -> None:
    with suppress(ProcessLookupError):
        worker.kill()
    await worker.wait()


def _how_it_ended(code: int) -> str:
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"the program's process ended with {name}; its memory limit is {MEMORY_LIMIT_MIB} MiB"
