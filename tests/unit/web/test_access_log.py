import logging
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import LogCapture

from exporter.web.access_log import AccessLog, client_name


@pytest.mark.parametrize(
    ("address", "name"),
    [("127.0.0.1", "127.0.0.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), (None, None)],
)
def test_the_name_of_a_client(address: str | None, name: str | None) -> None:
    assert client_name(address) == name


def access_log(level: int) -> tuple[AccessLog, LogCapture]:
    capture = LogCapture()
    log: Any = structlog.wrap_logger(
        structlog.PrintLogger(), processors=[capture], wrapper_class=structlog.make_filtering_bound_logger(level)
    )
    return AccessLog(log, ""), capture


def test_a_line_has_no_query_and_no_more_than_the_start_of_a_path() -> None:
    log, capture = access_log(logging.DEBUG)
    writer: Any = SimpleNamespace(output_size=123)
    request = make_mocked_request("GET", f"/{'x' * 300}?token=x", writer=writer)
    log.log(request, web.Response(status=404), 0.123456)
    (entry,) = capture.entries
    assert entry.pop("client") == request.remote
    assert entry == {
        "event": "request",
        "log_level": "debug",
        "method": "GET",
        "path": f"/{'x' * 199}",
        "status": 404,
        "bytes": 123,
        "seconds": 0.1235,
    }


@pytest.mark.parametrize(("level", "enabled"), [(logging.DEBUG, True), (logging.INFO, False)])
def test_it_is_enabled_at_level_debug_only(level: int, *, enabled: bool) -> None:
    assert access_log(level)[0].enabled is enabled
