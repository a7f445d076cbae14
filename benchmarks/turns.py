"""Measure several ways of doing the same in turn: A, B, C, A, B, C, ... so that a slow minute of the machine hits all of them."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Measured:
    """One run: how long it took, and what else is worth knowing."""

    seconds: float
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """One way of doing it. `measure(run)` runs it once, on `trials` trials; `run` counts from 0 and is the seed as well."""

    name: str
    trials: int
    measure: Callable[[int], Measured]


@dataclass(frozen=True)
class Row:
    """All runs of one way: seconds each, for `trials` trials."""

    name: str
    trials: int
    seconds: tuple[float, ...]
    details: tuple[Mapping[str, Any], ...] = ()

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def seconds_a_trial(self) -> float:
        return self.median / self.trials


def in_turn(ways: Sequence[Way], runs: int) -> list[Row]:
    """Run every way once, then every way again, `runs` times; return a row a way."""
    measured: list[list[Measured]] = [[] for _ in ways]
    for run in range(runs):
        for way, found in zip(ways, measured, strict=True):
            _say(f"  run {run + 1} of {runs}: {way.name}, {way.trials} trials ... ")
            found.append(way.measure(run))
            _say(f"{found[-1].seconds:.2f} s\n")
    return [
        Row(way.name, way.trials, tuple(one.seconds for one in found), tuple(one.details for one in found))
        for way, found in zip(ways, measured, strict=True)
    ]


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
