"""The jq program of `stats_jq`, run on response bodies in worker processes.

A program can loop or use any amount of memory, and nothing can interrupt it inside this process. So each run happens in
a worker process, which is killed when its time is over. A worker has a memory limit, no environment and no standard
error, so that a program cannot read a token from the environment or write one to the log.
"""

import asyncio
import json
import os
import signal
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

from exporter.errors import DecodeError, MappingError
from exporter.runtime.terminal import printable
from exporter.vspark import mapping_worker

_IMPORT_PATH: Final = str(Path(__file__).parents[2])
_KEPT: Final = ("LD_LIBRARY_PATH", "PYTHONHOME")
"""The environment that Python may need to start. It is gone before the program runs."""
_START_SECONDS: Final = 30.0
"""A worker that does not start in this time never will. It takes a tenth of a second on an idle machine."""
_WRITTEN_BYTES: Final = 2**18
"""Bodies are written in pieces of this size, because asyncio copies what the pipe does not take at once."""

Variables = Mapping[str, str | None]
"""The values of `$company`, `$org`, `$folder` and `$day`; None becomes jq's null."""


class JqMapper:
    """Runs one jq program in at most `workers` worker processes, which start when they are first needed.

    One process runs one body at a time. A body waits for a free process without using up its time, so that a program
    that loops on the body of one target does not fail the others. `max_result_bytes` is the size of the largest result.
    """

    def __init__(self, program: str, *, workers: int, max_result_bytes: int) -> None:
        self._program = program
        self._max_result_bytes = max_result_bytes
        self._slots = asyncio.Semaphore(workers)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()

    async def map(self, body: bytes, variables: Variables, *, timeout_seconds: float) -> bytes:
        """Return the program's one result for `body`, as JSON.

        Raises MappingError if the program fails, returns no or several results, or exceeds `timeout_seconds` or its
        memory limit; DecodeError if `body` is not JSON or has a duplicated key.
        """
        async with self._lent_worker() as worker:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await worker.send(body, variables, timeout_seconds)
                    kind, payload = await worker.reply(self._max_result_bytes)
            except TimeoutError:
                raise MappingError(f"the program did not end within {timeout_seconds:.3g} s") from None
        if kind == mapping_worker.RESULT:
            return payload
        if kind == mapping_worker.REJECTED:
            raise DecodeError(*json.loads(payload))
        raise MappingError(printable(payload.decode()))

    async def close(self) -> None:
        """End all worker processes."""
        for worker in (*self._idle, *self._busy):
            await worker.kill()
        self._idle.clear()

    @asynccontextmanager
    async def _lent_worker(self) -> AsyncIterator["_Worker"]:
        """Lend a worker that waits for a body. It is killed if the block raises an exception."""
        async with self._slots:
            worker = next((each for each in iter(self._last_idle, None) if each.is_alive()), None)
            if worker is None:
                worker = await _Worker.start(self._program)
            self._busy.add(worker)
            try:
                yield worker
            except BaseException:
                await worker.kill()
                raise
            else:
                self._idle.append(worker)
            finally:
                self._busy.discard(worker)

    def _last_idle(self) -> "_Worker | None":
        return self._idle.pop() if self._idle else None


class _Worker:
    """A worker process."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None  # noqa: S101 # pipes were requested
        assert process.stdout is not None  # noqa: S101
        self._process = process
        self._input = process.stdin
        self._output = process.stdout

    @classmethod
    async def start(cls, program: str) -> Self:
        """Return a worker that has compiled `program`; raises MappingError if it does not start."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", mapping_worker.__name__),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={**{name: os.environ[name] for name in _KEPT if name in os.environ}, "PYTHONPATH": _IMPORT_PATH},
                start_new_session=True,  # Ctrl-C ends the exporter, which ends its workers.
            )
        except OSError as error:
            raise MappingError(f"cannot start a worker process: {error.strerror}") from None
        worker = cls(process)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await worker._write(program.encode())
                await worker.reply(0)
        except TimeoutError:
            await worker.kill()
            raise MappingError(f"a worker process did not start within {_START_SECONDS:g} s") from None
        except BaseException:
            await worker.kill()
            raise
        return worker

    def is_alive(self) -> bool:
        """Return whether the process still runs; the system may have killed it, for example because memory is short."""
        try:  # The event loop may not know yet.
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    async def send(self, body: bytes, variables: Variables, timeout_seconds: float) -> None:
        """Send the process a body, with the time after which it may end itself."""
        await self._write(json.dumps({"variables": dict(variables), "timeout_seconds": timeout_seconds}).encode())
        await self._write(body)

    async def reply(self, max_bytes: int) -> tuple[bytes, bytes]:
        """Return the kind and the content of the reply; raises MappingError if the process ends, or for a large one."""
        try:
            kind = await self._output.readexactly(1)
            (size,) = struct.unpack(mapping_worker.SIZE, await self._output.readexactly(mapping_worker.SIZE_BYTES))
            if kind == mapping_worker.RESULT and size > max_bytes:
                raise MappingError(f"the result has {size} bytes, which is more than vspark.max_response_size")
            return kind, await self._output.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise MappingError(_how_it_ended(await self._process.wait())) from None

    async def kill(self) -> None:
        """End the process, and wait until it has ended."""
        with suppress(ProcessLookupError):
            self._process.kill()
        # asyncio waits for the end of the output too, and it does not come while unread output fills the buffer.
        while await self._output.read(_WRITTEN_BYTES):
            pass
        await self._process.wait()

    async def _write(self, content: bytes) -> None:
        """Write a frame. If the process has ended, `reply` says so."""
        with suppress(ConnectionError):
            self._input.write(mapping_worker.size_of(content))
            for start in range(0, len(content), _WRITTEN_BYTES):
                self._input.write(content[start : start + _WRITTEN_BYTES])
                await self._input.drain()


def _how_it_ended(code: int) -> str:
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    limit = f"its memory limit is {mapping_worker.MEMORY_LIMIT_MIB} MiB"
    return f"the program's process ended with {name}; {limit}"
