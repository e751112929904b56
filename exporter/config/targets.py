"""The requests to send: one for each named folder, one for each organization without named folders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from exporter.config.discovered import NOTHING, Discovered, DiscoveredOrg, NameFilter
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
    `vspark_zone` is the org's time zone in V-Spark, None if it is unknown. For a whole organization, `folders` are the
    ones that V-Spark lists, None if they are unknown, and `folder_filter` says which of them count, None if all do.
    The previous day is polled until `previous_day_seconds` after the org's midnight, 0: never.
    """

    company: str
    org: str
    folder: str | None
    zone: ZoneInfo | None
    interval_seconds: float
    stale_after_seconds: float
    token: TokenSource
    vspark_zone: ZoneInfo | None = None
    folders: frozenset[str] | None = None
    folder_filter: NameFilter | None = None
    previous_day_seconds: float = 0.0

    @property
    def name(self) -> str:
        """The name for people: `company/org/folder`, without the folder for a whole organization."""
        return "/".join(filter(None, (self.company, self.org, self.folder)))

    def counts(self, folder: str) -> bool:
        """Return whether a folder of a response counts; the others are left out."""
        return self.folder_filter is None or self.folder_filter.allows(self.company, self.org, folder)


def make_targets(config: Config, discovered: Discovered | None = NOTHING) -> tuple[Target, ...]:
    """Return every target of `config`, in its order, and then in V-Spark's.

    `discovered` fills in what `config` leaves out. None means that discovery has not been tried yet: then orgs without
    a time zone in `config` have no target, because they would be polled for the wrong day.
    """
    known = discovered or NOTHING
    companies = config.companies
    if companies is None:
        companies = tuple(Company(name=name) for name in known.listed)
    return tuple(
        _target(config, company, org, folder, known.org(company.name, org.name))
        for company in companies
        for org in _orgs(company, known)
        if discovered is not None or org.timezone is not None
        for folder in org.folders or (None,)
    )


def _orgs(company: Company, discovered: Discovered) -> Iterable[Org]:
    if company.orgs is not None:
        return company.orgs
    return (Org(name=name) for name in discovered.companies.get(company.name, ()))


def _target(config: Config, company: Company, org: Org, folder: str | None, discovered: DiscoveredOrg) -> Target:
    token = company.token_source or config.vspark.token_source
    if token is None:
        raise ValueError(f"no token for {company.name}: a Config that load_config returns always has one")
    interval_seconds = float(org.interval_seconds or config.poll.interval_seconds)
    patterns = NameFilter(config.discovery.include, config.discovery.exclude)
    return Target(
        company=company.name,
        org=org.name,
        folder=folder,
        zone=ZoneInfo(org.timezone) if org.timezone else discovered.zone,
        interval_seconds=interval_seconds,
        stale_after_seconds=float(config.poll.stale_after_seconds or _STALE_AFTER_INTERVALS * interval_seconds),
        token=token,
        vspark_zone=discovered.zone,
        folders=discovered.folders if folder is None else None,
        folder_filter=patterns if folder is None and patterns != NameFilter() else None,
        previous_day_seconds=float(config.poll.previous_day_seconds),
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
