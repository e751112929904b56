"""The series of one target: what they show, and how responses, midnight and age change them.

Every method writes to a `Draft`. What it writes is the table of situations in docs/metrics.md.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from exporter.config.targets import Target
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.families import FolderFigures, PollFigures
from exporter.exposition.store import Draft
from exporter.polling.org_day import OrgSeries
from exporter.polling.previous_day_series import PreviousDaySeries
from exporter.polling.target_samples import TargetSamples
from exporter.runtime.steps import Steps
from exporter.stats.changes import ChangeTracker, Contents
from exporter.stats.model import AgentDays, FolderDay
from exporter.stats.parser import Parser, Requested

_MAX_ABSENT = 10_000
"""How many folders a target keeps that its last response does not contain: V-Spark may name new ones without end."""

_NO_CALLS = FolderFigures()
_NO_CONTENTS = Contents(None, frozenset())


class ResponseFigures(Struct, frozen=True):
    """The content of one response, and the figures of those folders that may have changed since the last one."""

    contents: Contents
    changed: dict[str, FolderFigures]


class Published(Struct, frozen=True, gc=False):
    """What a target has published. The mappings are replaced, never changed.

    `folders` has the figures of `day`, the org's current day. They stay when the series are removed because of their
    age: within a day the counters must not decrease. `has_values` is whether the series exist; a response without any
    folder counts too. `has_counters` is whether only the counters exist, at 0: no response of the day has arrived yet.
    `new_server` is whether the figures are of another V-Spark than the next response. `contents` and `today` are of the
    last response, `absent` has the folders that earlier responses contained, with the day on which they were last seen,
    the oldest first. `listed` are the folders that V-Spark listed by then. `repeated_day` is a day to which the clock
    was set back. `responses` is the number of the last response whose figures are published.
    """

    rules: AgentRules
    polls: PollFigures = PollFigures()
    has_values: bool = False
    has_counters: bool = False
    new_server: bool = False
    folders: Mapping[str, FolderFigures] = {}
    contents: Contents = _NO_CONTENTS
    today: date = date.min
    absent: Mapping[str, date] = {}
    listed: frozenset[str] | None = None
    day: date | None = None
    repeated_day: date | None = None
    responses: int = 0

    @property
    def folders_with_values(self) -> int | None:
        """The number of folders with values; None without values."""
        return len(self.folders) if self.has_values else None


class TargetSeries:
    """Reads a target's responses and publishes its series; `published` is their state."""

    def __init__(self, target: Target, parser: Parser, rules: AgentRules, org_series: OrgSeries) -> None:
        self.target = target
        self.published = Published(rules)
        self._samples = TargetSamples(target)
        self.previous_day = PreviousDaySeries(self._samples, parser)
        self._changes = ChangeTracker(parser)
        self._org_series = org_series
        self._responses = 0
        self._last_filtered = (_NO_CONTENTS, _NO_CONTENTS)

    def read(self, body: bytes, day: date | None, draft: Draft) -> Steps[ResponseFigures]:
        """Read the response to a request for `day` (None: for the server's today), and write its agents to `draft`.

        Raises DecodeError.
        """
        yield from self.begin_day(day, draft)
        published = draft.latest(self)
        if published.responses != self._responses:
            # The last response was read, but not published. Only what differs from it would be read now.
            self._changes.forget()
        figures: dict[str, FolderFigures] = {}

        def put(folder_day: FolderDay) -> Steps[None]:
            if self.target.counts(folder_day.folder):
                figures[folder_day.folder] = yield from self._put_agents(folder_day, published.rules, draft)

        requested = Requested(self.target.company, self.target.org, self.target.folder, day)
        contents = yield from self._changes.read(body, requested, put)
        self._responses += 1
        return ResponseFigures(self._filtered(contents), figures)

    def _filtered(self, contents: Contents) -> Contents:
        """Return the contents with the folders that count: the same object for the same contents."""
        if self.target.folder_filter is None:
            return contents
        if contents is not self._last_filtered[0]:
            folders = frozenset(filter(self.target.counts, contents.folders))
            self._last_filtered = contents, Contents(contents.day, folders)
        return self._last_filtered[1]

    def settle(self, response: ResponseFigures, day: date | None, now: float, draft: Draft) -> Steps[None]:
        """Make a response that was read for `day` the target's values."""
        before = draft.latest(self)
        contents, today = response.contents, day or datetime.fromtimestamp(now, UTC).date()
        listed = self.target.folders
        if before.has_values and contents is before.contents and today == before.today and listed == before.listed:
            draft.replace(self, replace(before, responses=self._responses))
            return
        absent = _absent(before, contents.folders, today, self.target)
        # A folder that V-Spark no longer lists has been deleted, and one that it lists has 0 calls until it is named.
        kept = listed if listed is not None else frozenset({*absent, *self._expected})
        if listed is not None and before.has_values and listed == before.listed and today == before.today:
            no_longer_named = before.contents.folders - contents.folders  # the others are published as they are
        else:
            no_longer_named = frozenset(before.folders.keys() | kept) - contents.folders
        without_calls, gone = no_longer_named & kept, no_longer_named - kept
        folders = dict(before.folders)
        # In the order of the blocks: to put them in another order costs three times as much.
        for folder in sorted({*no_longer_named, *response.changed}):
            known = folders.get(folder, FolderFigures())
            if folder in gone:
                folders.pop(folder, None)
                if before.has_values or before.has_counters:
                    self._samples.drop_folder(folder, known, draft)
            else:
                figures = response.changed.get(folder, FolderFigures())
                figures = replace(figures, calls_total=self._calls_total(figures.calls, known, before))
                shown = folders.get(folder) if before.has_values else None
                if figures != shown:
                    folders[folder] = figures
                    if folder in without_calls:
                        self._samples.drop_agents(folder, known, draft)
                    self._samples.put_folder(folder, figures, shown, day, draft)
            yield
        self._org_series.put(self.target, day, before.folders_with_values, len(folders), draft)
        draft.replace(
            self,
            replace(
                before,
                has_values=True,
                has_counters=False,
                new_server=False,
                folders=folders,
                contents=contents,
                today=today,
                absent=absent,
                listed=listed,
                responses=self._responses,
            ),
        )

    def drop_values(self, draft: Draft) -> Steps[None]:
        """Remove the values, because they are too old, and counters without values. The poll metrics stay."""
        before = draft.latest(self)
        yield from self._drop_folders(before, frozenset(), None, draft)
        self._changes.forget()
        draft.replace(self, replace(before, has_values=False, has_counters=False))

    def begin_day(self, day: date | None, draft: Draft) -> Steps[None]:
        """Remove yesterday's values, and restart every counter of yesterday at 0, also if it has been removed since.

        Prometheus would take a counter that returns hours later for yesterday's, unless the new number is lower.
        """
        before = draft.latest(self)
        if day == before.day:
            return
        repeated = before.repeated_day
        if day is not None and before.day is not None and day < before.day:
            repeated = day
        counters = frozenset(self._continued(before) if day != repeated else ())
        yield from self.previous_day.drop(draft)
        yield from self._drop_folders(before, counters, day, draft)
        self._changes.forget()
        after = replace(
            before,
            has_values=False,
            has_counters=bool(counters),
            new_server=False,
            folders=dict.fromkeys(counters, _NO_CALLS),
            day=day,
            repeated_day=repeated,
        )
        draft.replace(self, after)

    def restart_counters(self, draft: Draft) -> None:
        """Let the next response, which is another V-Spark's, set the counters, also to lower numbers."""
        self._changes.forget()
        draft.replace(self, replace(draft.latest(self), new_server=True))

    def remove(self, draft: Draft) -> Steps[None]:
        """Remove all series, because the target has left the configuration. Do not use this object afterwards."""
        yield from self._drop_folders(draft.latest(self), frozenset(), None, draft)
        yield from self.previous_day.drop(draft)
        self._samples.drop_polls(draft)

    def apply_rules(self, rules: AgentRules, now: float, draft: Draft) -> Steps[None]:
        """Show the last response's agents by other rules."""
        published, last = draft.latest(self), self._changes.last
        draft.replace(self, replace(published, rules=rules))
        yield from self.previous_day.drop(draft)  # nothing is kept that the new rules could be applied to
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
        self._last_filtered = (_NO_CONTENTS, _NO_CONTENTS)
        self.previous_day.read_with(parser)

    def put_polls(self, polls: PollFigures, draft: Draft) -> None:
        """Publish figures of the target's polls."""
        before = draft.latest(self)
        draft.replace(self, replace(before, polls=polls))
        if polls.polls:
            self._samples.put_polls(polls, before.polls, draft)
        if not before.polls.polls or polls.failures != before.polls.failures:
            self._samples.put_failures(polls.failures, draft)

    @property
    def _expected(self) -> frozenset[str]:
        """The folders that are published even if no response contains them."""
        return frozenset() if self.target.folder is None else frozenset((self.target.folder,))

    def _continued(self, before: Published) -> Iterator[str]:
        """Yield the folders with a counter, but those that no response of the last day with responses contained."""
        for folder, figures in before.folders.items():
            seen = folder in self._expected or before.absent.get(folder, before.today) >= before.today
            if seen and figures.calls_total is not None:
                yield folder

    def _put_agents(self, folder_day: FolderDay, rules: AgentRules, draft: Draft) -> Steps[FolderFigures]:
        shown, folded = yield from rules.apply(AgentDays.of(folder_day.agents))
        yield from self._samples.put_agents(folder_day.folder, shown, draft)
        return FolderFigures(
            calls=folder_day.calls,
            average_seconds=folder_day.average_seconds,
            agents=len(folder_day.agents),
            folded=folded,
        )

    def _calls_total(self, calls: int, known: FolderFigures, before: Published) -> int | None:
        if before.day is None:
            return calls
        if before.day == before.repeated_day:
            # Coming after the next day's small number, the number of a repeated day would look like new calls.
            return None
        return calls if before.new_server else max(calls, known.calls_total or 0)

    def _drop_folders(self, before: Published, counters: frozenset[str], day: date | None, draft: Draft) -> Steps[None]:
        """Remove the series of all folders, except that those of `counters` get a counter of `day` at 0."""
        for folder in sorted(before.folders if before.has_values or before.has_counters else counters):
            self._samples.drop_folder(folder, before.folders[folder], draft)
            if folder in counters:
                self._samples.put_counter(folder, 0, day, draft)
            yield
        self._org_series.put(self.target, None, before.folders_with_values, None, draft)


def _absent(before: Published, named: frozenset[str], today: date, target: Target) -> Mapping[str, date]:
    """Return the folders that no longer appear but were seen today or yesterday: those seen last, up to the limit."""
    yesterday = today - timedelta(days=1)
    seen = {**before.absent, **dict.fromkeys(before.contents.folders - named, before.today)}
    absent = {
        folder: day
        for folder, day in seen.items()
        if day >= yesterday and folder not in named and target.counts(folder)
    }
    return dict(islice(absent.items(), max(0, len(absent) - _MAX_ABSENT), None))
