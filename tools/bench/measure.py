"""Processes under measurement: CPU time and memory as the operating system accounts them."""

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
    """Give a port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A process that listens on `port`."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._process = psutil.Process(process.pid)
        self._alive = process

    def cpu_seconds(self) -> float:
        """Give the CPU time it has used, user and system."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def resident_megabytes(self) -> float:
        """Give its resident memory."""
        return float(self._process.memory_info().rss) / 1e6

    def get(self, path: str, *, gzip: bool = False, post: bool = False) -> bytes:
        """Ask it; raises OSError where the status is no success."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_DEADLINE_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST" if post else "GET", path, headers={"Accept-Encoding": "gzip"} if gzip else {})
            response = connection.getresponse()
            body = response.read()
        if response.status != http.client.OK:
            raise OSError(f"{self.url}{path} answers {response.status}")
        return body

    def wait_for(self, path: str) -> None:
        """Wait until it answers with success."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while True:
            if self._alive.poll() is not None:
                raise RuntimeError(f"{self._alive.args!r} ended with {self._alive.returncode}")
            with contextlib.suppress(OSError):
                self.get(path)
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.url}{path} does not succeed")
            time.sleep(0.002)


@contextmanager
def running(port: int, *arguments: str) -> Iterator[Server]:
    """Run `python -m ARGUMENTS` while the block runs."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 # our own
    try:
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def longest_wait(server: Server, path: str, *, gzip: bool = False) -> Iterator[list[float]]:
    """Ask for `path` over and over while the block runs; the list then has how long each answer took, in seconds."""
    waits: list[float] = []
    stop = Event()

    def ask() -> None:
        while not stop.is_set():
            begun = time.perf_counter()
            server.get(path, gzip=gzip)
            waits.append(time.perf_counter() - begun)
            stop.wait(0.002)

    thread = Thread(target=ask)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join()
