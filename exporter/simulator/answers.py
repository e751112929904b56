"""What V-Spark knows and whom it tells: `/stats`, `/list` and `/config`, without HTTP.

Texts and statuses of refusals are those documented for `/request` and `/transcribe` of the same server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from exporter.simulator import daterange
from exporter.simulator.calls import FolderCalls, folder_calls, share_of_day
from exporter.simulator.site import Company, Folder, Org, Site

HISTORY_DAYS = 400
"""Calls older than this are gone."""


class Refusal(Exception):  # noqa: N818 - an answer, not an error of this program
    """An answer that is no success: an HTTP status and the text of its body."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a valid token, and the companies it opens."""

    site: Site
    companies: tuple[Company, ...]

    def company(self, name: str) -> Company:
        """Return the company of this short name; raise Refusal where there is none or the token is another's."""
        found = next((company for company in self.site.companies if company.name == name), None)
        if found is None:
            raise Refusal(404, "Company not found")
        if found not in self.companies:
            raise Refusal(400, "Auth token doesn't match")
        return found

    def org(self, company: str, name: str) -> Org:
        """Return the organization of this short name; raise Refusal where there is none or it is another's."""
        for org in self.company(company).orgs:
            if org.name == name:
                return org
        raise Refusal(404, f"Organization {name} not found")

    def folder(self, company: str, org: str, name: str) -> Folder:
        """Return the folder of this name; raise Refusal where there is none or it is another's."""
        for folder in self.org(company, org).folders:
            if folder.name == name:
                return folder
        raise Refusal(404, f"Folder {name} not found")


def admit(site: Site, token: str | None) -> Visitor:
    """Return the one who has this token; raise Refusal for a missing or unknown token."""
    if not token:
        raise Refusal(400, 'Missing "token" field')
    if token == site.root_token:
        return Visitor(site, site.companies)
    for company in site.companies:
        if token == company.token:
            return Visitor(site, (company,))
    raise Refusal(400, "Invalid token was provided")


def stats(site: Site, org: Org, folders: Sequence[Folder], now: datetime, asked_range: str | None) -> list[FolderCalls]:
    """Return the days with calls, by day and folder, until `now` (aware); without a range: today in the org's zone."""
    zone = org.zone
    now = now.astimezone(UTC).replace(microsecond=0)
    today = now.astimezone(zone).date()
    asked = daterange.parse(f"{today:%Y%m%d}" if asked_range is None else asked_range, today)
    if asked is None:
        return []
    first = max(asked.start.date(), org.created, today - timedelta(days=HISTORY_DAYS))
    last = min(asked.end.date(), today)
    if last < first:
        return []
    begin = _instant(zone, max(asked.start, datetime.combine(first, time())))
    end = now if asked.end.date() > today else min(_instant(zone, asked.end) + timedelta(seconds=1), now)
    found = []
    for day in (first + timedelta(days=number) for number in range((last - first).days + 1)):
        since, until = share_of_day(zone, day, begin), share_of_day(zone, day, end)
        calls = (folder_calls(site, org, folder, day, since=since, until=until) for folder in folders)
        found += [one for one in calls if one.calls]
    return found


def config_of(company: Company) -> dict[str, dict[str, Any]]:
    """Return the configuration of a company's organizations, as `/config/CO/orgs` does."""
    return {
        org.name: {
            "company": company.name,
            "created": org.created.isoformat(),
            "name": org.long_name or org.name,
            "retention": -1,
            "status": "OK",
            "timezone": org.timezone,
        }
        for org in company.orgs
    }


def _instant(zone: ZoneInfo, local: datetime) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)
