"""A web configuration file that is read again when it, or a file that it names, changes."""

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from exporter.config.checks import existing_file
from exporter.config.convert import Decoders, Document
from exporter.errors import ConfigError, config_errors
from exporter.exposition.self_metrics import SelfMetrics
from exporter.runtime.clock import Clock
from exporter.web.toolkit.passwords import PasswordHash
from exporter.web.toolkit.schema import Interval, PrivateKey, WebConfig
from exporter.web.toolkit.tls import CurrentContext, ServerContext, server_context

_LOOK_SECONDS: Final = 1.0
EXPIRES_SOON_SECONDS: Final = 14 * 86400.0
"""As in the alert VSparkCertificateExpiring: enough for two weekends."""

_Signature = tuple[int, ...] | None


class WebConfigFile:
    """The web configuration in the file `path`. Raises an ExceptionGroup of ConfigErrors if it is rejected.

    `config` is its content. `tls` is the context for the server, None without TLS; it gives every new connection the
    current settings. Some protection cannot be turned off while the exporter runs (TLS, passwords, client certificates
    and names): a truncated file would otherwise admit everyone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: dict[Path, _Signature] = {}
        self._last_look: dict[Path, _Signature] = {}
        _, self.config, context = _read(path, self._seen)
        self.tls = CurrentContext.of(context) if context else None
        self._logged_expiry: tuple[bool, float] | None = None

    @property
    def expires_at(self) -> float | None:
        """The Unix time at which the certificate expires; None without TLS, or if it is unknown."""
        return self.tls.current.expires_at if self.tls else None

    async def follow(self, clock: Clock, log: FilteringBoundLogger, self_metrics: SelfMetrics) -> None:
        """Look for changes every second, forever; log each change, and a certificate that expires; set the metrics."""
        self_metrics.web_config_loaded(clock.time(), self.expires_at)
        while True:
            self._log_expiry(clock.time(), log)
            await clock.sleep(_LOOK_SECONDS)
            try:
                changed = await asyncio.to_thread(self.look)
            except* ConfigError as problems:
                text = "; ".join(map(str, config_errors(problems)))
                hint = "the previous settings stay in effect; fix the file"
                log.warning("web_config_refused", file=str(self.path), problems=text, hint=hint)
                self_metrics.web_config_rejected()
            except* Exception as bug:  # noqa: BLE001 # whatever fails here, the server continues
                # Without its message, which may quote the file.
                trace = "".join(traceback.format_tb(bug.exceptions[0].__traceback__))
                log.error("web_config_refused", file=str(self.path), problems="a bug of this program", traceback=trace)  # noqa: TRY400
                self_metrics.web_config_rejected()
            else:
                if changed:
                    log.info("web_config_reloaded", file=str(self.path), users=len(self.config.users))
                    self_metrics.web_config_loaded(clock.time(), self.expires_at)

    def _log_expiry(self, now: float, log: FilteringBoundLogger) -> None:
        """Log once that the certificate expires soon, and once that it has expired."""
        if self.expires_at is None or self.expires_at - now >= EXPIRES_SOON_SECONDS:
            return
        expired = self.expires_at <= now
        if (expired, self.expires_at) == self._logged_expiry:
            return
        self._logged_expiry = (expired, self.expires_at)
        hint = "renew the certificate; the exporter reads it again by itself"
        fields = {"file": str(self.path), "expires": format_expiry(self.expires_at), "hint": hint}
        if expired:
            log.warning("certificate_expired", **fields)
        else:
            log.warning("certificate_expiring", **fields)

    def look(self) -> bool:
        """Apply a change; return whether there was one. Raises as `__init__` does, once for each change.

        A change is applied at the second look that finds it, so that no half-written file is.
        """
        now = {path: _signature(path) for path in self._seen}
        still, self._last_look = now == self._last_look, now
        if now == self._seen or not still:
            return False
        self._seen = {}
        document, config, context = _read(self.path, self._seen)
        if problems := [document.error(*each) for each in _protection_lost(self.config, config)]:
            raise ExceptionGroup("rejected", problems)
        self.config = config
        if self.tls and context:
            self.tls.current = context
        return True


def format_expiry(expires_at: float) -> str:
    """Return a Unix time in UTC, as in the log."""
    return f"{datetime.fromtimestamp(expires_at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _protection_lost(before: WebConfig, after: WebConfig) -> Iterator[tuple[str, str]]:
    """Yield the key and a message for each change that needs a restart."""
    until = "while the exporter runs; restart it to apply this"
    if before.users and not after.users:
        yield "basic_auth_users", f"passwords cannot be turned off {until}"
    if before.tls is None or after.tls is None:
        if before.tls != after.tls:
            yield "tls_server_config", f"TLS cannot be turned {'off' if before.tls else 'on'} {until}"
    elif before.tls.needs_client and not after.tls.needs_client:
        yield "tls_server_config.client_auth_type", f"client certificates cannot be turned off {until}"
    elif before.tls.client_allowed_sans and not after.tls.client_allowed_sans:
        yield "tls_server_config.client_allowed_sans", f"the check of clients' names cannot be turned off {until}"


def _read(path: Path, seen: dict[Path, _Signature]) -> tuple[Document, WebConfig, ServerContext | None]:
    """Read the file and the files that it names; put into `seen` the signature that each had before it was read."""
    seen[path] = _signature(path)
    decoders: Decoders = {
        Path: partial(_named_file, path.absolute().parent, seen),
        PrivateKey: PrivateKey,
        PasswordHash: PasswordHash,
        Interval: Interval.parse,
    }
    document = Document(path, decoders, blank_is_null=True)
    config = document.read(WebConfig)
    context, problems = server_context(config.tls) if config.tls else (None, ())
    if problems:
        errors = [document.error(f"tls_server_config.{key}", message) for key, message in problems]
        raise ExceptionGroup("rejected", errors)
    return document, config, context


def _named_file(folder: Path, seen: dict[Path, _Signature], name: str) -> Path:
    if "\n" in name or name.startswith("-----"):
        raise ValueError("is not a file name; the text of a certificate or key goes under cert, key or client_ca")
    path = folder / name
    seen[path] = _signature(path)
    return existing_file(path)


def _signature(path: Path) -> _Signature:
    """Return what changes with the content of a file or with its permissions; symbolic links are followed."""
    with suppress(OSError, ValueError):
        status = path.stat()
        return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return None
