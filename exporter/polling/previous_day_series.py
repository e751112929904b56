"""The series of one target's previous day: the last day that has ended, with calls that were transcribed since.

Every method writes to a `Draft`. What it writes is the table of situations in docs/metrics.md.
"""

from collections.abc import Iterable, Mapping
from datetime import date

from msgspec import Struct
from msgspec.structs import replace

from exporter.config.targets import Target
from exporter.exposition.agent_rules import AgentRules
from exporter.exposition.families import FolderFigures
from exporter.exposition.store import Draft
from exporter.polling.target_samples import TargetSamples
from exporter.runtime.digest import digest_of
from exporter.runtime.steps import Steps
from exporter.stats.model import AgentDays, FolderDay
from exporter.stats.parser import Parser, Requested
from exporter.stats.several_days import read_days


class PreviousDayRequest(Struct, frozen=True):
    """A request for a target's `day`, and by which `rules` its response shows agents.

    `requested_at` is a Unix time. `reading` is the number of the way in which responses were read at that time.
    """

    target: Target
    day: date
    rules: AgentRules
    requested_at: float
    reading: int


class PreviousDayResponse(Struct, frozen=True):
    """The content of one response: each folder's figures, and its agents by the rules.

    `folders` is None if the body is the one that is published already.
    """

    request: PreviousDayRequest
    digest: bytes
    folders: Mapping[str, tuple[FolderFigures, AgentDays]] | None


class PublishedPreviousDay(Struct, frozen=True):
    """What is published of `day`; None: nothing.

    `requested_at`, `digest` and `reading` are of the last response. `listed` are the folders that V-Spark listed then.
    """

    day: date | None = None
    reading: int = 0
    folders: Mapping[str, FolderFigures] = {}
    listed: frozenset[str] | None = None
    requested_at: float = 0.0
    digest: bytes = b""


class PreviousDaySeries:
    """Reads the responses for a target's previous day and publishes their series; `published` is their state.

    Between two responses only a digest of the body is kept: most responses are equal to the one before, and a changed
    one is read as a whole.
    """

    def __init__(self, samples: TargetSamples, parser: Parser) -> None:
        self.published = PublishedPreviousDay()
        self._samples = samples
        self._parser = parser
        self._reading = 0
        """Raised when responses have to be read in another way. What was published before is outdated then."""

    def is_known_at(self, time: float) -> bool:
        """Return whether what is published was requested at the Unix time `time` or later."""
        published = self.published
        return published.day is not None and published.reading == self._reading and published.requested_at >= time

    def read_again(self) -> None:
        """Read the next response as a whole, and request it soon: what is published may have become wrong."""
        self._reading += 1

    def read_with(self, parser: Parser) -> None:
        """Read the next response with another parser."""
        self._parser = parser
        self.read_again()

    def request(self, target: Target, day: date, rules: AgentRules, now: float) -> PreviousDayRequest:
        """Return a request that is sent at `now`, a Unix time."""
        return PreviousDayRequest(target, day, rules, now, self._reading)

    def is_current(self, request: PreviousDayRequest) -> bool:
        """Return whether the response to a request still counts: nothing that it depends on has changed since."""
        return request.reading == self._reading

    def read(self, body: bytes, request: PreviousDayRequest) -> Steps[PreviousDayResponse]:
        """Read the response to a request. Raises DecodeError."""
        digest, before, target = (yield from digest_of(body)), self.published, request.target
        if (before.day, before.reading, before.digest) == (request.day, request.reading, digest):
            return PreviousDayResponse(request, digest, None)
        folders: dict[str, tuple[FolderFigures, AgentDays]] = {}

        def put(_day: date, folder_day: FolderDay) -> Steps[None]:
            if target.counts(folder_day.folder):
                agents, _ = yield from request.rules.apply(AgentDays.of(folder_day.agents))
                figures = FolderFigures(
                    calls=folder_day.calls, average_seconds=folder_day.average_seconds, agents=len(agents)
                )
                folders[folder_day.folder] = figures, agents

        requested = Requested(target.company, target.org, target.folder, request.day)
        yield from read_days(self._parser, body, requested, request.day, put)
        return PreviousDayResponse(request, digest, folders)

    def settle(self, response: PreviousDayResponse, target: Target, known: Iterable[str], draft: Draft) -> Steps[None]:
        """Publish a response. The folders that V-Spark lists, or else those in `known`, have 0 calls without one."""
        before, request = draft.latest(self), response.request
        after = replace(before, requested_at=request.requested_at)
        if response.folders is not None:
            expected = target.folders
            if expected is None:
                expected = frozenset(filter(target.counts, {*known, *before.folders}))
            folders: dict[str, FolderFigures] = {}
            for folder in sorted({*response.folders, *expected, *before.folders}):
                if folder in response.folders or folder in expected:
                    folders[folder], agents = response.folders.get(folder, (FolderFigures(), AgentDays()))
                    yield from self._samples.put_previous_day(folder, folders[folder], agents, draft)
                else:
                    self._samples.drop_previous_day(folder, draft)
                yield
            after = PublishedPreviousDay(
                request.day, request.reading, folders, target.folders, request.requested_at, response.digest
            )
        draft.replace(self, after)

    def follow(self, target: Target, draft: Draft) -> Steps[None]:
        """Remove the series of folders that V-Spark lists no longer, or all if no previous day is wanted any more.

        A folder that V-Spark has begun to list has 0 calls.
        """
        before = draft.latest(self)
        if before.day is None:
            return
        if not target.previous_day_seconds:
            yield from self.drop(draft)
            return
        if target.folders is None or target.folders == before.listed:
            return
        gone = (before.listed or frozenset()) - target.folders
        folders = {folder: figures for folder, figures in before.folders.items() if folder not in gone}
        for folder in sorted(before.folders.keys() & gone | target.folders - before.folders.keys()):
            if folder in gone:
                self._samples.drop_previous_day(folder, draft)
            else:
                folders[folder] = FolderFigures()
                yield from self._samples.put_previous_day(folder, folders[folder], AgentDays(), draft)
            yield
        draft.replace(self, replace(before, folders=folders, listed=target.folders))

    def drop(self, draft: Draft) -> Steps[None]:
        """Remove all series."""
        before = draft.latest(self)
        if before.day is None:
            return
        for folder in sorted(before.folders):
            self._samples.drop_previous_day(folder, draft)
            yield
        draft.replace(self, PublishedPreviousDay())
