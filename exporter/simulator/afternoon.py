"""The demo's site, moved to where it is afternoon: its clock is the real one, so its orgs have to be elsewhere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from exporter.simulator.calls import midnight
from exporter.simulator.site import Org, Site, demo_site

HOURS = {
    "DocTestCo-DocTesting": 15,
    "DocTestCo-West": 14,
    "Nordwind-Service": 17,
    "LotusTravel-Bookings": 16,
    "KauriBank-Cards": 13,
}
"""The hour of the day in each org."""
SILENT_ORG, SILENT_FOLDER, SILENT_FROM = "Nordwind-Service", "Zentrale", timedelta(hours=11)

_ZONES = (
    *("Pacific/Pago_Pago", "Pacific/Honolulu", "Pacific/Gambier", "Pacific/Pitcairn", "America/Phoenix"),
    *("America/Costa_Rica", "America/Bogota", "America/Puerto_Rico", "America/Sao_Paulo", "America/Noronha"),
    *("Atlantic/Cape_Verde", "Africa/Abidjan", "Africa/Lagos", "Africa/Johannesburg", "Africa/Nairobi"),
    *("Asia/Dubai", "Asia/Karachi", "Asia/Dhaka", "Asia/Bangkok", "Asia/Singapore", "Asia/Tokyo"),
    *("Australia/Brisbane", "Pacific/Guadalcanal", "Pacific/Majuro"),
)
"""A zone for each offset from UTC, from -11 to 12 hours, in which the clocks never change."""
_FIRST_OFFSET = -11


def zone_at(hour: int, now: datetime) -> str:
    """Return a time zone in which it is `hour` o'clock, or up to an hour later, at `now` (aware)."""
    return _ZONES[(hour - now.astimezone(UTC).hour - _FIRST_OFFSET) % len(_ZONES)]


def afternoon_site(now: datetime, seed: int = 1) -> Site:
    """Return the site of `demo_site`, but with it being afternoon in every org, and one folder silent since 11:00."""
    site = demo_site(seed)
    companies = tuple(
        replace(company, orgs=tuple(_moved(org, now) for org in company.orgs)) for company in site.companies
    )
    return replace(site, companies=companies)


def _moved(org: Org, now: datetime) -> Org:
    org = replace(org, timezone=zone_at(HOURS[org.name], now))
    if org.name != SILENT_ORG:
        return org
    since = _midnight(org.zone, now) + SILENT_FROM
    folders = (
        replace(folder, silent_since=since) if folder.name == SILENT_FOLDER else folder for folder in org.folders
    )
    return replace(org, folders=tuple(folders))


def _midnight(zone: ZoneInfo, now: datetime) -> datetime:
    return midnight(zone, now.astimezone(zone).date())
