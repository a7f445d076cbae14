"""A table that fits the terminal and never cuts a number."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

GAP = 2
"""Blanks between two columns."""
TITLE_WIDTH, TEXT_WIDTH = 10, 14
"""A longer title folds to so many characters, a longer text at the least to so many."""


class FittingTable:
    """Rows of cells under titles. Columns in `right` hold numbers: they keep the width of their longest; titles and texts fold.

    Columns that do not fit beside the first ones go into a table of their own below, each with the first column again.
    """

    def __init__(self, titles: Sequence[str], right: Sequence[str] = ()) -> None:
        self._titles = list(titles)
        self._numbers = [title in right for title in titles]
        self._rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: str) -> None:
        """Add a row with a cell for each column."""
        self._rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for place, columns in enumerate(self._blocks(options.max_width)):
            yield from [""] if place else []
            yield self._drawn(columns, self._widths(columns, options.max_width))

    def _blocks(self, width: int) -> list[list[int]]:
        blocks, used = [[0]], self._least(0)
        for column in range(1, len(self._titles)):
            needed = GAP + self._least(column)
            if used + needed > width and blocks[-1] != [0]:
                blocks.append([0])
                used = self._least(0)
            blocks[-1].append(column)
            used += needed
        return blocks

    def _longest(self, column: int) -> int:
        return max((len(line) for row in self._rows for line in row[column].split("\n")), default=1)

    def _least(self, column: int) -> int:
        """Return the width below which a column must not go."""
        longest = self._longest(column)
        return max(longest if self._numbers[column] else min(longest, TEXT_WIDTH), min(len(self._titles[column]), TITLE_WIDTH))

    def _widths(self, columns: Sequence[int], width: int) -> list[int]:
        """Return the columns' widths: the least ones, and what is left to those that would be wider, from the left."""
        found = [self._least(column) for column in columns]
        left = max(width - sum(found) - GAP * (len(columns) - 1), 0)
        for place, column in enumerate(columns):
            more = min(max(self._longest(column), len(self._titles[column])) - found[place], left)
            found[place] += more
            left -= more
        return found

    def _drawn(self, columns: Sequence[int], widths: Sequence[int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 0, 0, GAP - 1))
        for column, width in zip(columns, widths, strict=True):
            justify = "right" if self._numbers[column] else "left"
            table.add_column(self._titles[column], justify=justify, overflow="fold", width=width)  # type: ignore[arg-type]
        for row in self._rows:
            table.add_row(*(row[column] for column in columns))
        return table
