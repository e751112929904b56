"""What a configuration file comes to: the targets of this instance, and what of it may change without a trace in it."""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from exporter.config.client_tls import tls_context
from exporter.config.schema import Config, load_config
from exporter.config.targets import Target, make_targets, shard
from exporter.runtime.files import LARGEST_CONFIG

_CHECKSUM_KEY: Final = secrets.token_bytes(16)
"""Of this process only: a checksum that somebody gets to see says nothing about a key's file."""


class Share(NamedTuple):
    """Which part of the targets is polled by this instance: number `shard`, from 0, of `total_shards`."""

    shard: int = 0
    total_shards: int = 1


ALL: Final = Share()

NO_ZONE: Final = "no time zone, so no date is sent and the server's today counts"


class LoadedConfig(Struct, frozen=True):
    """A configuration and its targets; `checksums` are those of its file and of the files that are read with it.

    The tokens' files are not among them: they are read again whenever they have changed.
    """

    config: Config
    targets: tuple[Target, ...]
    checksums: Mapping[Path, str]

    @property
    def connection(self) -> tuple[object, ...]:
        """What the connections to V-Spark depend on."""
        vspark = self.config.vspark
        without_token = msgspec.structs.replace(vspark, token=None, token_file=None, token_env=None)
        tls = vspark.tls
        files = [self.checksums.get(each) for each in (tls.ca_file, tls.cert_file, tls.key_file) if each is not None]
        return without_token, self.config.poll.concurrency, files

    @property
    def showing(self) -> tuple[object, ...]:
        """What depends on the rules for which agents are shown, and how."""
        agents = self.config.agents
        return agents, self.checksums.get(agents.hash_key_file) if agents.hash_key_file else None


def differences(before: LoadedConfig, after: LoadedConfig) -> tuple[str, ...]:
    """Name the sections of the configuration that are not the same in both, and the files that it names."""
    was, now = before.config, after.config
    sections = [each for each in Config.__struct_fields__ if getattr(was, each) != getattr(now, each)]
    named = list(after.checksums)[1:]
    files = [str(path) for path in named if before.checksums.get(path, "") not in ("", after.checksums[path])]
    return (*sections, *files)


def make_plan(config: Config, share: Share = ALL, checksums: Mapping[Path, str] | None = None) -> LoadedConfig:
    """Give the plan of a configuration."""
    return LoadedConfig(config, shard(make_targets(config), *share), checksums or {})


def load_plan(path: Path, share: Share = ALL) -> LoadedConfig:
    """Give the plan of the configuration in the file `path`.

    Raises ConfigErrors, alone or in an ExceptionGroup, where it cannot be accepted.
    """
    read = checksum(path)  # before it is read: a change in between is then seen the next time
    config = load_config(path)
    tls = config.vspark.tls
    tls_context(tls)
    named = (tls.ca_file, tls.cert_file, tls.key_file, config.agents.hash_key_file)
    return make_plan(config, share, {path: read} | {each: checksum(each) for each in named if each is not None})


def zone_warnings(config: Config) -> tuple[str, ...]:
    """Give a line for the log for every organization without a time zone."""
    return tuple(
        f"companies[{index}].orgs[{place}]: {company.name}/{org.name} has {NO_ZONE}"
        for index, company in enumerate(config.companies)
        for place, org in enumerate(company.orgs)
        if org.timezone is None
    )


def checksum(path: Path) -> str:
    """Give a number for a file's content, symbolic links followed; empty where it is no file, or cannot be read.

    Of a file that is too large for a configuration only as much counts as says so.
    """
    try:
        if not path.is_file():  # what comes through a pipe can be read once only, and not here
            return ""
        with path.open("rb") as file:
            return hashlib.blake2b(file.read(LARGEST_CONFIG + 1), key=_CHECKSUM_KEY).hexdigest()
    except OSError:
        return ""
