"""The values by which a sampler observes trials: pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import quantiles
from typing import Literal

from search.definition.schema import Objective
from search.objective.scoring import is_pareto, optimized
from storage.records import TrialRecord, TrialState

Observations = Mapping[int, tuple[float, ...]]
"""By trial number: the objective's value, or of `pareto` each optimised metric in the order of the definition."""

Way = Literal["maximize", "minimize"]

FENCES = 3.0
"""How many interquartile ranges below the first quartile a value counts as extreme: Tukey's outer fence ("Exploratory Data
Analysis", 1977)."""


def directions(objective: Objective) -> list[Way]:
    """Return which way each observed number is better: an aggregate's value is always maximised."""
    return [entry.direction or "maximize" for entry in optimized(objective)] if is_pareto(objective) else ["maximize"]


def observed_values(objective: Objective, records: Sequence[TrialRecord]) -> dict[int, tuple[float, ...]]:
    """Return the values by which complete trials are observed; one without a finite number of each is left out."""
    paths = [entry.metric for entry in optimized(objective)] if is_pareto(objective) else []
    numbers = {
        record.number: tuple(record.values.get(path, math.nan) for path in paths) if paths else (_value(record),)
        for record in records
        if record.state is TrialState.COMPLETE
    }
    return {number: values for number, values in numbers.items() if all(map(math.isfinite, values))}


def _value(record: TrialRecord) -> float:
    return math.nan if record.value is None else float(record.value)


def without_extremes(observed: Observations, ways: Sequence[Way]) -> dict[int, tuple[float, ...]]:
    """Return the observations with every number that is far worse than the others pulled up to a bound: see `floored`."""
    columns = zip(*observed.values(), strict=True)
    raised = [_raised(column, way) for column, way in zip(columns, ways, strict=True)] if observed else []
    return dict(zip(observed, zip(*raised, strict=True), strict=True))


def _raised(column: Sequence[float], way: Way) -> list[float]:
    turn = 1.0 if way == "maximize" else -1.0
    return [turn * value for value in floored([turn * value for value in column])]


def floored(values: Sequence[float]) -> list[float]:
    """Return finite values, greater ones better, with those below Q1 - 3 (Q3 - Q1) set to that bound (winsorised from below).

    A single setting that spoils a task can score -44,575 among values near 0; a model of the values would then see that cliff and
    nothing else. Nothing changes where no value is so extreme, nor the order of the others. Where half of the values are one and
    the same there is no such measure, and nothing changes either. Quartiles as numpy's `percentile` has them.
    """
    if len(values) < 2:
        return list(values)
    first, _, third = quantiles(values, n=4, method="inclusive")
    bound = first - FENCES * (third - first) if third > first else -math.inf
    return [bound if value < bound else value for value in values]
