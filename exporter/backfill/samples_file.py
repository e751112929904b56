"""The file of samples, in OpenMetrics 1.0.0 with timestamps, for `promtool tsdb create-blocks-from openmetrics`.

The samples of a series are together, and those of a family. Series are sorted, so the file depends on the numbers only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import BinaryIO, NamedTuple

from exporter.backfill.days import TargetDays, sample_times
from exporter.backfill.journal import Journal
from exporter.exposition.families import AGENT_CALLS_PREVIOUS_DAY, PREVIOUS_DAY_VALUES, Family, FolderFigures
from exporter.exposition.text_format import Format, header, label_text, sample
from exporter.runtime.steps import Steps


class Content(NamedTuple):
    """What the file contains: `labels` are those that Prometheus adds to scraped samples. `begun_at` is a Unix time."""

    step_seconds: int
    labels: Mapping[str, str]
    agents: bool
    begun_at: float


class _Folder(NamedTuple):
    """A folder, and the days of its target that have been read."""

    planned: TargetDays
    name: str
    labels: Mapping[str, str]


class Written(NamedTuple):
    """What has been written."""

    folders: int
    samples: int


def write_samples(file: BinaryIO, planned: Sequence[TargetDays], journal: Journal, content: Content) -> Steps[Written]:
    """Write the samples of all days that are in the journal, and return how many.

    A folder that the configuration or V-Spark names, or any response, has 0 calls on days without a record.
    """
    writer = _Writer(file, journal, content)
    folders = sorted(_folders(planned, journal, content.labels), key=lambda each: sorted(each.labels.items()))
    for family, value_of in PREVIOUS_DAY_VALUES.items():
        file.write(header(family, Format.OPENMETRICS))
        for folder in folders:
            writer.write_folder(family, value_of, folder)
            yield
    if content.agents:
        file.write(header(AGENT_CALLS_PREVIOUS_DAY, Format.OPENMETRICS))
        for folder in folders:
            yield from writer.write_agents(folder)
    file.write(b"# EOF\n")
    return Written(len(folders), writer.samples)


def _folders(planned: Sequence[TargetDays], journal: Journal, labels: Mapping[str, str]) -> Iterator[_Folder]:
    for each in planned:
        target = each.target
        if not journal.days_read(target, each.days):
            continue
        known = frozenset((target.folder,)) if target.folder is not None else target.folders or frozenset()
        for name in known | journal.folders(target):
            own = {"company": target.company, "org": target.org, "folder": name}
            yield _Folder(each, name, {**labels, **own})


class _Writer:
    def __init__(self, file: BinaryIO, journal: Journal, content: Content) -> None:
        self.samples = 0
        self._file = file
        self._journal = journal
        self._content = content

    def write_folder(self, family: Family, value_of: Callable[[FolderFigures], float | None], folder: _Folder) -> None:
        labels, target = label_text(folder.labels), folder.planned.target
        records = self._journal.folder_days(target, folder.name)
        for day in self._journal.days_read(target, folder.planned.days):
            calls, average_seconds = records.get(day, (0, None))
            value = value_of(FolderFigures(calls=calls, average_seconds=average_seconds))
            if value is not None:
                self._write(sample(family.name, labels, value), folder.planned, day)

    def write_agents(self, folder: _Folder) -> Steps[None]:
        days = folder.planned.days
        found = self._journal.agent_days(folder.planned.target, folder.name)
        for agent, of_agent in groupby(found, key=lambda each: each[0]):
            labels = label_text({**folder.labels, "agent": agent})
            for _, day, calls in of_agent:
                if days.first <= day <= days.last:
                    self._write(sample(AGENT_CALLS_PREVIOUS_DAY.name, labels, calls), folder.planned, day)
            yield

    def _write(self, line: str, planned: TargetDays, day: date) -> None:
        """Write a sample at each of the times of a day; `line` is the sample without a time."""
        times = sample_times(planned.zone, day, self._content.step_seconds, self._content.begun_at)
        if times:
            start = line.removesuffix("\n") + " "
            self._file.write((start + f"\n{start}".join(map(str, times)) + "\n").encode())
            self.samples += len(times)
