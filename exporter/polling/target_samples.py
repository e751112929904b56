"""The samples of one target as text: of its folders, their agents, and its polls. Every method writes to a `Draft`."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache

from exporter.config.targets import Target
from exporter.errors import REASONS
from exporter.exposition.families import (
    AGENT_AVERAGE,
    AGENT_CALLS,
    AGENT_CALLS_PREVIOUS_DAY,
    FOLDER_CALLS_TOTAL,
    FOLDER_VALUES,
    POLL_FAILURES,
    POLL_VALUES,
    PREVIOUS_DAY_VALUES,
    Family,
    FolderFigures,
    PollFigures,
    agent_columns,
)
from exporter.exposition.store import Draft
from exporter.exposition.text_format import agent_samples, label, label_text, sample
from exporter.polling.org_day import midnight
from exporter.runtime.steps import Steps
from exporter.stats.model import AgentDays

_AT_A_TIME = 5000

_FOLDER = (*FOLDER_VALUES,)
_AGENTS = AGENT_CALLS, AGENT_AVERAGE
_PREVIOUS_DAY = *PREVIOUS_DAY_VALUES, AGENT_CALLS_PREVIOUS_DAY
_POLLS = *POLL_VALUES, POLL_FAILURES

_CREATED = FOLDER_CALLS_TOTAL.name.removesuffix("_total") + "_created"


class TargetSamples:
    """Writes and removes the samples of a target."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._own_key = target.company, target.org, target.folder or ""

    def put_folder(
        self, folder: str, figures: FolderFigures, shown: FolderFigures | None, day: date | None, draft: Draft
    ) -> None:
        """Write the samples of a folder's `day` that differ from those `shown`, except those of its agents.

        What is shown is of the same day; None if nothing is.
        """
        key, labels = self._key(folder), self._labels(folder)
        for family, value_of in FOLDER_VALUES.items():
            value = value_of(figures)
            if shown is not None and value == value_of(shown):
                continue
            text = "" if value is None else sample(family.name, labels, value)
            created = self._created(labels, day) if family.created and text else ""
            draft.put(family, key, text, text + created)

    def put_counter(self, folder: str, calls: int, day: date | None, draft: Draft) -> None:
        """Write the counter of a folder's `day` only."""
        labels = self._labels(folder)
        text = sample(FOLDER_CALLS_TOTAL.name, labels, calls)
        draft.put(FOLDER_CALLS_TOTAL, self._key(folder), text, text + self._created(labels, day))

    def drop_folder(self, folder: str, figures: FolderFigures, draft: Draft) -> None:
        """Remove the samples of a folder, with those of its agents."""
        self.drop_agents(folder, figures, draft)
        draft.remove(_FOLDER, self._key(folder))

    def put_agents(self, folder: str, agents: AgentDays, draft: Draft) -> Steps[None]:
        """Write the samples of a folder's agents."""
        for family, names, values in agent_columns(agents):
            yield from self._put_agents(family, folder, names, values, draft)

    def drop_agents(self, folder: str, figures: FolderFigures, draft: Draft) -> None:
        """Remove the samples of a folder's agents, if its figures had any."""
        if figures.agents:
            draft.remove(_AGENTS, self._key(folder))

    def put_previous_day(self, folder: str, figures: FolderFigures, agents: AgentDays, draft: Draft) -> Steps[None]:
        """Write the samples of a folder's previous day, with those of its agents."""
        key, labels = self._key(folder), self._labels(folder)
        for family, value_of in PREVIOUS_DAY_VALUES.items():
            value = value_of(figures)
            draft.put(family, key, "" if value is None else sample(family.name, labels, value))
        yield from self._put_agents(AGENT_CALLS_PREVIOUS_DAY, folder, agents.agents, agents.calls, draft)

    def drop_previous_day(self, folder: str, draft: Draft) -> None:
        """Remove the samples of a folder's previous day."""
        draft.remove(_PREVIOUS_DAY, self._key(folder))

    def put_polls(self, polls: PollFigures, before: PollFigures, draft: Draft) -> None:
        """Write the samples of the target's polls that differ from `before`, except those of its failures."""
        key, labels = self._own_key, self._labels(self._own_key[2])
        for family, value_of in POLL_VALUES.items():
            value = value_of(polls)
            if not before.polls or value != value_of(before):
                draft.put(family, key, "" if value is None else sample(family.name, labels, value))

    def put_failures(self, failures: Mapping[str, int], draft: Draft) -> None:
        """Write a sample for every reason; a reason that is not in `failures` has 0."""
        # Sorted by name, `reason` comes last.
        start = f"{self._labels(self._own_key[2])},"
        lines = [
            sample(POLL_FAILURES.name, start + label_text({"reason": reason}), failures.get(reason, 0))
            for reason in sorted(REASONS)
        ]
        draft.put(POLL_FAILURES, self._own_key, "".join(lines))

    def drop_polls(self, draft: Draft) -> None:
        """Remove the samples of the target's polls."""
        draft.remove(_POLLS, self._own_key)

    def _put_agents(
        self, family: Family, folder: str, names: Sequence[str], values: Sequence[float], draft: Draft
    ) -> Steps[None]:
        labels, texts = self._labels(folder), list[str]()
        for start in range(0, len(names), _AT_A_TIME):
            some = slice(start, start + _AT_A_TIME)
            texts.append(agent_samples(family.name, labels, names[some], values[some]))
            yield
        text = "".join(texts)
        yield
        draft.put(family, self._key(folder), text)
        yield

    def _key(self, folder: str) -> tuple[str, str, str]:
        company, org, own_folder = self._own_key
        return self._own_key if folder == own_folder else (company, org, folder)

    def _labels(self, folder: str) -> str:
        before, after = _around_folder(self._target.company, self._target.org)
        return f"{before}{label('folder', folder)}{after}"

    def _created(self, labels: str, day: date | None) -> str:
        zone = self._target.zone
        return "" if zone is None or day is None else sample(_CREATED, labels, midnight(zone, day))


@lru_cache(maxsize=1024)
def _around_folder(company: str, org: str) -> tuple[str, str]:
    """Return what is before and after the label `folder` in the labels of an org's folders."""
    return f"{label('company', company)},", f",{label('org', org)}"
