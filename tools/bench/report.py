"""What a row of the benchmark returns: tables of figures, and claims about them."""

import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

OURS, ORDINARY = "ours", "ordinary"
_ROUND_FROM = 100
_FRACTION_BELOW = 0.5


class Claim(Struct, frozen=True):
    """A figure, the limit that it must not exceed, and one sentence on why the claim should hold."""

    title: str
    figure: float
    limit: float
    reason: str

    @property
    def holds(self) -> bool:
        """Whether the figure is within its limit."""
        return self.figure <= self.limit


class Table(Struct, frozen=True):
    """Figures by line and column; None for a figure that does not exist. Two columns or more: the first two compare."""

    title: str
    columns: tuple[str, ...]
    lines: dict[str, tuple[float | None, ...]]

    @classmethod
    def of(cls, title: str, columns: Mapping[str, Mapping[str, float | None]]) -> Self:
        """Return a table of columns, each a mapping of lines to figures; the lines are those of the first column."""
        first = next(iter(columns.values()))
        return cls(title, tuple(columns), {line: tuple(each.get(line) for each in columns.values()) for line in first})

    def figure(self, line: str, column: str = OURS) -> float:
        """Return a figure; raises KeyError or ValueError if there is none."""
        figure = self.lines[line][self.columns.index(column)]
        if figure is None:
            raise ValueError(f"{self.title}: no figure for {line}, {column}")
        return figure

    def ratio(self, line: str) -> float:
        """Return the figure of the first column by that of the second."""
        return self.figure(line, self.columns[0]) / self.figure(line, self.columns[1])

    @property
    def head(self) -> tuple[str, ...]:
        """The titles of the columns, with one for the ratio of the first two."""
        return (*self.columns, "ratio") if len(self.columns) > 1 else self.columns

    def cells(self) -> Iterator[tuple[str, ...]]:
        """Yield each line as text: its title, its figures and their ratio."""
        for title, figures in self.lines.items():
            ratios = [] if len(figures) == 1 else ["" if None in figures[:2] else ratio_text(self.ratio(title))]
            yield (title, *("" if figure is None else figure_text(figure) for figure in figures), *ratios)


class Outcome(Struct, frozen=True):
    """The tables and claims of a row; `notes` says in one line each what was skipped."""

    tables: list[Table]
    claims: list[Claim] = []
    notes: list[str] = []

    @property
    def missed(self) -> list[Claim]:
        """The claims that do not hold."""
        return [claim for claim in self.claims if not claim.holds]

    def print(self) -> None:
        """Print the tables, then the claims."""
        for table in self.tables:
            print(f"\n{table.title}\n{'':66}{''.join(f'{title:>14}' for title in table.head)}")
            for title, *cells in table.cells():
                print(f"{title:66}{''.join(f'{cell:>14}' for cell in cells)}")
        for note in self.notes:
            print(f"\n{note}")
        print()
        for claim in self.claims:
            verdict = "holds" if claim.holds else "MISSED"
            print(f"{verdict:8}{claim.title:80}{claim.figure:10.4f}  at most {claim.limit:.4f}\n{'':8}{claim.reason}")


class Report(Struct, frozen=True):
    """The outcome of each row by its name, and the machine on which it was measured."""

    machine: str
    rows: dict[str, Outcome]

    @classmethod
    def here(cls, rows: dict[str, Outcome]) -> Self:
        """Return the report of what was measured on this machine."""
        return cls(f"a machine with {os.cpu_count()} CPUs and Python {platform.python_version()}", rows)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the report in a file that `write` has written."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def write(self, path: Path) -> None:
        """Write the report as JSON. Rows that only the file has stay."""
        rows = {**self.read(path).rows, **self.rows} if path.exists() else self.rows
        path.write_bytes(msgspec.json.format(msgspec.json.encode(replace(self, rows=rows)), indent=1) + b"\n")


def figure_text(figure: float) -> str:
    """Return a figure with three significant digits, or as a whole number from 100 on."""
    return f"{figure:,.0f}" if abs(figure) >= _ROUND_FROM else f"{figure:.3g}"


def ratio_text(ratio: float) -> str:
    """Return a ratio: 1/4.0 for 0.25, and 1.20 for what is not much smaller."""
    return f"1/{1 / ratio:,.1f}" if 0 < ratio < _FRACTION_BELOW else f"{ratio:.2f}"
