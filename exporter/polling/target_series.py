"""The series of one target: what they show, and how responses, midnight and age change them.

Every method writes to a `Draft`. What it writes is the table of situations in docs/metrics.md.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

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
from exporter.polling.org_day import OrgSeries, midnight
from exporter.runtime.steps import Steps
from exporter.stats.changes import ChangeTracker, Contents
from exporter.stats.model import AgentDays, FolderDay
from exporter.stats.parser import Parser, Requested

_MAX_ABSENT = 10_000
"""How many folders a target keeps that its last response does not contain: V-Spark may name new ones without end."""

_CREATED = FOLDER_CALLS_TOTAL.name.removesuffix("_total") + "_created"


class ResponseFigures(Struct, frozen=True):
    """The content of one response, and the figures of those folders that may have changed since the last one."""

    contents: Contents
    changed: dict[str, FolderFigures]


class Published(Struct, frozen=True):
    """What a target has published. The mappings are replaced, never changed.

    `folders` has the figures of the org's current day. They stay when the series are removed because of their age:
    within a day the counters must not decrease. `has_values` is whether the series exist; a response without any
    folder counts too. `contents` and `today` are of the last response, `absent` has the folders that earlier responses
    contained, with the day on which they were last seen, the oldest first. `repeated_day` is a day to which the clock
    was set back. `responses` is the number of the last response whose figures are published.
    """

    rules: AgentRules
    polls: PollFigures = PollFigures()
    has_values: bool = False
    folders: Mapping[str, FolderFigures] = {}
    contents: Contents = Contents(None, frozenset())
    today: date = date.min
    absent: Mapping[str, date] = {}
    day: date | None = None
    repeated_day: date | None = None
    responses: int = 0


class TargetSeries:
    """Reads a target's responses and publishes its series; `published` is their state."""

    def __init__(self, target: Target, parser: Parser, rules: AgentRules, org_series: OrgSeries) -> None:
        self.target = target
        self.published = Published(rules)
        self._changes = ChangeTracker(parser)
        self._org_series = org_series
        self._responses = 0

    def read(self, body: bytes, day: date | None, draft: Draft) -> Steps[ResponseFigures]:
        """Read the response to a request for `day` (None: for the server's today), and write its agents to `draft`.

        Raises DecodeError.
        """
        published = draft.latest(self)
        if published.responses != self._responses:
            # The last response was read, but not published. Only what differs from it would be read now.
            self._changes.forget()
        figures: dict[str, FolderFigures] = {}

        def put(folder_day: FolderDay) -> Steps[None]:
            figures[folder_day.folder] = yield from self._put_agents(folder_day, published.rules, draft)

        requested = Requested(self.target.company, self.target.org, self.target.folder, day)
        contents = yield from self._changes.read(body, requested, put)
        self._responses += 1
        return ResponseFigures(contents, figures)

    def settle(self, response: ResponseFigures, day: date | None, now: float, draft: Draft) -> Steps[None]:
        """Make a response that was read for `day` the target's values."""
        before = draft.latest(self)
        contents, today = response.contents, day or datetime.fromtimestamp(now, UTC).date()
        if before.has_values and contents is before.contents and today == before.today:
            draft.replace(self, replace(before, responses=self._responses))
            return
        repeated = before.repeated_day
        if day is not None and before.day is not None and day < before.day:
            repeated = day
        absent = _absent(before, contents.folders, today)
        without_calls = set(absent)
        if self.target.folder is not None and self.target.folder not in contents.folders:
            without_calls.add(self.target.folder)
        gone = before.folders.keys() - contents.folders - without_calls
        folders = dict(before.folders)
        # In the order of the blocks: to put them in another order costs three times as much.
        for folder in sorted({*gone, *without_calls, *response.changed}):
            known = folders.get(folder, FolderFigures())
            if folder in gone:
                del folders[folder]
                if before.has_values:
                    self._drop_folder(folder, known, draft)
            else:
                figures = response.changed.get(folder, FolderFigures())
                figures = replace(figures, calls_total=self._calls_total(figures.calls, known, day, repeated))
                if figures != folders.get(folder) or not before.has_values:
                    folders[folder] = figures
                    if folder in without_calls:
                        self._drop_agents(folder, known, draft)
                    self._put_folder(folder, figures, day, draft)
            yield
        self._org_series.put(self.target, day, len(folders), draft)
        draft.replace(
            self,
            replace(
                before,
                has_values=True,
                folders=folders,
                contents=contents,
                today=today,
                absent=absent,
                day=day,
                repeated_day=repeated,
                responses=self._responses,
            ),
        )

    def drop_values(self, draft: Draft) -> Steps[None]:
        """Remove the values, because their day is over or they are too old. The poll metrics stay."""
        published = draft.latest(self)
        if published.has_values:
            for folder, figures in sorted(published.folders.items()):
                self._drop_folder(folder, figures, draft)
                yield
        self._org_series.put(self.target, None, None, draft)
        draft.replace(self, replace(published, has_values=False))
        self._changes.forget()

    def begin_day(self, draft: Draft) -> Steps[None]:
        """Remove yesterday's values and restart the counters."""
        yield from self.drop_values(draft)
        draft.replace(self, replace(draft.latest(self), folders={}))

    def remove(self, draft: Draft) -> Steps[None]:
        """Remove all series, because the target has left the configuration."""
        yield from self.drop_values(draft)
        for family in (*POLL_VALUES, POLL_FAILURES):
            draft.put(family, self._key(self.target.folder or ""), "")

    def apply_rules(self, rules: AgentRules, now: float, draft: Draft) -> Steps[None]:
        """Show the last response's agents by other rules."""
        published, last = draft.latest(self), self._changes.last
        draft.replace(self, replace(published, rules=rules))
        self._changes.forget()
        if not published.has_values:
            return
        if last is None or published.responses != self._responses:
            # The values stem from a response that is gone, and these rules may hide its agents.
            yield from self.drop_values(draft)
            return
        body, requested = last
        response = yield from self.read(body, requested.day, draft)
        yield from self.settle(response, requested.day, now, draft)

    def read_with(self, parser: Parser) -> None:
        """Read the next response with another parser."""
        self._changes = ChangeTracker(parser)

    def put_polls(self, polls: PollFigures, draft: Draft) -> None:
        """Publish figures of the target's polls."""
        draft.replace(self, replace(draft.latest(self), polls=polls))
        key = self._key(self.target.folder or "")
        labels = dict(zip(("company", "org", "folder"), key, strict=True))
        text = label_text(labels)
        for family, value_of in POLL_VALUES.items():
            value = value_of(polls)
            draft.put(family, key, "" if value is None else sample(family.name, text, value))
        failures = [
            sample(POLL_FAILURES.name, label_text({**labels, "reason": reason}), count)
            for reason, count in sorted(polls.failures.items())
        ]
        draft.put(POLL_FAILURES, key, "".join(failures))

    def _key(self, folder: str) -> tuple[str, str, str]:
        return self.target.company, self.target.org, folder

    def _labels(self, folder: str) -> str:
        return label_text({"company": self.target.company, "org": self.target.org, "folder": folder})

    def _put_agents(self, folder_day: FolderDay, rules: AgentRules, draft: Draft) -> Steps[FolderFigures]:
        shown, folded = yield from rules.apply(AgentDays.of(folder_day.agents))
        key, labels = self._key(folder_day.folder), self._labels(folder_day.folder)
        for family, agents, values in agent_columns(shown):
            draft.put(family, key, agent_samples(family.name, labels, agents, values))
        return FolderFigures(
            calls=folder_day.calls,
            average_seconds=folder_day.average_seconds,
            agents=len(folder_day.agents),
            folded=folded,
        )

    def _calls_total(self, calls: int, known: FolderFigures, day: date | None, repeated_day: date | None) -> int | None:
        if self.target.zone is None or day is None:
            return calls
        # Coming after the next day's small number, the number of a repeated day would look like new calls.
        return None if day == repeated_day else max(calls, known.calls_total or 0)

    def _put_folder(self, folder: str, figures: FolderFigures, day: date | None, draft: Draft) -> None:
        key, labels, zone = self._key(folder), self._labels(folder), self.target.zone
        created = ""
        if figures.calls_total is not None and zone is not None and day is not None:
            created = sample(_CREATED, labels, midnight(zone, day))
        for family, value_of in FOLDER_VALUES.items():
            value = value_of(figures)
            text = "" if value is None else sample(family.name, labels, value)
            draft.put(family, key, text, text + created)

    def _drop_folder(self, folder: str, figures: FolderFigures, draft: Draft) -> None:
        self._drop_agents(folder, figures, draft)
        for family in FOLDER_VALUES:
            draft.put(family, self._key(folder), "")

    def _drop_agents(self, folder: str, figures: FolderFigures, draft: Draft) -> None:
        if figures.agents:
            for family in (AGENT_CALLS, AGENT_AVERAGE):
                draft.put(family, self._key(folder), "")


def _absent(before: Published, named: frozenset[str], today: date) -> Mapping[str, date]:
    """Return the folders that no longer appear but were seen today or yesterday: those seen last, up to the limit."""
    yesterday = today - timedelta(days=1)
    seen = {**before.absent, **dict.fromkeys(before.contents.folders - named, before.today)}
    absent = {folder: day for folder, day in seen.items() if day >= yesterday and folder not in named}
    return dict(islice(absent.items(), max(0, len(absent) - _MAX_ABSENT), None))
