"""From a trial's unweighted numbers to the one value it is judged by: pure functions.

The value is always to be maximised. It cannot depend on the searched weights: only unweighted terms and metrics go in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from search.catalog.strategies import SMOOTHING
from search.definition import Config, Objective, ObjectiveMetric
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


@dataclass(frozen=True, slots=True)
class Counted:
    """An optimised metric as the aggregates see it: `value` is sign x metric, `ideal` sign x its ideal (NaN where it has none)."""

    utility: float
    value: float
    ideal: float = math.nan


def evaluate(objective: Objective, measured: Values) -> Score:
    """Return the score of the validation numbers `measured` (by path). A number that is missing or NaN makes the value NaN."""
    values = {entry.metric: measured.get(entry.metric, math.nan) for entry in objective.metrics}
    optimized = [entry for entry in objective.metrics if entry.strategy == "optimize"]
    counted = [
        Counted(entry.utility, sign(entry) * values[entry.metric], sign(entry) * _ideal(objective, entry)) for entry in optimized
    ]
    value = AGGREGATES[objective.aggregate or "mean"](counted, objective.config)
    violations = {
        entry.metric: _violation(entry, values[entry.metric]) for entry in objective.metrics if entry.strategy == "constraint"
    }
    return Score(value, values, all(amount == 0 for amount in violations.values()), violations)


def sign(entry: ObjectiveMetric) -> float:
    """Return +1 where greater is better, else -1. The direction is filled in when a definition is normalised."""
    return 1.0 if entry.direction == "maximize" else -1.0


def _ideal(objective: Objective, entry: ObjectiveMetric) -> float:
    """Return the metric's ideal value, NaN where there is none. It is filled in when a definition is normalised."""
    ideals = objective.config.get("ideal")
    number = ideals.get(entry.metric) if isinstance(ideals, dict) else None
    return float(number) if isinstance(number, int | float) else math.nan


def _mean(counted: Sequence[Counted], config: Config) -> float:
    # Not math.fsum, which raises where inf meets -inf: that is NaN here.
    return sum(each.utility * each.value for each in counted) / sum(each.utility for each in counted)


def _worst(counted: Sequence[Counted], config: Config) -> float:
    weighed = [each.utility * each.value for each in counted]
    return math.nan if any(math.isnan(value) for value in weighed) else min(weighed)


def _geometric_mean(counted: Sequence[Counted], config: Config) -> float:
    """Return (prod m_i^u_i)^(1 / sum u_i): 0 where a metric is 0, NaN where one is negative."""
    if any(math.isnan(each.value) or each.value < 0 for each in counted):
        return math.nan
    logs = [each.utility * (math.log(each.value) if each.value > 0 else -math.inf) for each in counted]
    return _exp(sum(logs) / sum(each.utility for each in counted))


def _exp(power: float) -> float:
    try:
        return math.exp(power)
    except OverflowError:  # by rounding alone: a mean of logs of floats is no more than the greatest of them
        return math.inf


def _tchebycheff(counted: Sequence[Counted], config: Config) -> float:
    """Return -max_i l_i (f_i - z_i), with f_i the metric to be minimised, z_i its ideal, l_i = u_i / sum u.

    In what is maximised here, f_i - z_i is ideal - value; it is negative for a metric beyond its ideal.
    """
    distances = _distances(counted)
    return math.nan if any(math.isnan(distance) for distance in distances) else -max(distances)


def _smooth_tchebycheff(counted: Sequence[Counted], config: Config) -> float:
    """Return -mu log sum_i exp(l_i (f_i - z_i) / mu), symbols as for `tchebycheff`.

    Lin et al., "Smooth Tchebycheff Scalarization for Multi-Objective Optimization" (ICML 2024). With m metrics it lies
    between `tchebycheff` and mu log m below it, so the smaller mu, the closer; a great mu comes near to the mean.
    """
    distances = _distances(counted)
    if any(math.isnan(distance) for distance in distances):
        return math.nan
    greatest, given = max(distances), config.get("mu")
    if math.isinf(greatest):
        return -greatest
    mu = float(given) if isinstance(given, int | float) else SMOOTHING
    # log sum exp(d / mu) = max / mu + log sum exp((d - max) / mu): no power is above 0, so none overflows.
    return -(greatest + mu * math.log(sum(math.exp((distance - greatest) / mu) for distance in distances)))


def _distances(counted: Sequence[Counted]) -> list[float]:
    """Return each metric's distance to its ideal, times its share of the utilities."""
    total = sum(each.utility for each in counted)
    return [each.utility / total * (each.ideal - each.value) for each in counted]


Aggregate = Callable[[Sequence[Counted], Config], float]
AGGREGATES: Mapping[str, Aggregate] = {
    "mean": _mean,
    "worst": _worst,
    "geometric_mean": _geometric_mean,
    "tchebycheff": _tchebycheff,
    "smooth_tchebycheff": _smooth_tchebycheff,
}
"""From the optimised metrics and the objective's config to one value, always to be maximised."""


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
