"""Every error that the exporter raises on purpose.

ExporterError
├─ ConfigError          .file, .line, .path of the key; exit code 2
├─ ListenError          an address cannot be listened on; exit code 1
└─ PollError            .reason, one word of a closed set, the label of vspark_poll_failures_total
   ├─ TokenError        no_token
   ├─ ConnectError      dns, connect, tls, timeout, disconnected
   ├─ StatusError       auth, not_found, rate_limited, redirect, client_error, server_error
   ├─ BodyError         too_large, bad_encoding
   ├─ MappingError      mapping
   └─ DecodeError       not_json, unrecognized; .path, the JSON path

ConfigErrors are raised together in an ExceptionGroup, so that users see all of them at once.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Final

INTERNAL = "internal"
"""The reason of exceptions outside this tree, which are bugs."""


class ExporterError(Exception):
    """The parent of all errors that the exporter raises on purpose."""


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
    """Yield every error of a group and of the groups in it."""
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from config_errors(each)
        else:
            yield each


class ListenError(ExporterError):
    """The server cannot listen on an address."""


class PollError(ExporterError):
    """A poll of a target failed; `reason` is one of the class's `reasons`."""

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
    """The token cannot be read."""

    reasons = ("no_token",)

    def __init__(self, message: str) -> None:
        super().__init__("no_token", message)


class ConnectError(PollError):
    """No complete response arrived."""

    reasons = ("dns", "connect", "tls", "timeout", "disconnected")


class StatusError(PollError):
    """V-Spark, or a proxy in front of it, responded with a status that is not a success.

    `status` is the HTTP status, `retry_after_seconds` the value of the Retry-After header, None without one.
    """

    reasons = ("auth", "not_found", "rate_limited", "redirect", "client_error", "server_error")

    def __init__(self, reason: str, message: str, *, status: int, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason, message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class BodyError(PollError):
    """The body is too large or cannot be decompressed."""

    reasons = ("too_large", "bad_encoding")


class MappingError(PollError):
    """The jq program of `stats_jq` failed on the body."""

    reasons = ("mapping",)

    def __init__(self, message: str) -> None:
        super().__init__("mapping", f"stats_jq: {message}")


class DecodeError(PollError):
    """The body does not follow the rules of docs/stats-format.md; `path` is a JSON path, such as `$[0]["Test01"]`."""

    reasons = ("not_json", "unrecognized")

    def __init__(self, reason: str, path: str, message: str) -> None:
        super().__init__(reason, message)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


REASONS: Final[Mapping[str, str]] = {
    "no_token": "The token file cannot be read or is empty. Check the file and its permissions.",
    "dns": "The host in vspark.url has no address. Check the name and the DNS resolver.",
    "connect": "No connection: refused, unreachable, or a proxy failed. Check host, port, firewall and proxy settings.",
    "tls": "The certificate is not trusted, or the port does not use TLS. Check vspark.tls and the certificate.",
    "timeout": "No complete response within vspark.timeout. Check V-Spark and the network, or raise the timeout.",
    "disconnected": "The connection broke before the response was complete, or the response is not HTTP.",
    "auth": "The token was rejected (401, 403, or 400 with a text about the token). Check the company's token.",
    "not_found": "V-Spark knows no such company, org or folder (404). Check the short names in the configuration.",
    "rate_limited": "V-Spark or a proxy limits requests (429). Raise poll.interval or lower poll.concurrency.",
    "redirect": "The response redirects (3xx), perhaps to a login page. Point vspark.url to V-Spark itself.",
    "client_error": "Another 4xx status. The log has the beginning of the response.",
    "server_error": "A 5xx status of V-Spark or a proxy, a 206, or an invalid status. Check V-Spark's own log.",
    "too_large": "The response is larger than vspark.max_response_size after decompression.",
    "bad_encoding": "The response's compression is damaged, or of a kind that was not requested.",
    "mapping": "The jq program of stats_jq failed. `vspark-exporter probe --raw` prints the body to try it on.",
    "not_json": "The response is not JSON; perhaps a proxy's HTML page or a login. `vspark-exporter probe` shows it.",
    "unrecognized": "JSON that the rules of docs/stats-format.md do not cover. `vspark-exporter probe` shows where.",
    INTERNAL: "A bug of this program. The log has the traceback; please report it.",
}
"""Every value of the label `reason`, with its meaning and what to do."""
