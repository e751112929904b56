"""The folder and the day of a record: rules 4 and 5."""

from collections.abc import Mapping
from datetime import date

from msgspec import Raw, Struct

from exporter.stats import values
from exporter.stats.day_record import Findings, Part
from exporter.stats.field_names import Layout, normalize
from exporter.stats.json_path import child_path, converted, unrecognized
from exporter.stats.raw_json import decode, is_composite


class Above(Struct, frozen=True):
    """What the places above a place in the JSON say about the records below it."""

    folder: str | None = None
    others: bool = False
    """Whether there are more keys above that may be the folder, which makes `folder` ambiguous."""
    day: date | None = None
    plain: str | None = None
    """The path of a plain value next to the key that is taken for `folder`, which makes that doubtful."""
    claims: tuple[tuple[str, str | date], ...] = ()
    """The folders and dates in fields of the objects above, which no rule reads, each with its path."""
    depth: int = 0


class RecordPlacer:
    """Finds the folder and day of records; `folder` and `day` are the requested ones.

    `findings` collects what was read by which rule.
    """

    def __init__(self, folder: str | None, day: date | None, findings: Findings) -> None:
        self._requested_folder = folder
        self._requested_day = day
        self._findings = findings

    def place(self, inside: dict[str, Raw], layout: Layout, raw: Raw, path: str, above: Above) -> Part:
        """Return a record with its folder and day; raises DecodeError if one is missing, ambiguous or contradicted."""
        folder = self._folder(inside, layout, path, above)
        if len(folder) > values.LONGEST_NAME:
            raise unrecognized(path, f"the folder name is longer than {values.LONGEST_NAME} characters")
        day = self._day(inside, layout, path, above)
        for place, claim in above.claims:
            if claim not in (folder, day):
                raise unrecognized(place, f"contradicts the day record at {path}")
        return Part(path, folder, day, raw, inside, layout)

    def _folder(self, inside: Mapping[str, Raw], layout: Layout, path: str, above: Above) -> str:
        """Return the folder of a record (rule 4)."""
        if layout.folders:
            key = layout.folders[0]
            self._findings[f"rule 4: the folder from the field {key!r}"] = None
            return converted(values.folder, decode(inside[key], child_path(path, key)), path, key)
        if above.folder is not None:
            if above.others:
                raise unrecognized(path, "ambiguous: several keys above this day record may be its folder")
            if above.plain is not None:
                raise unrecognized(above.plain, "expected a day record like those next to it")
            self._findings["rule 4: the folder from the key above the record"] = None
            return above.folder
        if self._requested_folder is not None:
            self._findings["rule 4: no folder named, so the requested one"] = None
            return self._requested_folder
        message = "this day record names no folder; list the org's folders in the configuration"
        if not layout.counts:
            message += f" (it is a day record because of its agents in {layout.agents[0]!r})"
        raise unrecognized(path, message)

    def _day(self, inside: Mapping[str, Raw], layout: Layout, path: str, above: Above) -> date | None:
        """Return the day of a record (rule 5), None if nothing says which."""
        if layout.days:
            key = layout.days[0]
            self._findings[f"rule 5: the date from the field {key!r}"] = None
            return converted(values.day, decode(inside[key], child_path(path, key)), path, key)
        if above.day is not None:
            self._findings["rule 5: the date from the key above the record"] = None
            return above.day
        self._findings["rule 5: no date named, so the requested day"] = None
        return self._requested_day


def claims_of(inside: Mapping[str, Raw], layout: Layout, path: str) -> tuple[tuple[str, str | date], ...]:
    """Return what the fields of a container say about the records in it, though no rule reads them there."""
    claims: list[tuple[str, str | date]] = []
    for key in (*layout.days, *layout.folders):
        value = None if is_composite(inside[key]) else decode(inside[key], child_path(path, key))
        claim = values.day_of_key(str(value)) if key in layout.days else value
        if isinstance(claim, date | str) and normalize(key) != "name":
            claims.append((child_path(path, key), claim))
    return tuple(claims)
