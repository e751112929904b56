"""What V-Spark itself says about its companies, orgs, folders and time zones. `vspark.discovery` makes these values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct


@dataclass(frozen=True)
class NameFilter:
    """The patterns of `discovery.include` and `discovery.exclude`, each for a whole name such as `company/org`."""

    include: str = ".*"
    exclude: str = ""

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
        return re.compile(self.include), re.compile(self.exclude) if self.exclude else None

    def allows(self, *names: str) -> bool:
        """Return whether the name of these parts is included and not excluded."""
        include, exclude = self._patterns
        name = "/".join(names)
        return bool(include.fullmatch(name)) and not (exclude and exclude.fullmatch(name))


class DiscoveredOrg(Struct, frozen=True):
    """An org; `zone` is None if V-Spark names none that is known, `folders` is None if they were not listed."""

    zone: ZoneInfo | None = None
    folders: frozenset[str] | None = None


class Discovered(Struct, frozen=True):
    """Everything that is known by now: the orgs of each company, by their short names.

    `listed` are the companies that V-Spark lists for the token under `vspark`, in its order; empty if the configuration
    names the companies.
    """

    companies: Mapping[str, Mapping[str, DiscoveredOrg]]
    listed: tuple[str, ...] = ()

    def org(self, company: str, org: str) -> DiscoveredOrg:
        """Return what is known of an org, which may be nothing."""
        return self.companies.get(company, {}).get(org, NOTHING_KNOWN)


NOTHING_KNOWN: Final = DiscoveredOrg()
NOTHING: Final = Discovered({})
"""No discovery has succeeded."""
