"""`python -m tests.fuzz.seeds`: write the seeds of the corpus: the simulator's shapes, typical requests and files."""

import json
import zlib
from collections.abc import Iterator
from datetime import date

from exporter.simulator import FOREIGN_SHAPES, Shape
from exporter.simulator.calls import AgentCalls, FolderCalls
from exporter.simulator.shapes import body
from tests.fuzz.campaign import CORPUS

_DAY = date(2026, 11, 23)
_BEFORE = (
    FolderCalls(_DAY, "A", 3, 180, (AgentCalls("x", 2, 130), AgentCalls("7", 1, 50))),
    FolderCalls(_DAY, "B", 1, 9, ()),
)
_AFTER = (
    FolderCalls(_DAY, "A", 5, 300, (AgentCalls("x", 3, 200), AgentCalls("7", 1, 50), AgentCalls("y", 1, 50))),
    FolderCalls(_DAY, "B", 1, 9, ()),
)
_ACCEPT = (
    b"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
_CONFIGURATION = b"""\
vspark: {url: "https://v:3000/p", token: s3cret-canary, timeout: 10s, max_response_size: 1MiB, tls: {server_name: v}}
poll: {interval: 1m30s, concurrency: 2, stale_after: 5m}
companies:
- name: C
  token_file: token
  orgs:
  - &org {name: O, timezone: US/Eastern, folders: [a, b], interval: 30s}
  - {<<: *org, name: P}
- {name: D, token_env: TOKEN, orgs: [{name: O}]}
agents: {enabled: true, max_per_folder: 5, include: '[0-9]+', exclude: '', hash_key_file: key}
stats_fields: {calls: [anzahl], average_duration: [], agents: [], folder: [name], duration_unit: minutes}
"""
_WEB_CONFIGURATION = b"""\
tls_server_config: {cert_file: absent, key_file: absent, client_auth_type: NoClientCert, min_version: TLS12}
http_server_config: {headers: {X-Frame-Options: deny}}
basic_auth_users: {alice: $2b$04$abcdefghijklmnopqrstuuvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv}
"""


def seeds() -> Iterator[tuple[str, str, bytes]]:
    """Yield target, name and content of each seed."""
    for shape in sorted({*Shape} - {*FOREIGN_SHAPES}):
        for requests_folder, (kind, folder) in enumerate((("org", None), ("folder", "A"))):
            bodies = (
                json.dumps(body(shape, days[: 2 - requests_folder], folder)).encode()
                for days in (_BEFORE, _AFTER, _BEFORE)
            )
            yield "decoder", f"{shape}-{kind}", bytes([requests_folder]) + b"\x1e".join(bodies)
    yield "configuration", "full", _CONFIGURATION
    yield "web_configuration", "full", _WEB_CONFIGURATION
    yield "web_configuration", "users", b"basic_auth_users: {alice: %b}\n" % _WEB_CONFIGURATION.split()[-1].rstrip(b"}")
    yield "negotiation", "prometheus", _ACCEPT + b"\ngzip"
    yield "http", "scrape", b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: %b\r\nAccept-Encoding: gzip\r\n\r\n" % _ACCEPT
    yield "http", "chunked", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    yield "body", "gzip", b"\x06\x04" + _gzip(b"[]") + _gzip(b"x" * 50)
    yield "body", "deflate", b"\x07\x04" + zlib.compress(b"x" * 50)
    page = b"<html>&lt;it was s3cret-canary%1"
    yield "answer", "redirect", b"\x00\x02https://login.example.com/\nSun, 06 Nov 1994 08:49:37 GMT\n" + page


def _gzip(content: bytes) -> bytes:
    # The header that the gzip module writes depends on the version of Python.
    return zlib.compress(content, wbits=31)


def main() -> None:
    """Write the seeds to the corpus."""
    for target, name, content in seeds():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        (CORPUS / target / name).write_bytes(content)


if __name__ == "__main__":
    main()
