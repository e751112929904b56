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
from typing import ClassVar, Final, NamedTuple

INTERNAL = "internal"
"""The reason of exceptions outside this tree, which are bugs."""

SAYS: Final = "; it says: "
"""Separates the exporter's words from those of the response that an error quotes."""


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


class Reason(NamedTuple):
    """What a value of the label `reason` means, and what to do next."""

    meaning: str
    action: str


REASONS: Final[Mapping[str, Reason]] = {
    "no_token": Reason(
        "The token file cannot be read or is empty.",
        "Write the company's token into the file, and let the exporter's user read it. It is read again by itself.",
    ),
    "dns": Reason(
        "The host in vspark.url has no address.",
        "Look the name up on the exporter's machine. Correct vspark.url or the DNS resolver.",
    ),
    "connect": Reason(
        "No connection: refused, unreachable, or a proxy failed.",
        "Check that V-Spark is running. Then check the port in vspark.url, the firewall and the proxy settings.",
    ),
    "tls": Reason(
        "The certificate is not trusted, or the port does not use TLS.",
        "If the certificate is right, name its CA in vspark.tls.ca_file. If the port has no TLS, use http:// in "
        "vspark.url.",
    ),
    "timeout": Reason(
        "No complete response within vspark.timeout.",
        "Check the load of V-Spark and the network to it. If its responses need that long, raise vspark.timeout.",
    ),
    "disconnected": Reason(
        "The connection broke before the response was complete, or the response is not HTTP.",
        "Read the log of V-Spark and of the proxy in front of it. Check whether vspark.url needs https://.",
    ),
    "auth": Reason(
        "The token was rejected (401, 403, or 400 with a text about the token).",
        "Check in V-Spark that the token is valid for this request: its own company, or the list of companies. "
        "Replace it in its file, which is read again by itself; after a change in the configuration, reload.",
    ),
    "not_found": Reason(
        "V-Spark knows no such company, org or folder (404).",
        "Compare the short names in the configuration with those in V-Spark, and the path in vspark.url.",
    ),
    "rate_limited": Reason(
        "V-Spark or a proxy limits requests (429).", "Raise poll.interval or lower poll.concurrency."
    ),
    "redirect": Reason(
        "The response redirects (3xx), perhaps to a login page.", "Set vspark.url to the address of V-Spark itself."
    ),
    "client_error": Reason(
        "V-Spark or a proxy rejects the request with another 4xx status.",
        "Read what the response says. `vspark-exporter probe` shows the request and the whole response.",
    ),
    "server_error": Reason(
        "V-Spark or a proxy responds with a 5xx status, a 206, or an invalid status.",
        "Read V-Spark's own log, and that of the proxy in front of it.",
    ),
    "too_large": Reason(
        "The response is larger than vspark.max_response_size after decompression.",
        "Raise vspark.max_response_size, or list the org's folders, so that each has a request of its own.",
    ),
    "bad_encoding": Reason(
        "The response's compression is damaged, or of a kind that was not requested.",
        "Check the proxy in front of V-Spark: it must not compress or change responses.",
    ),
    "mapping": Reason(
        "The jq program of stats_jq failed.", "Try the program on the body that `vspark-exporter probe --raw` prints."
    ),
    "not_json": Reason(
        "The response is not JSON; perhaps a proxy's HTML page or a login.",
        "Read the response with `vspark-exporter probe`. If it is not of V-Spark, correct vspark.url.",
    ),
    "unrecognized": Reason(
        "The response is JSON that the rules of docs/stats-format.md do not cover.",
        "Run `vspark-exporter probe`. It shows where, and what to write under stats_fields or stats_jq.",
    ),
    INTERNAL: Reason("A bug of this program.", "Please report it with the traceback from the log."),
}
"""Every value of the label `reason`. The table in docs/metrics.md, which the runbook refers to, is made of it."""
