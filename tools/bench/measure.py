"""Processes under measurement, with the CPU time and memory that the operating system accounts to them."""

import contextlib
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psutil

_DEADLINE_SECONDS = 60.0


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A process that serves HTTP on `port`."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._process = process
        self._usage = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used, user and system."""
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    def resident_megabytes(self) -> float:
        """Return the resident memory of the process."""
        return float(self._usage.memory_info().rss) / 1e6

    def get(self, path: str, *, gzip: bool = False, post: bool = False) -> bytes:
        """Return the body of a response; raises OSError unless its status is 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_DEADLINE_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST" if post else "GET", path, headers={"Accept-Encoding": "gzip"} if gzip else {})
            response = connection.getresponse()
            body = response.read()
        if response.status != http.client.OK:
            raise OSError(f"{self.url}{path}: HTTP status {response.status}")
        return body

    def wait_for(self, path: str) -> None:
        """Wait until a request for `path` succeeds."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._process.args!r} ended with exit code {self._process.returncode}")
            with contextlib.suppress(OSError):
                self.get(path)
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.url}{path}: no success within {_DEADLINE_SECONDS:.0f} s")
            time.sleep(0.002)


@contextmanager
def running(port: int, *arguments: str) -> Iterator[Server]:
    """Run `python -m ARGUMENTS`, a server on `port`, while the block runs."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 # our own arguments
    try:
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def longest_wait(server: Server, path: str, *, gzip: bool = False) -> Iterator[list[float]]:
    """Request `path` repeatedly while the block runs; afterwards the list holds the seconds of each request."""
    waits: list[float] = []
    stop = Event()

    def request_repeatedly() -> None:
        while not stop.is_set():
            begun = time.perf_counter()
            server.get(path, gzip=gzip)
            waits.append(time.perf_counter() - begun)
            stop.wait(0.002)

    thread = Thread(target=request_repeatedly)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join()
