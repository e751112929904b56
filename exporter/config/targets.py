"""The requests to send: one for each named folder, one for each organization without named folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from exporter.config.schema import Company, Config, Org
from exporter.config.tokens import TokenSource

_STALE_AFTER_INTERVALS: Final = 5
_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_64_BITS: Final = 2**64 - 1


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Target:
    """One request that is sent again and again; a `folder` of None requests the whole organization.

    Without a `zone`, no date is sent. The series are removed `stale_after_seconds` after the last success.
    """

    company: str
    org: str
    folder: str | None
    zone: ZoneInfo | None
    interval_seconds: float
    stale_after_seconds: float
    token: TokenSource

    @property
    def name(self) -> str:
        """The name for people: `company/org/folder`, without the folder for a whole organization."""
        return "/".join(filter(None, (self.company, self.org, self.folder)))


def make_targets(config: Config) -> tuple[Target, ...]:
    """Return every target of `config`, in its order."""
    return tuple(
        _target(config, company, org, folder)
        for company in config.companies
        for org in company.orgs
        for folder in org.folders or (None,)
    )


def _target(config: Config, company: Company, org: Org, folder: str | None) -> Target:
    token = company.token_source or config.vspark.token_source
    if token is None:
        raise ValueError(f"no token for {company.name}: a Config that load_config returns always has one")
    interval_seconds = float(org.interval_seconds or config.poll.interval_seconds)
    return Target(
        company=company.name,
        org=org.name,
        folder=folder,
        zone=ZoneInfo(org.timezone) if org.timezone else None,
        interval_seconds=interval_seconds,
        stale_after_seconds=float(config.poll.stale_after_seconds or _STALE_AFTER_INTERVALS * interval_seconds),
        token=token,
    )


def stable_hash(target: Target) -> int:
    """Return a number below 2**64 for the target's names, the same in every process."""
    # No name contains a NUL, so no two targets have the same text.
    return _fnv1a("\0".join((target.company, target.org, target.folder or "")).encode())


def _fnv1a(data: bytes) -> int:
    number = _FNV_OFFSET
    for byte in data:
        number = (number ^ byte) * _FNV_PRIME & _64_BITS
    return number


def shard(targets: Sequence[Target], shard: int, total_shards: int) -> tuple[Target, ...]:
    """Return the targets of the instance `shard` (from 0) of `total_shards`, as kube-state-metrics does.

    A target is in exactly one shard. From n to n+1 shards, one of n+1 targets moves, always to the new shard.
    """
    return tuple(target for target in targets if _jump_hash(stable_hash(target), total_shards) == shard)


def _jump_hash(key: int, buckets: int) -> int:
    """Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm" (arXiv:1406.2294)."""
    bucket, next_bucket = -1, 0
    while next_bucket < buckets:
        bucket = next_bucket
        key = (key * 2862933555777941757 + 1) & _64_BITS
        next_bucket = int((bucket + 1) * (2**31 / ((key >> 33) + 1)))
    return bucket
