"""What can go wrong, as a tree.

ExporterError
├─ ConfigError          .file, .line, .path of the key; exit code 2
├─ ListenError          an address cannot be listened on; exit code 1
└─ PollError            .reason, one word of a closed set, the label of vspark_poll_failures_total
   ├─ TokenError        no_token: its file cannot be read now
   ├─ ConnectError      dns, connect, tls, timeout, disconnected
   ├─ StatusError       auth, not_found, rate_limited, redirect, client_error, server_error
   ├─ BodyError         too_large, bad_encoding
   └─ DecodeError       not_json, unrecognized; .path, the place in the JSON

Several ConfigErrors travel together in an ExceptionGroup, so that a user sees all of them at once.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Final

INTERNAL = "internal"
"""The reason under which an exception that is not in this tree is counted: a bug of ours."""


class ExporterError(Exception):
    """Everything this program raises on purpose."""


class ConfigError(ExporterError):
    """A part of a configuration file that is rejected.

    `path` is the path of the key, such as `companies[0].name`; it is empty for the whole file. `file` and `line`, which
    starts at 1, are None if they are unknown.
    """

    def __init__(self, path: str, message: str, *, file: Path | None = None, line: int | None = None) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message
        self.file = file
        self.line = line

    def __str__(self) -> str:
        """Return `file:line: path: message`, without the parts that are unknown."""
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return ": ".join(filter(None, (place, self.path, self.message)))


def config_errors(group: BaseExceptionGroup[ConfigError]) -> Iterator[ConfigError]:
    """Give every error in a group, and in the groups in it."""
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from config_errors(each)
        else:
            yield each


class ListenError(ExporterError):
    """An address cannot be listened on."""


class PollError(ExporterError):
    """One poll of one target failed; `reason` is one of the class's `reasons`."""

    reasons: ClassVar[tuple[str, ...]] = ()

    def __init__(self, reason: str, message: str) -> None:
        if reason not in self.reasons:
            raise ValueError(f"{type(self).__name__} has no reason {reason!r}")
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


class TokenError(PollError):
    """There is no token to send."""

    reasons = ("no_token",)

    def __init__(self, message: str) -> None:
        super().__init__("no_token", message)


class ConnectError(PollError):
    """No whole answer came."""

    reasons = ("dns", "connect", "tls", "timeout", "disconnected")


class StatusError(PollError):
    """V-Spark, or a proxy before it, answered with a status that is no success.

    `status` is the HTTP status, `retry_after_seconds` what a Retry-After header asked for, None without one.
    """

    reasons = ("auth", "not_found", "rate_limited", "redirect", "client_error", "server_error")

    def __init__(self, reason: str, message: str, *, status: int, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason, message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class BodyError(PollError):
    """The body cannot be taken in."""

    reasons = ("too_large", "bad_encoding")


class DecodeError(PollError):
    """The body is no answer by the rules of the reader; `path` is the place in the JSON, such as `$[0]["Test01"]`."""

    reasons = ("not_json", "unrecognized")

    def __init__(self, reason: str, path: str, message: str) -> None:
        super().__init__(reason, message)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


REASONS: Final[Mapping[str, str]] = {
    "no_token": "The token's file cannot be read, or holds no token. Look at the file and its permissions.",
    "dns": "The host of vspark.url has no address. Look at the name and at the resolver.",
    "connect": "No connection: refused, unreachable, or a proxy fails. Look at host, port, firewall, proxy variables.",
    "tls": "The certificate is not accepted, or the port speaks no TLS. Look at vspark.tls and the certificate.",
    "timeout": "No whole answer within vspark.timeout. Look at V-Spark's load and the network, or raise the timeout.",
    "disconnected": "The connection broke before the whole answer had come, or what came is no HTTP.",
    "auth": "The token is refused (401, 403, or 400 with a text about the token). Look at the company's token.",
    "not_found": "V-Spark knows no such company, org or folder (404). Look at the short names in the configuration.",
    "rate_limited": "V-Spark, or a proxy, wants fewer requests (429). Raise poll.interval or lower poll.concurrency.",
    "redirect": "The answer leads elsewhere (3xx), to a login page perhaps. Point vspark.url to V-Spark itself.",
    "client_error": "Another 4xx. The log has the beginning of the answer.",
    "server_error": "A 5xx of V-Spark or a proxy, a 206, or no status of HTTP's. Look at V-Spark's own log.",
    "too_large": "The answer is larger than vspark.max_response_size, after decompression.",
    "bad_encoding": "The answer's compression is damaged or of a kind that was not asked for.",
    "not_json": "The answer is no JSON: an HTML page of a proxy or a login perhaps. `vspark-exporter probe` shows it.",
    "unrecognized": "JSON that the rules of docs/stats-format.md do not decide. `vspark-exporter probe` shows where.",
    INTERNAL: "A bug of this program. The log has the traceback; please report it.",
}
"""Every value that the label `reason` can have, with what it means and what to do."""
