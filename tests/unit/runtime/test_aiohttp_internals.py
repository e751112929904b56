"""That aiohttp and asyncio still have the internals that the exporter uses."""

import asyncio
import tomllib
from asyncio.sslproto import SSLProtocol
from collections import deque
from importlib.metadata import version
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage

from exporter.runtime.aiohttp_internals import ServerConnection, limit_tls_buffers, parser_status, send_once
from tests.support.repository import ROOT

COVERED = "3.14"
MODULE = "exporter/runtime/aiohttp_internals.py"
STATE = ("_messages", "_request_count", "_waiter")
OVERRIDDEN = (
    *("connection_made", "connection_lost", "data_received", "force_close"),
    *("finish_response", "log_access", "handle_error", "log_exception"),
)


async def not_called(_: web.BaseRequest) -> web.StreamResponse:
    raise NotImplementedError


def test_the_covered_version_is_installed_and_no_other_one_is_allowed() -> None:
    major, minor = map(int, COVERED.split("."))
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    assert f"aiohttp>={COVERED},<{major}.{minor + 1}" in requirements
    assert version("aiohttp").startswith(f"{COVERED}."), (
        f"{MODULE} uses internals of aiohttp that are tested with {COVERED} only: "
        "run all tests with the new version, then change COVERED here and the bounds in pyproject.toml"
    )


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        *((web.RequestHandler, name) for name in (*STATE, *OVERRIDDEN)),
        (web.StreamResponse, "_send_headers_immediately"),
        (web.Server, "request_factory"),
        (web.Server, "request_handler"),
        (RawRequestMessage, "url"),
        (RawRequestMessage, "_replace"),
        (aiohttp.TCPConnector, "_get"),
        (ResponseHandler, "should_close"),
        (SSLProtocol, "max_size"),
    ],
)
async def test_what_is_used_exists(owner: type[Any], name: str) -> None:
    used = web.Server(not_called) if owner is web.Server else owner
    gone = f"{owner.__name__}.{name} is gone from aiohttp {version('aiohttp')} or this Python: adapt {MODULE}"
    assert hasattr(used, name), gone


async def test_what_a_connection_waits_for() -> None:
    loop = asyncio.get_running_loop()
    connection = ServerConnection(web.Server(not_called), loop=loop)
    assert (connection.waits_for_head, connection.has_pipelined_requests) == (True, False)
    connection._request_count = 1
    assert not connection.waits_for_head
    connection._waiter = loop.create_future()
    assert connection.waits_for_head
    connection._waiter.set_result(None)
    assert not connection.waits_for_head
    connection._messages = deque([(RawRequestMessage, None)])
    assert connection.has_pipelined_requests


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LineTooLong(b"GET /", 100), 414),
        (LineTooLong(b"X: y", 200), 431),
        (BadHttpMessage("Too many headers received"), 431),
        (BadHttpMessage("Invalid header"), 400),
    ],
)
def test_the_status_for_what_the_parser_rejects(error: HttpProcessingError, status: int) -> None:
    assert parser_status(error, line_bytes=100) == status


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (aiohttp.ServerDisconnectedError(), aiohttp.ClientConnectionError),
        (aiohttp.ClientOSError(), aiohttp.ClientConnectionError),
        (aiohttp.ClientPayloadError(), aiohttp.ClientPayloadError),
    ],
)
async def test_aiohttp_does_not_retry_what_is_sent_once(error: Exception, raised: type[Exception]) -> None:
    async def fail(_: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
        raise error

    request: Any = None
    with pytest.raises(aiohttp.ClientError) as caught:
        await send_once(request, fail)
    assert type(caught.value) is raised


def test_the_buffers_of_tls_are_limited_on_demand_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SSLProtocol, "max_size", 256 * 1024)
    limit_tls_buffers()
    assert SSLProtocol.max_size == 16 * 1024
