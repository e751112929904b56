import re

import pytest

from exporter.web.endpoints import ListenAddress, check_metrics_path, http_url


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":10219", None, 10219),
        (":0", None, 0),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("localhost:80", "localhost", 80),
        ("[::1]:80", "::1", 80),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
    ],
)
def test_listen_address(text: str, host: str | None, port: int) -> None:
    assert ListenAddress.parse(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "10219", "localhost", "127.0.0.1"),
        *("x:", "x:y", "x:-1", "x:+1", "x: 1", "x:1 ", "x:٣", "x:80/", f"x:{'9' * 5000}"),
        *("::1", "::1:80", "[::1]", "[::1:80", "::1]:80", "[]:80", "[[::1]]:80", "x y:80", "http://x:80"),
    ],
)
def test_no_listen_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected an address such as :10219, .*, got " + re.escape(repr(text))):
        ListenAddress.parse(text)


@pytest.mark.parametrize("text", [":99999", "x:65536", f"[::1]:{'9' * 20}"])
def test_a_port_that_does_not_exist(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a port of at most 65535, got " + re.escape(repr(text))):
        ListenAddress.parse(text)


@pytest.mark.parametrize("text", [":10219", "127.0.0.1:80", "localhost:80", "[::1]:80"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(ListenAddress.parse(text)) == text


@pytest.mark.parametrize(
    "path",
    [
        "",
        "metrics",
        "/",
        "/-/healthy",
        "/-/ready",
        "/api/v1/targets",
        "/{x}",
        "/x}",
        "/x?y",
        "/x#y",
        "/100%",
        "http://x/metrics",
    ],
)
def test_no_path_for_the_metrics(path: str) -> None:
    with pytest.raises(
        ValueError,
        match=r"^expected a path such as /metrics, got |taken by another page; expected a path such as /metrics$",
    ):
        check_metrics_path(path)


@pytest.mark.parametrize("path", ["/metrics", "/a/b", "/süd 1", "//x"])
def test_a_path_for_the_metrics(path: str) -> None:
    assert check_metrics_path(path) == path


def test_urls() -> None:
    assert http_url("127.0.0.1", 80) == "http://127.0.0.1:80"
    assert http_url("::1", 80, "https") == "https://[::1]:80"
