"""What a benchmark prints: a table in Markdown with its caption, and ratios under it. The same goes to a file as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.turns import Row

PACKAGES = ("steelyard", "keras", "tensorflow", "optuna", "keras-tuner", "numpy")


@dataclass(frozen=True)
class Ratio:
    """One number that matters, and the sentence that says what it is."""

    name: str
    value: float
    text: str


@dataclass(frozen=True)
class Table:
    """A benchmark's result. `record` is what the file keeps beside the printed cells."""

    name: str
    caption: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    ratios: tuple[Ratio, ...] = ()
    record: Any = field(default=None)

    def __str__(self) -> str:
        widths = [max(len(line[i]) for line in (self.header, *self.lines)) for i in range(len(self.header))]
        rule = tuple("-" * width for width in widths)
        rows = [_padded(line, widths) for line in (self.header, rule, *self.lines)]
        return "\n".join([f"### {self.name}", self.caption, "", *rows, "", *(f"- {ratio.text}" for ratio in self.ratios), ""])

    def document(self) -> dict[str, Any]:
        """Return the result as JSON, with the machine and the versions it was measured on."""
        return {**asdict(self), "machine": machine()}


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"


def timed_table(name: str, caption: str, rows: Sequence[Row], ratios: Sequence[Ratio]) -> Table:
    """Return the table of rows that were timed in turn."""
    header = ("", "trials", "seconds of each run", "median", "s a trial", "trials/s", "how")
    lines = tuple(_timed_line(row) for row in rows)
    return Table(name, caption, header, lines, tuple(ratios), record=[asdict(row) for row in rows])


def _timed_line(row: Row) -> tuple[str, ...]:
    seconds = " ".join(f"{one:.2f}" for one in row.seconds)
    each = row.seconds_a_trial
    how = " / ".join(dict.fromkeys(str(details.get("how", "")) for details in row.details))
    return (row.name, str(row.trials), seconds, f"{row.median:.2f}", f"{each:.4f}", f"{1 / each:.2f}", how)


def quicker(row: Row, than: Row) -> Ratio:
    """Return how many times the trials per second of `than` a row does."""
    value = than.seconds_a_trial / row.seconds_a_trial
    return Ratio(f"{row.name} / {than.name}", value, f"{row.name}: {value:.2f}x the trials per second of {than.name}")


def machine() -> dict[str, Any]:
    """Return what numbers depend on: cores, processor, Python and package versions."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
