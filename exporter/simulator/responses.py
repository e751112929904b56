"""The responses to `/stats`, `/list` and `/config`, and which token gets them; without HTTP.

Texts and statuses of rejections are those documented for `/request` and `/transcribe` of the same server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from exporter.simulator import daterange
from exporter.simulator.calls import FolderCalls, folder_calls, share_of_day
from exporter.simulator.site import Company, Folder, Org, Site

HISTORY_DAYS = 400
"""V-Spark forgets older calls."""


class Rejection(Exception):  # noqa: N818 - a response, not an error of this program
    """A response other than success: its HTTP status and the text of its body."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Access:
    """What a valid token gives access to."""

    site: Site
    companies: tuple[Company, ...]

    def company(self, name: str) -> Company:
        """Return a company by its short name; raise Rejection if it does not exist or the token is not valid for it."""
        found = next((company for company in self.site.companies if company.name == name), None)
        if found is None:
            raise Rejection(404, "Company not found")
        if found not in self.companies:
            raise Rejection(400, "Auth token doesn't match")
        return found

    def org(self, company: str, name: str) -> Org:
        """Return an org by its short name; raise Rejection if it does not exist or the token is not valid for it."""
        for org in self.company(company).orgs:
            if org.name == name:
                return org
        raise Rejection(404, f"Organization {name} not found")

    def folder(self, company: str, org: str, name: str) -> Folder:
        """Return a folder by its name; raise Rejection if it does not exist or the token is not valid for it."""
        for folder in self.org(company, org).folders:
            if folder.name == name:
                return folder
        raise Rejection(404, f"Folder {name} not found")


def access(site: Site, token: str | None) -> Access:
    """Return what a token gives access to; raise Rejection if it is missing or unknown."""
    if not token:
        raise Rejection(400, 'Missing "token" field')
    if token == site.root_token:
        return Access(site, site.companies)
    for company in site.companies:
        if token == company.token:
            return Access(site, (company,))
    raise Rejection(400, "Invalid token was provided")


def stats(site: Site, org: Org, folders: Sequence[Folder], now: datetime, dates: str | None) -> list[FolderCalls]:
    """Return the calls until `now` (aware) by day and folder, without the days that have none.

    `dates` is the parameter `daterange`; without it, today in the org's time zone.
    """
    zone = org.zone
    now = now.astimezone(UTC).replace(microsecond=0)
    today = now.astimezone(zone).date()
    requested = daterange.parse(f"{today:%Y%m%d}" if dates is None else dates, today)
    if requested is None:
        return []
    first = max(requested.start.date(), org.created, today - timedelta(days=HISTORY_DAYS))
    last = min(requested.end.date(), today)
    if last < first:
        return []
    begin = _instant(zone, max(requested.start, datetime.combine(first, time())))
    end = now - site.transcription
    if requested.end.date() <= today:
        end = min(_instant(zone, requested.end) + timedelta(seconds=1), end)
    found = []
    for day in (first + timedelta(days=number) for number in range((last - first).days + 1)):
        since, until = share_of_day(zone, day, begin), share_of_day(zone, day, end)
        calls = (
            folder_calls(site, org, folder, day, since=since, until=min(until, _silence(folder, zone, day)))
            for folder in folders
        )
        found += [one for one in calls if one.calls]
    return found


def config_of(company: Company) -> dict[str, dict[str, Any]]:
    """Return the configuration of a company's orgs, the response of `/config/CO/orgs`."""
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


def _silence(folder: Folder, zone: ZoneInfo, day: date) -> float:
    """Return the part of the day after which a folder is silent, 1 if it is not."""
    return 1.0 if folder.silent_since is None else share_of_day(zone, day, folder.silent_since)


def _instant(zone: ZoneInfo, local: datetime) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)
