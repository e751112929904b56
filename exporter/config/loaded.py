"""Loads a configuration file: its content, the targets of this instance, and what a reload has to compare."""

import hashlib
import os
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec

from exporter.config import checks
from exporter.config.client_tls import tls_context
from exporter.config.convert import Document
from exporter.config.discovered import NOTHING, Discovered
from exporter.config.schema import Config
from exporter.config.targets import Target, make_targets, shard
from exporter.config.tokens import EnvToken, FileToken, LiteralToken
from exporter.config.units import Duration, DurationOrZero, Size, format_duration
from exporter.errors import ConfigError
from exporter.runtime.files import LARGEST_CONFIG

_CHECKSUM_KEY: Final = secrets.token_bytes(16)
"""A new one for each process, so that a checksum reveals nothing about the file of a key."""

NO_ZONE: Final = "no time zone, so no date is sent and the server's today counts"
LONG_TIMEOUT: Final = "shorter than vspark.timeout, so a slow poll skips the next one"


def load_config(path: Path, environ: Mapping[str, str] = os.environ, *, or_future: bool = False) -> Config:
    """Return the configuration in the file `path`; relative paths in it are relative to its directory.

    With `or_future`, the credentials of a systemd unit may be missing while the unit does not run. Raises an
    ExceptionGroup of ConfigErrors, one for each problem, if it is rejected. None of them contains a token.
    """
    folder = path.absolute().parent
    document = Document(
        path,
        {
            Duration: Duration.parse,
            DurationOrZero: DurationOrZero.parse,
            Size: Size.parse,
            Path: lambda text: checks.existing_file(folder / text, or_future=or_future),
            LiteralToken: LiteralToken,
            FileToken: partial(checks.token_file, folder, or_future=or_future),
            EnvToken: lambda text: checks.with_token(EnvToken(text, environ)),
        },
    )
    config = document.read(Config)
    tls = config.vspark.tls
    if any(checks.is_future_credential(each) for each in (tls.ca_file, tls.cert_file, tls.key_file) if each):
        return config
    try:
        tls_context(tls)
    except ConfigError as error:
        raise ExceptionGroup("rejected", [document.error(error.path, error.message)]) from None
    return config


class Share(NamedTuple):
    """The part of the targets that this instance polls: number `shard`, from 0, of `total_shards`."""

    shard: int = 0
    total_shards: int = 1


ALL: Final = Share()


class LoadedConfig(msgspec.Struct, frozen=True):
    """A configuration, the share of its targets to poll, and the checksums of its file and of the files that it names.

    The files of tokens have no checksum: they are read again whenever they change.
    """

    config: Config
    share: Share
    checksums: Mapping[Path, str]

    @classmethod
    def of(cls, config: Config, share: Share = ALL, checksums: Mapping[Path, str] | None = None) -> Self:
        """Return a configuration that was not read from a file, or whose files are not watched."""
        return cls(config, share, checksums or {})

    @classmethod
    def load(cls, path: Path, share: Share = ALL, *, or_future: bool = False) -> Self:
        """Load the configuration in the file `path`; `or_future` and what is raised are as in `load_config`."""
        before = checksum(path)  # taken first, so that a later comparison finds a change made while the file is read
        config = load_config(path, or_future=or_future)
        tls = config.vspark.tls
        named = (tls.ca_file, tls.cert_file, tls.key_file, config.agents.hash_key_file)
        return cls.of(config, share, {path: before} | {each: checksum(each) for each in named if each is not None})

    def targets(self, discovered: Discovered | None = NOTHING) -> tuple[Target, ...]:
        """Return the targets of the share, as `make_targets`."""
        return shard(make_targets(self.config, discovered), *self.share)

    @property
    def discovery(self) -> tuple[object, ...]:
        """What decides which requests a discovery sends."""
        config = self.config
        return config.discovery, config.vspark, config.companies

    @property
    def connection(self) -> tuple[object, ...]:
        """What the connections to V-Spark depend on, and the processes that map its responses."""
        vspark = self.config.vspark
        without_token = msgspec.structs.replace(vspark, token=None, token_file=None, token_env=None)
        files = [
            self.checksums.get(each) for each in (vspark.tls.ca_file, vspark.tls.cert_file, vspark.tls.key_file) if each
        ]
        poll = self.config.poll
        return without_token, poll.concurrency, bool(poll.previous_day_seconds), self.config.stats_jq, files

    @property
    def showing(self) -> tuple[object, ...]:
        """What decides which agents have series, and under which names."""
        agents = self.config.agents
        return agents, self.checksums.get(agents.hash_key_file) if agents.hash_key_file else None


def differences(before: LoadedConfig, after: LoadedConfig) -> tuple[str, ...]:
    """Return the names of the sections that differ, and of the named files whose content differs."""
    was, now = before.config, after.config
    sections = [each for each in Config.__struct_fields__ if getattr(was, each) != getattr(now, each)]
    named = list(after.checksums)[1:]
    files = [str(path) for path in named if before.checksums.get(path, "") not in ("", after.checksums[path])]
    return (*sections, *files)


def zone_warnings(config: Config) -> tuple[str, ...]:
    """Return a warning for every organization without a time zone."""
    return tuple(
        f"companies[{index}].orgs[{place}]: {company.name}/{org.name} has {NO_ZONE}"
        for index, company in enumerate(config.companies or ())
        for place, org in enumerate(company.orgs or ())
        if org.timezone is None and not config.discovery.enabled
    )


def timeout_warnings(config: Config) -> tuple[str, ...]:
    """Return a warning for every interval that is shorter than the time for one poll."""
    of_orgs = (
        (f"companies[{index}].orgs[{place}].interval", org.interval_seconds)
        for index, company in enumerate(config.companies or ())
        for place, org in enumerate(company.orgs or ())
    )
    return tuple(
        f"{path}: {format_duration(seconds)} is {LONG_TIMEOUT}"
        for path, seconds in (("poll.interval", config.poll.interval_seconds), *of_orgs)
        if seconds is not None and seconds < config.vspark.timeout_seconds
    )


def checksum(path: Path) -> str:
    """Return a checksum of a file's content; empty if it is not a regular file or cannot be read.

    Of a file that is too large for a configuration, only the beginning counts.
    """
    try:
        if not path.is_file():  # the content of a pipe can be read only once, and not here
            return ""
        with path.open("rb") as file:
            return hashlib.blake2b(file.read(LARGEST_CONFIG + 1), key=_CHECKSUM_KEY).hexdigest()
    except OSError:
        return ""
