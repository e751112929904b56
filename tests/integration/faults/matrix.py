"""The fault matrix: what an upstream can do to a target, and what the user sees of it."""

import gzip
import os
from pathlib import Path
from typing import Any, Final

from exporter.simulator import End, Fault
from tests.integration.faults.bodies import BODIES, SIZES
from tests.integration.faults.row import CALLS, GOOD, MIB, USUAL, Row
from tests.support.raw_servers import CANARY

_CLOSED: Final = (
    "HOST:PORT closed the connection without a complete response: check its log, and whether vspark.url needs https://"
)
_BROKEN_OFF: Final = "HOST:PORT closed the connection in the middle of the response"
_NO_HTTP: Final = "the response of HOST:PORT is not valid HTTP: check the port, and whether vspark.url needs https://"
_TOO_LARGE: Final = (
    "the response is larger than 1048576 bytes: raise vspark.max_response_size, or list the org's folders, "
    "so that each gets its own request"
)
_UNPACKED: Final = "the response cannot be decompressed by its Content-Encoding gzip"
_PROXY: Final = "check the proxy in front of V-Spark"
_NOT_FOLLOWED: Final = "which is not followed: set vspark.url to the address of V-Spark itself"
_REFUSED: Final = "the token from the configuration file is rejected: check that it is valid for this request"
_FEWER: Final = "too many requests: raise poll.interval or lower poll.concurrency"
_FAILS: Final = "V-Spark, or a proxy in front of it, fails: check its log"
_TOO_LARGE_RESULT: Final = "the result has 1988891 bytes, which is more than vspark.max_response_size"
_FAILS_IN_JQ: Final = Fault.answer(b'{"error":"busy"}')
_AGAIN: Final = "asked again within the same poll"
_NEXT: Final = "that is beyond vspark.timeout, so the next poll asks again"


def _head(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode() + b"\r\n\r\n"


def _hangs(name: str, fault: Fault) -> Row:
    what = "no complete response from HOST:PORT within 1 s: check the load of V-Spark, or raise vspark.timeout"
    return Row(name, fault, "timeout", what, timeout_seconds=1.0)


def _terabyte(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


CONNECTION: Final = (
    Row(
        "nobody listens",
        outage="refused",
        reason="connect",
        log="cannot connect to HOST:PORT: Connection refused; check the port, and that V-Spark is running",
    ),
    Row(
        "the host cannot be reached",
        outage="unreachable",
        reason="connect",
        log="cannot connect to HOST:PORT: Network is unreachable; check the port, and that V-Spark is running",
    ),
    Row(
        "packets are dropped",
        outage="dropped",
        reason="timeout",
        log="no connection to HOST:PORT within 0.333 s: the host is down, or a firewall drops the packets",
        timeout_seconds=1.0,
    ),
    Row(
        "the name has no address",
        outage="dns",
        reason="dns",
        log="cannot resolve the name of HOST: check vspark.url and the resolver",
    ),
)

TLS: Final = (
    Row(
        "the certificate is another host's",
        outage="another host's",
        reason="tls",
        log="the certificate of HOST:PORT is for another host (IP address mismatch, certificate is not valid for "
        "'HOST'): use its name in vspark.url, or set vspark.tls.server_name",
    ),
    Row(
        "the certificate has expired",
        outage="expired",
        reason="tls",
        log="the certificate of HOST:PORT has expired: renew it there",
    ),
    Row(
        "the certificate is an unknown CA's",
        outage="an unknown CA's",
        reason="tls",
        log="the certificate of HOST:PORT is from an unknown CA (unable to get local issuer certificate): "
        "set vspark.tls.ca_file to the certificate of that CA",
    ),
    Row(
        "the port speaks plain HTTP",
        outage="plain",
        reason="tls",
        log="HOST:PORT does not speak TLS (wrong version number): check the port, and whether vspark.url needs http://",
    ),
)

HTTP: Final = (
    _hangs("no answer, not even headers", Fault.slow()),
    _hangs("headers, then nothing", Fault.raw(_head("HTTP/1.1 200 OK\nContent-Length: 100"), end=End.HANG)),
    _hangs(
        "one byte a second",
        Fault.raw(
            _head("HTTP/1.1 200 OK\nContent-Length: 17"), *(part for byte in GOOD for part in (bytes([byte]), 1.0))
        ),
    ),
    Row("a reset instead of an answer", Fault.reset(), "disconnected", _CLOSED),
    Row(
        "a reset in the middle of the body",
        Fault.raw(_head("HTTP/1.1 200 OK\nContent-Length: 100") + GOOD, 0.05, end=End.RESET),
        "disconnected",
        _BROKEN_OFF,
    ),
    Row("a Content-Length that is too large", Fault.truncated(), "disconnected", _BROKEN_OFF),
    Row(
        "a Content-Length that is too small",
        Fault.raw(_head("HTTP/1.1 200 OK\nContent-Length: 9") + GOOD, end=End.HANG),
        "disconnected",
        _NO_HTTP,
    ),
    Row(
        "a Content-Length that is no number",
        Fault.raw(_head("HTTP/1.1 200 OK\nContent-Length: many") + GOOD),
        "disconnected",
        _NO_HTTP,
    ),
    Row(
        "chunks without the last one",
        Fault.raw(_head("HTTP/1.1 200 OK\nTransfer-Encoding: chunked") + b"11\r\n" + GOOD + b"\r\n"),
        "disconnected",
        _BROKEN_OFF,
    ),
    Row(
        "a chunk that is cut off",
        Fault.raw(_head("HTTP/1.1 200 OK\nTransfer-Encoding: chunked") + b"99\r\n" + GOOD),
        "disconnected",
        _BROKEN_OFF,
    ),
    Row(
        "a second answer that nobody asked for",
        Fault.unasked(GOOD, late=b'{"A":{"calls":999}}'),
        published=CALLS,
        note="thrown away, and never the answer to the next request",
        aftermath_seconds=0.1,
    ),
    Row("what answers is no HTTP", Fault.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "disconnected", _NO_HTTP),
    Row(
        "gzip that is cut off",
        Fault.answer(gzip.compress(GOOD)[:-6], headers={"Content-Encoding": "gzip"}),
        "bad_encoding",
        f"{_UNPACKED}, it ends too early: {_PROXY}",
    ),
    Row("gzip that is none", Fault.bad_gzip(), "bad_encoding", f"{_UNPACKED}, it is damaged: {_PROXY}"),
    Row("a gzip bomb, 256 MiB of a few KiB", Fault.gzip_bomb(), "too_large", _TOO_LARGE),
    Row("a body over `vspark.max_response_size`", Fault.oversized(2 * MIB), "too_large", _TOO_LARGE),
)

STATUSES: Final = (
    Row(
        "103, then the answer",
        Fault.raw(_head("HTTP/1.1 103 Early Hints\nLink: </a>"), _head("HTTP/1.1 200 OK\nContent-Length: 17") + GOOD),
        published=CALLS,
        note="read",
    ),
    _hangs("103, then nothing", Fault.raw(_head("HTTP/1.1 103 Early Hints"), end=End.HANG)),
    Row(
        "101",
        Fault.raw(_head("HTTP/1.1 101 Switching Protocols\nUpgrade: x\nConnection: upgrade")),
        "server_error",
        f"{_FAILS} (status 101 Switching Protocols)",
    ),
    Row("203", Fault.answer(GOOD, status=203), published=CALLS, note="read, as any 2xx but 206"),
    Row("204", Fault.answer(b"", status=204), "not_json", "$: the body is empty"),
    Row("205", Fault.answer(b"", status=205), "not_json", "$: the body is empty"),
    Row(
        "206",
        Fault.answer(b"", status=206),
        "server_error",
        f"the response is only a part of what was requested: {_PROXY} (status 206 Partial Content)",
    ),
    Row(
        "302 to a login page",
        Fault.redirect(),
        "redirect",
        f"the response redirects to another page of the same host, {_NOT_FOLLOWED} (status 302 Found)",
    ),
    Row(
        "301 to another host",
        Fault.answer(b"", status=301, headers={"Location": "https://login.example/?next=x"}),
        "redirect",
        f"the response redirects to https://login.example, {_NOT_FOLLOWED} (status 301 Moved Permanently)",
    ),
    Row(
        "307 to itself, without end",
        Fault.answer(b"", status=307, headers={"Location": "/stats/C/O"}),
        "redirect",
        f"the response redirects to another page of the same host, {_NOT_FOLLOWED} (status 307 Temporary Redirect)",
    ),
    Row(
        "302 without a Location",
        Fault.answer(b"", status=302),
        "redirect",
        f"the response redirects to an address that it does not name, {_NOT_FOLLOWED} (status 302 Found)",
    ),
    Row(
        "304",
        Fault.answer(b"", status=304),
        "redirect",
        f"the response has no body, as if the request had been conditional: {_PROXY} (status 304 Not Modified)",
    ),
    Row(
        "400 with a text about the token",
        Fault.status(400),
        "auth",
        f"{_REFUSED} (status 400 Bad Request; it says: Invalid token was provided)",
    ),
    Row("401", Fault.status(401), "auth", f"{_REFUSED} (status 401 Unauthorized; it says: Unauthorized)"),
    Row("403", Fault.status(403), "auth", f"{_REFUSED} (status 403 Forbidden; it says: Forbidden)"),
    Row(
        "404",
        Fault.status(404),
        "not_found",
        "V-Spark does not know this company, organization or folder: check the short names and vspark.url "
        "(status 404 Not Found; it says: Company not found)",
    ),
    Row(
        "another 4xx",
        Fault.answer(b"", status=418),
        "client_error",
        "V-Spark, or a proxy in front of it, rejects the request (status 418 I'm a Teapot)",
    ),
    Row("429", Fault.answer(b"", status=429), "rate_limited", f"{_FEWER} (status 429 Too Many Requests)"),
    Row(
        "429 once, with `Retry-After: 1`",
        Fault.status(429, retry_after_seconds=1),
        times=1,
        published=USUAL,
        note=f"after that time {_AGAIN}",
    ),
    Row(
        "429 once, with a date in the past",
        Fault.answer(b"", status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        times=1,
        published=USUAL,
        note=_AGAIN,
    ),
    Row(
        "429 with `Retry-After: 3600`",
        Fault.answer(b"", status=429, headers={"Retry-After": "3600"}),
        "rate_limited",
        f"{_FEWER} (status 429 Too Many Requests)",
        note=_NEXT,
    ),
    Row(
        "429 with a date in the future",
        Fault.answer(b"", status=429, headers={"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}),
        "rate_limited",
        f"{_FEWER} (status 429 Too Many Requests)",
        note=_NEXT,
    ),
    Row("503 twice", Fault.status(503), times=2, published=USUAL, note=f"{_AGAIN}, up to four times in all"),
    Row("500", Fault.answer(b"", status=500), "server_error", f"{_FAILS} (status 500 Internal Server Error)"),
    Row(
        "503",
        Fault.status(503),
        "server_error",
        f"{_FAILS} (status 503 Service Unavailable; it says: Service Unavailable)",
    ),
    Row(
        "a status beyond 599",
        Fault.raw(_head("HTTP/1.1 999 Denied\nContent-Length: 0")),
        "server_error",
        f"{_FAILS} (status 999)",
    ),
)

TOKEN_FILE: Final = (
    Row(
        "the token's file is gone",
        token_file=lambda _: None,
        reason="no_token",
        log="cannot read 'FILE': No such file or directory",
    ),
    Row(
        "a folder in place of the token's file",
        token_file=Path.mkdir,
        reason="no_token",
        log="cannot read 'FILE': Is a directory",
    ),
    Row(
        "a pipe that nobody writes to in its place",
        token_file=os.mkfifo,
        reason="no_token",
        log="cannot read 'FILE': it is not a regular file",
    ),
    Row(
        "a link to itself in its place",
        token_file=lambda path: path.symlink_to(path),
        reason="no_token",
        log="cannot read 'FILE': Too many levels of symbolic links",
    ),
    Row(
        "an empty token file",
        token_file=Path.touch,
        reason="no_token",
        log="'FILE' contains no token: a token must not be empty",
    ),
    Row(
        "two words in it",
        token_file=lambda path: path.write_text(f"token {CANARY}"),
        reason="no_token",
        log="'FILE' contains no token: a token must not contain white space or control characters",
    ),
    Row(
        "bytes in it that are no text",
        token_file=lambda path: path.write_bytes(b"\xff" + CANARY.encode()),
        reason="no_token",
        log="'FILE' is not UTF-8",
    ),
    Row(
        "a file of a terabyte",
        token_file=_terabyte,
        reason="no_token",
        log="cannot read 'FILE': it is larger than 64 KiB",
    ),
)


def _fails(name: str, program: str, log: str, fault: Fault = _FAILS_IN_JQ, **more: Any) -> Row:
    """Return a row with a program that fails on a body with an `error`, and returns any other one as it is."""
    program = f"def loop: loop; if .error then {program} else . end"
    return Row(name, fault, "mapping", f"stats_jq: {log}", program=program, **more)


PROGRAMS: Final = (
    _fails("a program that fails", 'error("no folders: \\(.error)")', "the program failed: no folders: busy"),
    _fails(
        "a program that loops", "loop", "the program did not end within 1 s", timeout_seconds=0.5, note="it is killed"
    ),
    _fails("a program without a result", "empty", "the program returned no result"),
    _fails("a program with two results", "., .", "the program returned several results"),
    _fails("a program whose result is too large", "[range(3e5)]", _TOO_LARGE_RESULT),
    _fails(
        "half of the token, in the message of a program",
        "error(.error[0:36])",
        "the program failed; the message is not shown because the response has the token",
        Fault.error_json(),
    ),
    Row(
        "a program whose result is not a day record",
        Fault.answer(b'{"error":"busy"}'),
        "unrecognized",
        "$: expected a day record, found an object without a call count or agents",
        program="if .error then {state: 1} else . end",
    ),
)

GROUPS: Final = {
    "The token's file": TOKEN_FILE,
    "The connection": CONNECTION,
    "TLS": TLS,
    "HTTP": HTTP,
    "Statuses": STATUSES,
    "Bodies": BODIES,
    "Sizes": SIZES,
    "Programs of stats_jq": PROGRAMS,
}
"""Every row, by what it is about."""
