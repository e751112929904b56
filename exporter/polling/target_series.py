"""What is known and published of one target: its folders' figures, its day's counters, its polls.

Every method that takes a draft writes its changes there; what it writes is the table of situations in docs/metrics.md.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import msgspec
from msgspec import Struct

from exporter.config.targets import Target
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.families import (
    AGENT_AVERAGE,
    AGENT_CALLS,
    FOLDER_CALLS_TOTAL,
    FOLDER_VALUES,
    POLL_FAILURES,
    POLL_VALUES,
    FolderFigures,
    PollFigures,
    agent_columns,
)
from exporter.exposition.store import Draft
from exporter.exposition.text_format import agent_samples, label_text, sample
from exporter.polling.day_curve import DayCurve
from exporter.polling.org_day import OrgDay, midnight
from exporter.runtime.steps import Steps
from exporter.stats.changes import ChangeTracker, Contents
from exporter.stats.model import AgentDays, FolderDay
from exporter.stats.parser import Parser, Requested

_ABSENT_KEPT = 10_000
"""So many folders of a target are shown that its last answer does not name: V-Spark may name ever new ones."""

_PATIENCE_INTERVALS = 2
"""So many intervals after a success, what came in since is still counted to the half hour of the next one."""


class Taken(Struct, frozen=True):
    """What was read of one answer: its contents, and the figures of the folders that may have changed."""

    contents: Contents
    figures: dict[str, FolderFigures]


class TargetSeries:
    """The state of one target between its polls."""

    def __init__(self, target: Target, parser: Parser, rules: AgentRules, org_day: OrgDay) -> None:
        self.target = target
        self.polls = PollFigures()
        self.curve = DayCurve()
        """How the day's calls came in, where the time zone is known."""
        self._changes = ChangeTracker(parser)
        self._rules = rules
        self._org_day = org_day
        self._published: dict[str, FolderFigures] = {}
        self._last_named: dict[str, date] = {}
        self._calls_total: dict[str, int] = {}
        self._day: date | None = None
        self._came_back_to: date | None = None
        self._labels: dict[str, str] = {}
        self.has_values = False
        """Whether what an answer says is published, be it that there is no folder."""

    @property
    def folders(self) -> Mapping[str, FolderFigures]:
        """What is published of each folder now, as a copy."""
        return self._published.copy()

    def read(self, body: bytes, day: date | None, draft: Draft) -> Steps[Taken]:
        """Read an answer to a request for `day` (None: for the server's today), folder by folder.

        It yields where a pause may be made. Raises DecodeError. Until what it returns is settled, nothing is changed
        here, and the draft may be thrown away.
        """
        figures: dict[str, FolderFigures] = {}

        def put(folder_day: FolderDay) -> Steps[None]:
            figures[folder_day.folder] = yield from self._put_agents(folder_day, draft)

        contents = yield from self._changes.read(body, Requested(self.target.folder, day), put)
        return Taken(contents, figures)

    def settle(self, taken: Taken, day: date | None, now: float, draft: Draft) -> Steps[None]:
        """Make what was read of `day` the target's values; it yields where a pause may be made."""
        if day is not None and self._day is not None and day < self._day:
            self._came_back_to = day
        self._day = day
        today = day or datetime.fromtimestamp(now, UTC).date()
        named = taken.contents.folders
        yesterday = today - timedelta(days=1)
        absent = {each: last for each, last in self._last_named.items() if last >= yesterday and each not in named}
        forgotten = max(0, len(absent) - _ABSENT_KEPT)
        # In the order in which they were named last, so that those that are forgotten are the first.
        self._last_named = dict(islice(absent.items(), forgotten, None)) | dict.fromkeys(named, today)
        expected = {*self._last_named, *([self.target.folder] if self.target.folder is not None else [])}
        for folder in self._calls_total.keys() - expected:
            del self._calls_total[folder]
        for folder in sorted(expected | self._published.keys()):
            if folder not in expected:
                self._drop_folder(folder, draft)
            elif folder not in named:
                self._put_no_agents(folder, draft)
                self._put_folder(folder, FolderFigures(), day, draft)
            elif folder in taken.figures:
                self._put_folder(folder, taken.figures[folder], day, draft)
            yield
        self._org_day.put(self.target, day, draft)
        self.has_values = True

    def draw(self, taken: Taken, day: date | None, now: float, interval_seconds: float) -> Steps[None]:
        """Add what was settled to the day's curve; it yields where a pause may be made."""
        if self.target.zone is None or day is None:
            return
        self.curve.begin_poll(now, midnight(self.target.zone, day), _PATIENCE_INTERVALS * interval_seconds)
        self.curve.forget_others(self._last_named)
        for folder in taken.figures:
            self.curve.put(folder, self._calls_total.get(folder, 0))
            yield

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Change nothing here where the block, which settles and publishes, ends with an exception."""
        published, named, totals = self._published.copy(), self._last_named.copy(), self._calls_total.copy()
        has_values, org_day = self.has_values, self._org_day.state
        rest = self._day, self._came_back_to, self._rules
        try:
            yield
        except BaseException:
            self._published, self._last_named, self._calls_total = published, named, totals
            self.has_values, self._org_day.state = has_values, org_day
            self._day, self._came_back_to, self._rules = rest
            self.forget_answer()
            raise

    def drop_values(self, draft: Draft) -> Steps[None]:
        """Let the values go, since their day is over or they are too old; the poll metrics stay.

        It yields where a pause may be made.
        """
        for folder in sorted(self._published):
            self._drop_folder(folder, draft)
            yield
        self._org_day.put(self.target, None, draft)
        self.has_values = False
        self.forget_answer()

    def begin_day(self, draft: Draft) -> Steps[None]:
        """Let yesterday's values go and the counters begin anew; it yields where a pause may be made."""
        yield from self.drop_values(draft)
        self._calls_total.clear()
        self.curve.begin()

    def leave(self, draft: Draft) -> Steps[None]:
        """Let all series go, since the target has left the configuration; it yields where a pause may be made."""
        yield from self.drop_values(draft)
        for family in (*POLL_VALUES, POLL_FAILURES):
            draft.put(family, self._key(self.target.folder or ""), "")

    def follow(self, rules: AgentRules, now: float, draft: Draft) -> Steps[None]:
        """Show the last answer's agents by other rules; it yields where a pause may be made."""
        self._rules = rules
        last = self._changes.last
        self.forget_answer()
        if not self.has_values:
            return
        if last is None:  # whose agents may not be shown by these rules
            yield from self.drop_values(draft)
            return
        body, requested = last
        taken = yield from self.read(body, requested.day, draft)
        yield from self.settle(taken, requested.day, now, draft)

    def read_by(self, parser: Parser) -> None:
        """Read the next answer with another parser."""
        self._changes = ChangeTracker(parser)

    def forget_answer(self) -> None:
        """Read the next answer whole, because what came of the last one is not published."""
        self._changes.forget()

    def put_polls(self, draft: Draft) -> None:
        """Publish how the target's polls went."""
        key = (self.target.company, self.target.org, self.target.folder or "")
        labels = dict(zip(("company", "org", "folder"), key, strict=True))
        text = self._label_text(key[2])
        for family, value_of in POLL_VALUES.items():
            value = value_of(self.polls)
            draft.put(family, key, "" if value is None else sample(family.name, text, value))
        failures = sorted(self.polls.failures.items())
        draft.put(
            POLL_FAILURES,
            key,
            "".join(
                sample(POLL_FAILURES.name, label_text({**labels, "reason": reason}), count)
                for reason, count in failures
            ),
        )

    def _key(self, folder: str) -> tuple[str, str, str]:
        return self.target.company, self.target.org, folder

    def _label_text(self, folder: str) -> str:
        kept = self._labels.get(folder)
        return kept or label_text({"company": self.target.company, "org": self.target.org, "folder": folder})

    def _put_agents(self, folder_day: FolderDay, draft: Draft) -> Steps[FolderFigures]:
        shown, folded = yield from self._rules.apply(AgentDays.of(folder_day.agents))
        key, labels = self._key(folder_day.folder), self._label_text(folder_day.folder)
        for family, agents, values in agent_columns(shown):
            draft.put(family, key, agent_samples(family.name, labels, agents, values))
        return FolderFigures(
            calls=folder_day.calls,
            average_seconds=folder_day.average_seconds,
            agents=len(folder_day.agents),
            folded=folded,
        )

    def _put_no_agents(self, folder: str, draft: Draft) -> None:
        published = self._published.get(folder)
        if published is not None and published.agents:
            for family in (AGENT_CALLS, AGENT_AVERAGE):
                draft.put(family, self._key(folder), "")

    def _put_folder(self, folder: str, figures: FolderFigures, day: date | None, draft: Draft) -> None:
        zone = self.target.zone
        created = ""
        total: int | None = figures.calls
        if day is not None and day == self._came_back_to:
            # Behind the next day's small number, this one's would look like so many new calls.
            total = None
        elif zone is not None and day is not None:
            total = self._calls_total[folder] = max(figures.calls, self._calls_total.get(folder, 0))
            began = FOLDER_CALLS_TOTAL.name.removesuffix("_total") + "_created"
            created = sample(began, self._label_text(folder), midnight(zone, day))
        figures = msgspec.structs.replace(figures, calls_total=total)
        if figures == self._published.get(folder):
            return
        self._published[folder] = figures
        self._labels[folder] = labels = self._label_text(folder)
        for family, value_of in FOLDER_VALUES.items():
            value = value_of(figures)
            text = "" if value is None else sample(family.name, labels, value)
            draft.put(family, self._key(folder), text, text + created)

    def _drop_folder(self, folder: str, draft: Draft) -> None:
        self._put_no_agents(folder, draft)
        for family in FOLDER_VALUES:
            draft.put(family, self._key(folder), "")
        self._published.pop(folder, None)
        self._labels.pop(folder, None)
