import json
from datetime import date
from typing import Any

import pytest
from msgspec import Raw

from exporter.errors import DecodeError
from exporter.stats.day_record import Findings
from exporter.stats.field_names import Layouts
from exporter.stats.record_place import Above, RecordPlacer, claims_of

YESTERDAY, DAY = date(2026, 11, 22), date(2026, 11, 23)
CLAIMS = (("$.folder", "A"), ("$.date", DAY))


def raws(members: dict[str, Any]) -> dict[str, Raw]:
    return {key: Raw(json.dumps(value).encode()) for key, value in members.items()}


def placed(
    members: dict[str, Any], above: Above, folder: str | None = None, day: date | None = None
) -> tuple[str, date | None, list[str]]:
    findings: Findings = {}
    record = {"calls": 1, **members}
    layout, raw = Layouts()[tuple(record)], Raw(json.dumps(record).encode())
    part = RecordPlacer(folder, day, findings).place(raws(record), layout, raw, "$.x", above)
    assert (part.path, part.raw, part.layout) == ("$.x", raw, layout)
    return part.folder, part.day, list(findings)


@pytest.mark.parametrize(
    ("members", "above", "expected"),
    [
        (
            {"name": "A", "day": 20261122},
            Above("X", others=True, day=DAY),
            ("A", YESTERDAY, ["rule 4: the folder from the field 'name'", "rule 5: the date from the field 'day'"]),
        ),
        (
            {},
            Above("A", day=YESTERDAY),
            (
                *("A", YESTERDAY),
                ["rule 4: the folder from the key above the record", "rule 5: the date from the key above the record"],
            ),
        ),
        (
            {},
            Above(claims=(("$.folder", "B"), ("$.date", DAY))),
            (
                *("B", DAY),
                ["rule 4: no folder named, so the requested one", "rule 5: no date named, so the requested day"],
            ),
        ),
    ],
)
def test_a_record_names_its_folder_and_day_or_a_key_does_or_the_request(
    members: dict[str, Any], above: Above, expected: tuple[str, date, list[str]]
) -> None:
    assert placed(members, above, "B", DAY) == expected


@pytest.mark.parametrize(
    ("members", "above", "message"),
    [
        ({}, Above("00", others=True), "$.x: ambiguous: several keys above this day record may be its folder"),
        ({}, Above("A", plain="$.total"), "$.total: expected a day record like those next to it"),
        ({}, Above("B", claims=CLAIMS), "$.folder: contradicts the day record at $.x"),
        ({"folder": "A", "date": "20261122"}, Above(claims=CLAIMS), "$.date: contradicts the day record at $.x"),
        ({}, Above("A" * 1025), "$.x: the folder name is longer than 1024 characters"),
        ({}, Above(), "$.x: this day record names no folder; list the org's folders in the configuration"),
    ],
)
def test_records_whose_folder_or_day_is_not_certain_are_rejected(
    members: dict[str, Any], above: Above, message: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        placed(members, above, None, DAY)
    assert (caught.value.reason, str(caught.value)) == ("unrecognized", message)


def test_what_a_container_claims() -> None:
    members = {"name": "X", "folder": "A", "foldername": 7, "date": "2026-11-23", "day": "Monday", "stats": []}
    assert claims_of(raws(members), Layouts()[tuple(members)], "$") == (("$.date", DAY), ("$.folder", "A"))
