"""The dashboards as the code builds them, and expressions with their variables filled in."""

import json
from typing import Any

from tools.dashboards.__main__ import FILES
from tools.dashboards.page import written

VALUES = {
    "$__rate_interval": "1m",
    "$job": "vspark",
    "$company": ".*",
    "$org": ".*",
    "$folder": ".*",
}


def filled(expression: str) -> str:
    for name, value in VALUES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def built(name: str) -> Any:
    return json.loads(written(FILES[name]()))
