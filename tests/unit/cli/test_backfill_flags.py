from datetime import date

import pytest

from exporter.cli.backfill_flags import parse_day, parse_label, parse_step
from exporter.cli.main import main


def test_values() -> None:
    assert parse_day("2026-01-31") == date(2026, 1, 31)
    assert (parse_step("1h"), parse_step("90s"), parse_step("1d")) == (3600, 90, 86400)
    assert parse_label("job=vspark") == ("job", "vspark")
    assert parse_label("instance=exporter:10219=x") == ("instance", "exporter:10219=x")


@pytest.mark.parametrize(
    "text", ["20260131", "2026-W05-6", "2026-02-30", "yesterday", "", "2026-1-31", "0206-01-31", "9999-12-31"]
)
def test_not_a_day(text: str) -> None:
    with pytest.raises(ValueError, match=f"^expected a day such as 2026-01-31, got {text!r}$"):
        parse_day(text)


@pytest.mark.parametrize("text", ["500ms", "1s500ms", "25h", "2d"])
def test_not_a_step(text: str) -> None:
    with pytest.raises(ValueError, match=f"^expected a duration of whole seconds, at most 1d, got {text!r}$"):
        parse_step(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("job", "expected a label such as job=vspark, got 'job'"),
        ("job=", "expected a label such as job=vspark, got 'job='"),
        ("1a=b", "expected a label such as job=vspark, got '1a=b'"),
        ("__name__=x", "expected a label such as job=vspark, got '__name__=x'"),
        ("jöb=x", "expected a label such as job=vspark, got 'jöb=x'"),
        ("folder=x", "'folder' is a label of the samples themselves"),
    ],
)
def test_not_a_label(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the whole message is compared
        parse_label(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "f"], "the following arguments are required: --from"),
        (["--from", "2026-01-01"], "the following arguments are required: --output"),
        (["--from", "1.1.2026", "--output", "f"], "argument --from: expected a day such as 2026-01-31, got '1.1.2026'"),
        (
            ["--from", "2026-01-01", "--output", "f", "--step", "0s"],
            "argument --step: must be more than 0",
        ),
        (
            ["--from", "2026-01-01", "--output", "f", "--pause", "1"],
            "argument --pause: expected a duration such as 30s, got '1'",
        ),
    ],
)
def test_wrong_flags(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["backfill", *arguments])
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f"vspark-exporter backfill: error: {message}\n")


def test_a_range_that_ends_before_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["backfill", "--from", "2026-01-02", "--to", "2026-01-01", "--output", "f"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith("vspark-exporter backfill: error: --from must not be after --to\n")
