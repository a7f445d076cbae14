"""From a trial's unweighted numbers to the one value it is judged by: pure functions.

The value is always to be maximised. It cannot depend on the searched weights: only unweighted terms and metrics go in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from search.definition import Objective, ObjectiveMetric
from storage.records import Values


@dataclass(frozen=True, slots=True)
class Score:
    """The objective at one epoch: `value` to be maximised, the metrics it came from, and by how much which constraint is broken."""

    value: float
    values: Values
    feasible: bool
    violations: Values

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Order scores: feasible first, then finite, then by value."""
        finite = math.isfinite(self.value)
        return (self.feasible, finite, self.value if finite else 0.0)


def evaluate(objective: Objective, measured: Values) -> Score:
    """Return the score of the validation numbers `measured` (by path). A number that is missing or NaN makes the value NaN."""
    values = {entry.metric: measured.get(entry.metric, math.nan) for entry in objective.metrics}
    optimized = [entry for entry in objective.metrics if entry.strategy == "optimize"]
    signed = [(entry.utility, sign(entry) * values[entry.metric]) for entry in optimized]
    value = AGGREGATES[objective.aggregate or "mean"](signed)
    violations = {
        entry.metric: _violation(entry, values[entry.metric]) for entry in objective.metrics if entry.strategy == "constraint"
    }
    return Score(value, values, all(amount == 0 for amount in violations.values()), violations)


def sign(entry: ObjectiveMetric) -> float:
    """Return +1 where greater is better, else -1. The direction is filled in when a definition is normalised."""
    return 1.0 if entry.direction == "maximize" else -1.0


def _mean(signed: Sequence[tuple[float, float]]) -> float:
    # Not math.fsum, which raises where inf meets -inf: that is NaN here.
    return sum(utility * value for utility, value in signed) / sum(utility for utility, _ in signed)


def _worst(signed: Sequence[tuple[float, float]]) -> float:
    weighed = [utility * value for utility, value in signed]
    return math.nan if any(math.isnan(value) for value in weighed) else min(weighed)


AGGREGATES: Mapping[str, Callable[[Sequence[tuple[float, float]]], float]] = {"mean": _mean, "worst": _worst}
"""From (utility, sign x metric) of the optimised metrics to one value."""


def _violation(entry: ObjectiveMetric, value: float) -> float:
    """Return by how much `value` is out of bounds: 0 where it holds, infinite where it is not a number."""
    if math.isnan(value):
        return math.inf
    below = (entry.at_least - value) if entry.at_least is not None else 0.0
    above = (value - entry.at_most) if entry.at_most is not None else 0.0
    return max(below, above, 0.0)


def counting_epoch(objective: Objective, scores: Mapping[int, Score]) -> int:
    """Return the epoch whose score is the trial's: the last one, or the best. Epoch 0, before training, never counts."""
    trained = {epoch: score for epoch, score in scores.items() if epoch > 0} or dict(scores)
    return max(trained) if objective.epoch == "last" else best_epoch(trained)


def best_epoch(scores: Mapping[int, Score]) -> int:
    """Return the epoch with the best score after training began, the earliest of equals."""
    trained = {epoch: score for epoch, score in scores.items() if epoch > 0} or dict(scores)
    return max(sorted(trained), key=lambda epoch: trained[epoch].rank)
