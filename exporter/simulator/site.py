"""A site: its companies, their orgs and the folders that calls arrive in, all immutable; and two ready sites."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and the calls that arrive in it.

    `calls_per_day` is the volume of an average weekday. `agents` are the agent ids of the calls; if empty, calls carry
    none. `mean_seconds` is the mean duration of a call. `weekend_share` is the volume of a Saturday relative to a
    weekday; Sunday has half of it, or the same around the clock. `absent_share` is the part of the agents that is
    absent on a given day. From `silent_since` (aware) on, no calls arrive.
    """

    name: str
    calls_per_day: int
    agents: tuple[str, ...] = ()
    mean_seconds: int = 300
    around_the_clock: bool = False
    weekend_share: float = 0.3
    absent_share: float = 0.08
    silent_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Org:
    """An org; `name` is its short name, `timezone` a name of the tz database, `created` its first day with calls."""

    name: str
    timezone: str
    folders: tuple[Folder, ...]
    long_name: str = ""
    created: date = date(2017, 5, 18)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the org's days."""
        return ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class Company:
    """A company by its short name; its token is valid for its own orgs only."""

    name: str
    token: str = field(repr=False)
    orgs: tuple[Org, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """An installation; the root token is valid for every company, and every number depends on `seed`.

    A call is counted `transcription` after it has arrived, so the calls of an evening may be counted on the next day.
    """

    companies: tuple[Company, ...]
    root_token: str = field(default="demo-root-token", repr=False)
    seed: int = 1
    transcription: timedelta = timedelta()


def demo_site(seed: int = 1) -> Site:
    """Return four companies around the world; at any hour, calls arrive in one of them."""
    return Site(
        companies=(
            Company(
                "DocTestCo",
                "demo-doctestco-token",
                orgs=(
                    Org(
                        name="DocTestCo-DocTesting",
                        long_name="Doc Testing",
                        timezone="US/Eastern",
                        folders=(
                            Folder("Test01", 240, _agents("a", 6)),
                            Folder("Test02", 90, _agents("a", 3), mean_seconds=410),
                            Folder("Sales East", 3200, _agents("east", 60), mean_seconds=265),
                        ),
                    ),
                    Org(
                        name="DocTestCo-West",
                        long_name="West Coast",
                        timezone="US/Pacific",
                        folders=(
                            Folder("Sales West", 1800, _agents("west", 34), mean_seconds=280),
                            Folder("Voicemail", 150, mean_seconds=45, around_the_clock=True, weekend_share=0.9),
                        ),
                    ),
                ),
            ),
            Company(
                "Nordwind",
                "demo-nordwind-token",
                orgs=(
                    Org(
                        name="Nordwind-Service",
                        long_name="Nordwind Kundenservice",
                        timezone="Europe/Berlin",
                        folders=(
                            Folder("Kundenservice Süd", 2600, _agents("s", 45), mean_seconds=330),
                            Folder("Rückfragen & Lob", 310, _agents("s", 8), mean_seconds=190, weekend_share=0.0),
                            Folder(
                                "Störungsannahme",
                                4000,
                                _agents("n", 72),
                                mean_seconds=240,
                                around_the_clock=True,
                                weekend_share=0.8,
                            ),
                            Folder("Zentrale", 700, mean_seconds=75),
                        ),
                    ),
                ),
            ),
            Company(
                "LotusTravel",
                "demo-lotustravel-token",
                orgs=(
                    Org(
                        name="LotusTravel-Bookings",
                        long_name="Bookings",
                        timezone="Asia/Kolkata",
                        folders=(
                            Folder("New bookings", 2900, _agents("lt", 50), mean_seconds=420, weekend_share=0.9),
                            Folder("Changes & refunds", 1500, _agents("lt", 28), mean_seconds=510, weekend_share=0.9),
                        ),
                    ),
                ),
            ),
            Company(
                "KauriBank",
                "demo-kauribank-token",
                orgs=(
                    Org(
                        name="KauriBank-Cards",
                        long_name="Cards",
                        timezone="Pacific/Auckland",
                        folders=(
                            Folder("Lost cards", 2400, _agents("k", 40), 200, around_the_clock=True, weekend_share=0.9),
                            Folder("Credit limits", 420, _agents("k", 9), mean_seconds=360, weekend_share=0.0),
                        ),
                    ),
                ),
            ),
        ),
        seed=seed,
    )


def wide_site(orgs: int, folders: int, agents: int, *, seed: int = 1) -> Site:
    """Return one company with `orgs` orgs of `folders` folders of `agents` agents each, all in UTC.

    No agent is absent and weekends are as busy as weekdays, so that every agent has calls from 21:00 on.
    """
    ids = tuple(f"a{number:04}" for number in range(1, agents + 1))
    each = tuple(
        Folder(f"Folder{number:03}", 40 * agents or 40, ids, weekend_share=1.0, absent_share=0.0)
        for number in range(1, folders + 1)
    )
    return Site(
        companies=(
            Company(
                "WideCo",
                "demo-wideco-token",
                orgs=tuple(Org(f"WideCo-Org{number:03}", "UTC", each) for number in range(1, orgs + 1)),
            ),
        ),
        seed=seed,
    )


def _agents(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number:02}" for number in range(1, count + 1))
