"""The fault matrix of docs/reliability.md, from tests/integration/faults/matrix.py; what else is on that page is written by hand."""

from pathlib import Path
from typing import Final

from tests.integration.faults.matrix import GROUPS
from tests.integration.faults.row import Row, alerts

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"

_BEGIN: Final = "<!-- From here on made by tools/docs/reliability.py from tests/integration/faults/matrix.py. -->\n"
_END: Final = "<!-- Until here. -->\n"
_HEAD: Final = (
    "| fault | `vspark_up`, values | reason | the error in the log | alerts, if it lasts |\n|---|---|---|---|---|"
)


def reliability_page() -> str:
    """Give docs/reliability.md with the fault matrix as the code has it."""
    before, _, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    groups = "\n".join(f"### {title}\n\n{_HEAD}\n{_rows(rows)}\n" for title, rows in GROUPS.items())
    return f"{before}{_BEGIN}\n{groups}\n{_END}{after}"


def _rows(rows: tuple[Row, ...]) -> str:
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in _cells(row))} |" for row in rows)


def _cells(row: Row) -> tuple[str, ...]:
    if row.reason is None:
        return row.name, f"1, {row.note}", "", "", ""
    stay = "0, the last ones" + (f"; {row.note}" if row.note else "")
    return row.name, stay, f"`{row.reason}`", f"`{row.log}`", ", ".join(f"`{name}`" for name in alerts(row.reason))
