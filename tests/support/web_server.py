"""The web server on loopback, pages for it to serve, and requests whose responses are compared byte for byte."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from structlog.testing import LogCapture

from exporter.exposition.families import AGENT_CALLS, FOLDER_CALLS_TOTAL
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.store import Store
from exporter.exposition.text_format import Format, agent_samples, label_text, sample
from exporter.polling.snapshot import TargetStatus
from exporter.status.overview import ConfigState
from exporter.web.endpoints import ListenAddress
from exporter.web.limits import Limits
from exporter.web.server import WebServer
from exporter.web.status_routes import StatusRoutes
from exporter.web.toolkit.file import WebConfigFile
from tests.support.fake_clock import NOON, FakeClock
from tests.support.finished_steps import publish as publish_draft

LOOPBACK = ListenAddress("127.0.0.1", 0)
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def publish(store: Store, folders: int, agents: int, value: float) -> None:
    """Publish a page on which every number is `value`."""
    draft = store.draft()
    for form in (None, Format.TEXT):
        family = FOLDER_CALLS_TOTAL if form else AGENT_CALLS
        for group in store.blocks((family.name, form)):
            for key in group.keys:
                draft.put(family, key, "")
    for number in range(folders):
        key = ("Co", "Co-Org", f"Folder{number:03}")
        labels = label_text(dict(zip(("company", "org", "folder"), key, strict=True)))
        ids = [f"agent{agent:04}" for agent in range(agents)]
        draft.put(AGENT_CALLS, key, agent_samples(AGENT_CALLS.name, labels, ids, [value] * agents))
        total = sample(FOLDER_CALLS_TOTAL.name, labels, value)
        draft.put(FOLDER_CALLS_TOTAL, key, total, total + sample("vspark_folder_calls_created", labels, value))
    publish_draft(store, draft)


class Served:
    """A web server, what it serves, and requests to it."""

    def __init__(
        self,
        addresses: Sequence[ListenAddress],
        metrics_path: str = "/metrics",
        limits: Limits | None = None,
        web_file: WebConfigFile | None = None,
    ) -> None:
        self.store = Store()
        self.telemetry = SelfMetrics(process=False)
        self.ready = False
        capture = LogCapture()
        self.logged = capture.entries
        make_logger = structlog.make_filtering_bound_logger(logging.DEBUG)
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[capture], wrapper_class=make_logger)
        self.clock = FakeClock(NOON)
        self.targets: list[TargetStatus] = []
        self.config = ConfigState(self.clock.time())
        self.web = WebServer(
            self.store,
            self.telemetry,
            StatusRoutes(lambda: self.targets, lambda: self.config, self.clock, metrics_path),
            ready=lambda: self.ready,
            addresses=addresses,
            metrics_path=metrics_path,
            web_file=web_file,
            limits=limits,
            log=log,
        )

    @property
    def port(self) -> int:
        return int(self.web.urls[0].rpartition(":")[2])

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self.web._acceptor)

    @property
    def buffered(self) -> int:
        """The bytes that wait to be sent."""
        wires = [connection.transport for connection in self.web._acceptor._open]
        return sum(wire.get_write_buffer_size() for wire in wires if wire is not None)

    async def ask(self, path: str, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (without those of every response) and body, byte for byte as received."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        status, *fields = head.decode().split("\r\n")
        given = dict(field.split(": ", 1) for field in fields)
        assert {given.pop("Connection"), given.pop("Date")[-3:], given.pop("Server")} == {
            "close",
            "GMT",
            "vspark-exporter",
        }
        return int(status.split(" ")[1]), given, body

    async def text(self, path: str) -> str:
        """Return the text of a chunked response, which must succeed."""
        return (await self.raw(path)).decode()

    async def raw(self, path: str, *headers: str) -> bytes:
        """Return the body of a chunked response (RFC 9112, section 7.1), which must succeed."""
        status, given, body = await self.ask(path, *headers)
        assert (status, given["Transfer-Encoding"]) == (200, "chunked")
        whole = b""
        while True:
            size, _, body = body.partition(b"\r\n")
            if not int(size, 16):
                return whole
            whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]


@asynccontextmanager
async def serving(
    *addresses: ListenAddress,
    metrics_path: str = "/metrics",
    limits: Limits | None = None,
    web_file: WebConfigFile | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Served]:
    served = Served(addresses or (LOOPBACK,), metrics_path, limits, web_file)
    if tls is not None:
        served.web._tls = tls
    try:
        await served.web.start()
        yield served
    finally:
        await served.web.stop()


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def shrink(served: Served) -> None:
    for connection in served.web._acceptor._open:
        assert connection.transport is not None
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


async def slow_reader(served: Served, request: bytes) -> socket.socket:
    """Send a request, and read no more than the first bytes of the response."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.settimeout(0)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(slow, ("127.0.0.1", served.port))
    await loop.sock_sendall(slow, request)
    assert (await loop.sock_recv(slow, 15)) == b"HTTP/1.1 200 OK"
    return slow
