"""A web configuration file as it is now: read again when it, or a file that it names, has changed."""

import asyncio
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from exporter.config.checks import existing_file
from exporter.config.convert import convert
from exporter.config.yaml_file import read_yaml
from exporter.errors import ConfigError, WebConfigError, config_errors
from exporter.runtime.clock import Clock
from exporter.web.toolkit.passwords import PasswordHash
from exporter.web.toolkit.schema import HeaderText, Interval, PrivateKey, WebConfig
from exporter.web.toolkit.tls import CurrentContext, ServerContext, server_context

_LOOK_SECONDS: Final = 1.0

_Signature = tuple[int, ...] | None


class WebConfigFile:
    """The web configuration in the file `path`; an ExceptionGroup of WebConfigErrors where it cannot be accepted.

    `config` is what it says; `tls` is for the server, None where the file has no TLS, and gives every new connection
    what the file says then. Whether there is TLS stays as it was at first; whoever had to show a password, a
    certificate or a name has to go on, as a file that has lost its end would let everybody in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: dict[Path, _Signature] = {}
        self._last_look: dict[Path, _Signature] = {}
        self.config, context = _read(path, self._seen)
        self.tls = CurrentContext.of(context) if context else None

    async def follow(self, clock: Clock, log: FilteringBoundLogger, tell: Callable[[bool], None]) -> None:
        """Look for changes, every second and for ever; one line in the log for each, and `tell` whether it is taken."""
        while True:
            await clock.sleep(_LOOK_SECONDS)
            try:
                changed = await asyncio.to_thread(self.look)
            except* WebConfigError as problems:
                text = "; ".join(str(problem) for problem in config_errors(problems))
                hint = "what was there before stays; mend the file"
                log.warning("web_config_refused", file=str(self.path), problems=text, hint=hint)
                tell(False)  # noqa: FBT003 # that is all it says
            except* Exception as bug:  # noqa: BLE001 # whatever fails here, what is served goes on
                # Without its message, which may quote the file.
                trace = "".join(traceback.format_tb(bug.exceptions[0].__traceback__))
                log.error("web_config_refused", file=str(self.path), problems="a bug of this program", traceback=trace)  # noqa: TRY400
                tell(False)  # noqa: FBT003
            else:
                if changed:
                    log.info("web_config_reloaded", file=str(self.path), users=len(self.config.users))
                    tell(True)  # noqa: FBT003

    def look(self) -> bool:
        """Take what has changed; True where something has. Raises as `__init__` does, once for each change.

        A change is taken at the second look that finds it, so that nothing half written is.
        """
        now = {path: _signature(path) for path in self._seen}
        still, self._last_look = now == self._last_look, now
        if now == self._seen or not still:
            return False
        self._seen = {}
        config, context = _read(self.path, self._seen)
        if problems := [*_not_while_it_runs(self.config, config)]:
            raise _refused(problems)
        self.config = config
        if self.tls and context:
            self.tls.current = context
        return True


def _not_while_it_runs(before: WebConfig, after: WebConfig) -> Iterator[ConfigError]:
    """Yield what a change cannot do."""
    still = "while the exporter runs; restart it for that"
    if before.users and not after.users:
        yield ConfigError("basic_auth_users", f"passwords cannot be turned off {still}")
    if before.tls is None or after.tls is None:
        if before.tls != after.tls:
            yield ConfigError("tls_server_config", f"TLS cannot be turned {'off' if before.tls else 'on'} {still}")
    elif before.tls.needs_client and not after.tls.needs_client:
        yield ConfigError("tls_server_config.client_auth_type", f"client certificates cannot be turned off {still}")
    elif before.tls.client_allowed_sans and not after.tls.client_allowed_sans:
        yield ConfigError("tls_server_config.client_allowed_sans", f"clients' names cannot be turned off {still}")


def _read(path: Path, seen: dict[Path, _Signature]) -> tuple[WebConfig, ServerContext | None]:
    """Read the file and those that it names; `seen` gets the signature that each of them had before it was read."""
    seen[path] = _signature(path)
    try:
        data = read_yaml(path)
    except ConfigError as error:
        raise _refused([error]) from None
    config, errors = convert(
        _without_blanks(data),
        WebConfig,
        {
            Path: partial(_named_file, path.absolute().parent, seen),
            PrivateKey: PrivateKey,
            PasswordHash: PasswordHash,
            HeaderText: HeaderText.parse,
            Interval: Interval.parse,
        },
    )
    if errors:
        raise _refused(errors)
    try:
        return config, server_context(config.tls) if config.tls else None
    except ExceptionGroup as problems:
        raise _refused(config_errors(problems)) from None


def _named_file(folder: Path, seen: dict[Path, _Signature], name: str) -> Path:
    if "\n" in name or name.startswith("-----"):
        raise ValueError("is no path; a certificate or a key itself goes under cert, key or client_ca")
    path = folder / name
    seen[path] = _signature(path)
    return existing_file(path)


def _signature(path: Path) -> _Signature:
    """Give what changes with a file's content or with who may read it; symbolic links are followed."""
    with suppress(OSError, ValueError):
        status = path.stat()
        return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return None


def _without_blanks(data: Any) -> Any:
    """Take an empty text for nothing, as the toolkit does."""
    if isinstance(data, dict):
        return {key: _without_blanks(value) for key, value in data.items()}
    return None if data == "" else data


def _refused(errors: Any) -> ExceptionGroup[WebConfigError]:
    return ExceptionGroup("no web configuration", [WebConfigError(error.path, error.message) for error in errors])
