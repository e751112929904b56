"""The calls of one folder on one day, from its day records: rules 1 to 3 and 7."""

from collections.abc import Sequence

from exporter.errors import DecodeError
from exporter.runtime.steps import Steps
from exporter.stats import values
from exporter.stats.agent_records import AgentReader, added_up
from exporter.stats.day_record import Findings, Part, average_of, calls_of, note_measures
from exporter.stats.field_names import Layouts
from exporter.stats.json_path import prefixed, unrecognized
from exporter.stats.model import AgentDays, FolderDay
from exporter.stats.totals import Sum, sum_of


class FolderDayBuilder:
    """Builds folder days; `layouts` knows the names, `findings` collects what was read by which rule."""

    def __init__(self, layouts: Layouts, findings: Findings) -> None:
        self._findings = findings
        self._agents = AgentReader(layouts, findings)
        self.beside = self._agents.beside
        """Decodes day records with agents beside their number, once it knows what these agents look like."""

    def build(self, folder: str, parts: Sequence[Part]) -> Steps[FolderDay]:
        """Return the day of a folder, added up from all of its records; raises DecodeError."""
        total = Sum()
        columns: list[AgentDays] = []
        for part in parts:
            try:
                record = part.decode()
                agents = yield from self._agents.read(record)
                calls = calls_of(record.fields, part.layout)
                average = average_of(record.fields, part.layout, calls)
            except DecodeError as error:
                raise prefixed(part.path, error) from None
            note_measures(self._findings, "a folder's", part.layout)
            if calls is None:
                if agents is None:
                    raise unrecognized(part.path, "expected a call count or agents, found neither")
                self._findings["rule 1: calls and mean duration are those of the agents, added up"] = None
                own = yield from sum_of(agents)
                calls, average = own.calls, own.average_seconds
            total.add(calls, average)
            if total.calls > values.LARGEST_COUNT:
                raise unrecognized(part.path, "the calls add up to a number out of range")
            columns.append(agents or AgentDays())
        together = columns[0] if len(columns) == 1 else (yield from added_up(columns, parts[-1].path))
        return FolderDay(folder, total.calls, total.average_seconds, together)
