"""Processes under measurement, with the CPU time and memory that the operating system accounts to them."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import psutil

_DEADLINE_SECONDS = 60.0
_CPUCLOCK_SCHED = 2
_PROMETHEUS = {
    "User-Agent": "Prometheus/2.42.0",
    "Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "X-Prometheus-Scrape-Timeout-Seconds": "10",
}
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
    "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "vspark-exporter-bench")
}
"""Installed programs have bytecode. Compiling takes seconds of a start, and megabytes that stay."""
PYTHON = (sys.executable, "-m")
"""The command that runs a module of this project."""


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Scraper:
    """A client that keeps its connection and sends the headers of Prometheus 2.42."""

    def __init__(self, port: int, *, gzip: bool) -> None:
        self._headers = _PROMETHEUS | ({"Accept-Encoding": "gzip"} if gzip else {})
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_SECONDS)

    def scrape(self, path: str = "/metrics") -> bytes:
        """Return the body of a response as it was sent; raises OSError unless its status is 200."""
        self._connection.request("GET", path, headers=self._headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise OSError(f"{path}: HTTP status {response.status}")
        return body


class Server:
    """A process that serves HTTP on `port`."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._process = process
        self._usage = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used, user and system.

        It is read from the process's CPU clock, whose number Linux derives from the process id
        (clock_getcpuclockid(3)). The times in /proc have a resolution of 10 ms.
        """
        return time.clock_gettime((~self._process.pid << 3) | _CPUCLOCK_SCHED)

    def resident_megabytes(self) -> float:
        """Return the resident memory of the process."""
        return float(self._usage.memory_info().rss) / 1e6

    def scraper(self, *, gzip: bool = True) -> Scraper:
        """Return a client that scrapes it as Prometheus does, by default with gzip."""
        return Scraper(self._port, gzip=gzip)

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

    def wait_for(self, path: str, *, every_seconds: float = 0.002, most_seconds: float = _DEADLINE_SECONDS) -> None:
        """Wait until a request for `path` succeeds, for at most `most_seconds`; send one `every_seconds`."""
        deadline = time.monotonic() + most_seconds
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._process.args!r} ended with exit code {self._process.returncode}")
            with contextlib.suppress(OSError):
                self.get(path)
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.url}{path}: no success within {most_seconds:.0f} s")
            time.sleep(every_seconds)


def compile_modules(*modules: str) -> None:
    """Import modules in a process of its own, so that the processes under measurement find their bytecode."""
    subprocess.run([sys.executable, "-c", f"import {', '.join(modules)}"], env=_ENVIRONMENT, check=True)  # noqa: S603 # our own modules


@contextmanager
def running(port: int, *command: str) -> Iterator[Server]:
    """Run a server on `port` while the block runs."""
    process = subprocess.Popen(command, env=_ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 # our own commands
    try:
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait()


class Wait(NamedTuple):
    """The wait for a response in seconds, and the CPU time that the server used meanwhile.

    The CPU time is that of the work which the request waited for. Other programs of the machine lengthen it only by
    what the server does until this client runs again.
    """

    seconds: float
    cpu_seconds: float


class Waits(list[Wait]):
    """The waits of requests that were sent one after the other."""

    @property
    def longest_milliseconds(self) -> float:
        """The longest wait."""
        return max(wait.seconds for wait in self) * 1000

    @property
    def longest_cpu_milliseconds(self) -> float:
        """The most CPU time that the server used while a request waited."""
        return max(wait.cpu_seconds for wait in self) * 1000


@contextmanager
def waiting(server: Server, path: str, *, gzip: bool = False) -> Iterator[Waits]:
    """Request `path` repeatedly while the block runs; afterwards the list holds the wait of each request."""
    waits = Waits()
    stop = Event()

    def request_repeatedly() -> None:
        while not stop.is_set():
            begun, cpu = time.perf_counter(), server.cpu_seconds()
            server.get(path, gzip=gzip)
            waits.append(Wait(time.perf_counter() - begun, server.cpu_seconds() - cpu))
            stop.wait(0.002)

    thread = Thread(target=request_repeatedly)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join()
