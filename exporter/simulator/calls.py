"""The calls that have arrived: a pure function of the site's seed, a folder, a day and the part of it that is over.

Every agent has a number of calls for the whole day, and they arrive along the curve of the agent's shift. A folder
whose calls carry no agent id counts as one agent. So counts start at 0 and never decrease, and no state is kept.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import cache
from hashlib import blake2b
from itertools import accumulate, cycle
from math import exp, sin
from zoneinfo import ZoneInfo

from exporter.simulator.site import Folder, Org, Site

_SLICES = 96
"""A curve has a point every quarter of an hour and is linear in between."""


@dataclass(frozen=True, slots=True)
class AgentCalls:
    """The calls of one agent; `seconds` is the sum of their durations."""

    agent: str
    calls: int
    seconds: int


@dataclass(frozen=True, slots=True)
class FolderCalls:
    """The calls of one folder on one day; `seconds` is the sum of their durations, `agents` are those with calls."""

    day: date
    folder: str
    calls: int
    seconds: int
    agents: tuple[AgentCalls, ...]


class Shift(Enum):
    """The hours of the day in which an agent takes calls; the night shift covers both ends of a day."""

    EARLY = (6.5, 15.0)
    LATE = (11.5, 20.5)
    NIGHT = (20.0, 7.0)
    OFFICE = (6.5, 20.5)
    ALL_DAY = (0.0, 24.0)

    def covers(self, hour: float) -> bool:
        """Return whether calls are taken at this hour of the day."""
        begin, end = self.value
        return begin <= hour < end if begin < end else hour >= begin or hour < end


def folder_calls(
    site: Site, org: Org, folder: Folder, day: date, *, since: float = 0.0, until: float = 1.0
) -> FolderCalls:
    """Return the calls between two points in a day; each is the part of the day that is over, from 0 to 1."""
    key = f"{site.seed}/{org.name}/{folder.name}"
    volume = folder.calls_per_day * _weekday_factor(folder, day) * (0.9 + 0.2 * _draws(f"{key}/{day}")[0])
    rota = _rota(folder)
    share = volume / (len(folder.agents) or 1) * len(rota) / sum(_busyness(shift) for shift in rota)
    agents = []
    for agent, shift in zip(folder.agents or ("",), cycle(rota), strict=False):
        usual, pace, _, _ = _draws(f"{key}//{agent}")
        today, phase, wave, luck = _draws(f"{key}/{day}/{agent}")
        if luck < folder.absent_share and folder.agents:
            continue
        whole_day = round(share * _busyness(shift) * (0.7 + 0.4 * usual + 0.2 * today))
        before = int(whole_day * _arrived(shift, since) + phase)
        after = int(whole_day * _arrived(shift, until) + phase)
        if after > before:
            mean = folder.mean_seconds * (0.8 + 0.4 * pace)
            agents.append(AgentCalls(agent, after - before, _talked(mean, wave, after) - _talked(mean, wave, before)))
    return FolderCalls(
        day,
        folder.name,
        sum(agent.calls for agent in agents),
        sum(agent.seconds for agent in agents),
        tuple(agents) if folder.agents else (),
    )


def share_of_day(zone: ZoneInfo, day: date, instant: datetime) -> float:
    """Return the part of `day` in `zone` that is over at `instant` (aware), from 0 to 1.

    It is elapsed time, not local time, which goes back once a year.
    """
    begin, end = midnight(zone, day), midnight(zone, day + timedelta(days=1))
    return min(max((instant - begin) / (end - begin), 0.0), 1.0)


def midnight(zone: ZoneInfo, day: date) -> datetime:
    """Return the instant, in UTC, at which `day` begins in `zone`."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _rota(folder: Folder) -> tuple[Shift, ...]:
    """Return the shifts of a folder; the first agent has the first one, and so on in turns."""
    if not folder.agents:
        return (Shift.ALL_DAY if folder.around_the_clock else Shift.OFFICE,)
    return (Shift.EARLY, Shift.LATE, Shift.EARLY, Shift.LATE, Shift.NIGHT)[: 5 if folder.around_the_clock else 2]


def _weekday_factor(folder: Folder, day: date) -> float:
    saturday = folder.weekend_share
    sunday = saturday if folder.around_the_clock or saturday >= 1 else saturday / 2
    return (1.1, 1.05, 1.0, 1.0, 0.9, saturday, sunday)[day.weekday()]


def _draws(key: str) -> tuple[float, float, float, float]:
    """Return four numbers from 0 to below 1 that depend on the key only, the same in every process."""
    one, two, three, four = struct.unpack("<4I", blake2b(key.encode(), digest_size=16).digest())
    return one / 2**32, two / 2**32, three / 2**32, four / 2**32


def _talked(mean_seconds: float, wave: float, calls: int) -> int:
    """Return the total duration of the first `calls` calls.

    Long and short calls alternate: each has between 0.3 and 1.7 times the mean.
    """
    return round(mean_seconds * (calls + sin(0.7 * calls + 6.28 * wave) - sin(6.28 * wave)))


def _arrived(shift: Shift, share_of_day: float) -> float:
    """Return the part of a shift's calls that has arrived when this part of the day is over, from 0 to 1."""
    position = share_of_day * _SLICES
    index = min(int(position), _SLICES - 1)
    curve = _curve(shift)
    return curve[index] + (curve[index + 1] - curve[index]) * (position - index)


@cache
def _curve(shift: Shift) -> tuple[float, ...]:
    """Return the part of a shift's calls that has arrived at the start of the day and at the end of each slice."""
    sums = list(accumulate(_density(shift)))
    return (0.0, *(part / sums[-1] for part in sums))


@cache
def _busyness(shift: Shift) -> float:
    """Return how many calls arrive during a shift, relative to other shifts."""
    return sum(_density(shift))


def _density(shift: Shift) -> list[float]:
    """Return how busy each slice of the day is: peaks in the morning and in the afternoon, little at night."""
    hours = [(index + 0.5) * 24 / _SLICES for index in range(_SLICES)]
    return [
        0.1 + exp(-(((hour - 10.25) / 1.8) ** 2)) + 0.8 * exp(-(((hour - 15) / 2.2) ** 2))
        if shift.covers(hour)
        else 0.0
        for hour in hours
    ]
