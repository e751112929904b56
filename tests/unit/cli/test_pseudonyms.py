import json

import pytest

from exporter.cli.pseudonyms import NotJsonError, Pseudonyms
from exporter.config.schema import StatsFields


def redacted(body: str, fields: StatsFields | None = None) -> str:
    return Pseudonyms(fields or StatsFields(), [body.encode()]).json(body.encode()).decode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # What the rules know stays: names of fields, counts, durations, dates.
        (
            '[{"date": "20261123", "calls": 7, "avgduration": "0:05:12"}]',
            '[{"date": "20261123", "calls": 7, "avgduration": "0:05:12"}]',
        ),
        (
            '{"Call Volume": "7", "sum_duration": 12345678.5, "day": 20261123}',
            '{"Call Volume": "7", "sum_duration": 12345678.5, "day": 20261123}',
        ),
        ('{"2026-11-23": {"stats": {"overall": null}}}', '{"2026-11-23": {"stats": {"overall": null}}}'),
        # Ids and names.
        ('{"folder": "Sales", "name": "Sales"}', '{"folder": "folder1", "name": "folder1"}'),
        ('{"Sales": {"calls": 7}}', '{"key1": {"calls": 7}}'),
        ('{"agents": {"Bob": {"calls": 7}, "007": 3}}', '{"agents": {"agent1": {"calls": 7}, "agent2": 3}}'),
        ('{"agents": {"Bob": "12"}}', '{"agents": {"agent1": "12"}}'),
        (
            '{"agents": [{"name": "Bob", "id": 7, "calls": 7}]}',
            '{"agents": [{"name": "agent1", "id": "agent2", "calls": 7}]}',
        ),
        ('{"agents": ["Bob", "Eve", "Bob"]}', '{"agents": ["text1", "text2", "text1"]}'),
        ('{"id": 1.5, "folder": 12}', '{"id": 1000001, "folder": 1000002}'),
        # Every other text.
        ('{"message": "No folder Sales", "x": "ok"}', '{"message": "text1", "key1": "ok"}'),
        ('{"calls": "seven", "duration": "+49 711 1"}', '{"calls": "text1", "duration": "text2"}'),
        (
            '["", " ", true, null, "20261123", "1:02:03", "1.0000"]',
            '["", " ", true, null, "20261123", "1:02:03", "1.0000"]',
        ),
        # Numbers that may be of a phone.
        ('{"x": 5551234567, "y": 999999, "z": -5551234567}', '{"key1": 1000001, "key2": 999999, "key3": 1000002}'),
        ('{"calls": 5551234567, "agents": {"Bob": 999999}}', '{"calls": 1000001, "agents": {"agent1": 999999}}'),
        ('{"calls": "5551234567"}', '{"calls": "1000001"}'),
        ('{"x": "4711", "y": "5551234567", "z": 1e400}', '{"key1": "text1", "key2": "text2", "key3": 1000001}'),
        # A number that is an agent's id somewhere is one everywhere.
        ('{"agent": 4711, "x": 4711, "y": "4711"}', '{"agent": "agent1", "key1": 1000001, "key2": "agent1"}'),
        # Duplicated keys and the notation of numbers stay, so that the body is read as before.
        ('{"calls": 1.0, "calls": 1E0, "Bob": 1, "Bob": 2}', '{"calls": 1.0, "calls": 1E0, "key1": 1, "key1": 2}'),
        # No pseudonym is a text of the body.
        ('{"key1": {"key2": "text1"}}', '{"key3": {"key4": "text2"}}'),
        ('{"x": 1000001, "y": "1"}', '{"key1": 1000002, "key2": "text1"}'),
    ],
)
def test_what_stays_and_what_is_replaced(body: str, expected: str) -> None:
    assert redacted(body) == expected
    json.loads(redacted(body))


def test_configured_names_stay() -> None:
    fields = StatsFields(calls=("Anzahl",), average_duration=("dauer",), agents=("Wer war da",))
    body = '{"anzahl": 123456, "Dauer": 90, "wer_war_da": {"Bob": 3}, "Teamleiter": 1}'
    assert redacted(body, fields) == '{"anzahl": 123456, "Dauer": 90, "wer_war_da": {"agent1": 3}, "key1": 1}'


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"a": NaN}', b"\xff", b'{"a"', b"[" * 100_000, b"[" * 1500 + b"]" * 1500]
)
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(NotJsonError):
        Pseudonyms(StatsFields(), [body]).json(body)


def test_a_byte_order_mark_and_white_space() -> None:
    body = b'\xef\xbb\xbf {"calls":1}\r\n'
    assert Pseudonyms(StatsFields(), [body]).json(body) == b'{"calls": 1}'


def test_one_text_has_one_pseudonym() -> None:
    pseudonyms = Pseudonyms(StatsFields(), [b'["folder1"]'])
    assert [pseudonyms.of("company", "Co"), pseudonyms.of("org", "Co"), pseudonyms.of("folder", "F")] == [
        "company1",
        "company1",
        "folder2",
    ]
