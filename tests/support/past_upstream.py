"""A V-Spark of past days without HTTP: what it has, how it fails, and what was requested."""

import json
from collections.abc import Callable
from datetime import date

from exporter.backfill.days import Span
from exporter.config.targets import Target
from exporter.errors import PollError

Failing = Callable[[Target, Span], PollError | None]


class PastUpstream:
    """Responds with `records`: calls by org, folder and day. `failing` returns the failure of a request, if any."""

    def __init__(self, records: dict[tuple[str, str, date], int], failing: Failing = lambda *_: None) -> None:
        self.requests: list[str] = []
        self._records = records
        self._failing = failing

    async def fetch(self, target: Target, day: date | None, last_day: date | None = None) -> bytes:
        assert day is not None
        days = Span(day, last_day or day)
        self.requests.append(f"{target.name} {days}")
        if (error := self._failing(target, days)) is not None:
            raise error
        body = [
            {
                "date": of.isoformat(),
                "folder": folder,
                "calls": calls,
                "avgduration": 30,
                "agents": {"b": 1, "a": calls},
            }
            for (org, folder, of), calls in self._records.items()
            if org == target.org and target.folder in (None, folder) and days.first <= of <= days.last
        ]
        return json.dumps(body).encode()
