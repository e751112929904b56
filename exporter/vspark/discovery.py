"""Discovery: the companies, orgs, folders and time zones that the configuration leaves out, requested from V-Spark.

Facts: V-Spark API reference, `/list` and `/config`. A company token may list its own company only. So each company is
requested with its own token, and with the token under `vspark` only if it has none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from exporter.config.discovered import NOTHING_KNOWN, Discovered, DiscoveredOrg, NameFilter
from exporter.config.schema import Config, Org
from exporter.config.tokens import TokenSource
from exporter.errors import PollError, TokenError
from exporter.vspark.listings import Listing, read_names, read_zones

Get = Callable[[Sequence[str], TokenSource], Awaitable[bytes]]
"""Requests the path of these segments with a token, and returns the body. Raises PollError."""

COMPANIES: Final = ""
"""Stands for the list of companies where a company is named."""

_Value = TypeVar("_Value")


class Outcome(NamedTuple):
    """What one discovery found.

    `failures` has each company whose discovery failed, with its first error; `COMPANIES` is the list of companies.
    `succeeded` has the others. `left_out` says which names and time zones of V-Spark's were left out, and why.
    """

    discovered: Discovered
    failures: Mapping[str, PollError]
    succeeded: frozenset[str]
    left_out: tuple[str, ...]


async def discover(config: Config, before: Discovered, get: Get, *, concurrency: int) -> Outcome:
    """Request what `config` leaves out, with at most `concurrency` requests at a time.

    What a failed request would have said is taken from `before`.
    """
    return await _Discovery(config, before, get, concurrency).run()


class _Discovery:
    def __init__(self, config: Config, before: Discovered, get: Get, concurrency: int) -> None:
        self._config = config
        self._before = before
        self._get = get
        self._slots = asyncio.Semaphore(concurrency)
        self._filter = NameFilter(config.discovery.include, config.discovery.exclude)
        self._failures: dict[str, PollError] = {}
        self._left_out: list[str] = []

    async def run(self) -> Outcome:
        vspark, configured = self._config.vspark, self._config.companies
        listed: tuple[str, ...] = ()
        if configured is None:
            companies = await self._names(COMPANIES, (), ("list",), vspark.token_source)
            listed = self._before.listed if companies is None else companies
        tokens = dict.fromkeys(listed, vspark.token_source) | {
            company.name: company.token_source or vspark.token_source for company in configured or ()
        }
        orgs_in_file = {company.name: company.orgs for company in configured or ()}
        found = await asyncio.gather(
            *(self._company(name, token, orgs_in_file.get(name)) for name, token in tokens.items())
        )
        requested = {*tokens, *([COMPANIES] if configured is None else [])}
        return Outcome(
            Discovered(dict(zip(tokens, found, strict=True)), listed),
            self._failures,
            frozenset(requested - self._failures.keys()),
            tuple(self._left_out),
        )

    async def _company(
        self, company: str, token: TokenSource | None, orgs_in_file: Sequence[Org] | None
    ) -> dict[str, DiscoveredOrg]:
        before = self._before.companies.get(company, {})
        zones = await self._requested(company, ("config", company, "orgs"), token, read_zones)
        if orgs_in_file is not None:
            orgs = tuple(org.name for org in orgs_in_file)
        else:
            listed = await self._names(company, (company,), ("list", company, "orgs"), token)
            orgs = tuple(before) if listed is None else listed
        with_folders = {org.name for org in orgs_in_file or () if org.folders is not None}
        to_list = [org for org in orgs if org not in with_folders]
        folders = dict(
            zip(
                to_list,
                await asyncio.gather(
                    *(self._names(company, (company, org), ("list", company, org, "folders"), token) for org in to_list)
                ),
                strict=True,
            )
        )
        found = {}
        for org in orgs:
            known, names = before.get(org, NOTHING_KNOWN), folders.get(org)
            found[org] = DiscoveredOrg(
                known.zone if zones is None else zones.get(org),
                known.folders if names is None else frozenset(names),
            )
        return found

    async def _names(
        self, company: str, above: Sequence[str], path: Sequence[str], token: TokenSource | None
    ) -> tuple[str, ...] | None:
        """Return the names in a response of `/list` that the patterns allow below `above`; None after a failure."""
        names = await self._requested(company, path, token, read_names)
        return None if names is None else tuple(name for name in names if self._filter.allows(*above, name))

    async def _requested(
        self, company: str, path: Sequence[str], token: TokenSource | None, read: Callable[[bytes], Listing[_Value]]
    ) -> _Value | None:
        """Return what a response lists; None after a failure, which is the company's if it is its first."""
        try:
            if token is None:
                raise TokenError("no token is configured for this request")
            async with self._slots:
                value, left_out = read(await self._get(path, token))
        except PollError as error:
            self._failures.setdefault(company, error)
            return None
        self._left_out += [f"/{'/'.join(path)}: {problem}" for problem in left_out]
        return value
