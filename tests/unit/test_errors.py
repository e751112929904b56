from pathlib import Path
from typing import Any

import pytest

from exporter.errors import ConfigError, config_errors

FILE = Path("config.yaml")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError("a.b", "is missing", file=FILE, line=3), "config.yaml:3: a.b: is missing"),
        (ConfigError("a.b", "is missing", file=FILE), "config.yaml: a.b: is missing"),
        (ConfigError("", "not UTF-8", file=FILE, line=3), "config.yaml:3: not UTF-8"),
        (ConfigError("a.b", "is missing"), "a.b: is missing"),
    ],
)
def test_an_error_begins_with_its_place(error: ConfigError, text: str) -> None:
    assert str(error) == text


def test_the_errors_of_nested_groups() -> None:
    one, other = ConfigError("a", ""), ConfigError("b", "")
    group: ExceptionGroup[Any] = ExceptionGroup("", [one, ExceptionGroup("", [other])])
    assert [*config_errors(group)] == [one, other]
