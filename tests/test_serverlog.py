import asyncio
import logging
from pathlib import Path

import pytest
from aiohttp.web import RequestPayloadError

from exporter.serverlog import ServerLog
from exporter.webfile import WebFile
from tests.secured import PASSWORD, USERS, basic, write
from tests.served import serving

LOG = ServerLog(logging.getLogger("aiohttp.server"))


@pytest.mark.parametrize(
    ("rest", "kind"), [("\x01", "BadHttpMessage"), ("\0x", "BadHttpMessage"), ("A" * 9000, "LineTooLong")]
)
async def test_a_broken_header_is_not_quoted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rest: str, kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    password = basic("alice", PASSWORD)
    async with serving(web_file=WebFile(write(tmp_path, USERS))) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: {password}{rest}\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.0 400 Bad Request\r\n")
        writer.close()
        await writer.wait_closed()
    assert [record.getMessage() for record in caplog.records if record.name == "aiohttp.server"] == [
        f"no HTTP request: {kind}"
    ]
    assert password.partition(" ")[2] not in caplog.text


def test_a_bug_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    LOG.exception("Error handling request from %s", "127.0.0.1", exc_info=LookupError("x"))  # noqa: LOG004 # as aiohttp does
    assert caplog.records[0].levelname == "ERROR"
    assert "LookupError: x" in caplog.text


def test_what_a_client_does_is_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for error in (RequestPayloadError("cut off"), ConnectionResetError("gone")):
        LOG.exception("Unhandled exception", exc_info=error)  # noqa: LOG004 # as aiohttp does
    assert [(record.levelname, record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("DEBUG", "no HTTP request: RequestPayloadError", None),
        ("DEBUG", "the client has gone: ConnectionResetError", None),
    ]
