"""From a trial's unweighted numbers to the one value it is judged by: pure functions.

The value is always to be maximised. It cannot depend on the searched weights: only unweighted terms and metrics go in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from search.catalog.strategies import SMOOTHING
from search.definition.schema import Config, Objective, ObjectiveMetric, RelativeBound
from search.objective.order import Rank, place, rank
from storage.records import Values

Measurements = Mapping[int, Values]
"""Validation numbers by path, by the trial's number."""

PARETO = "pareto"
"""The aggregate without a value."""

REFERENCES = "references"
"""The argument of `delta_m`: what each task reaches alone, by metric path; given, or measured before the search."""


@dataclass(frozen=True, slots=True)
class Score:
    """The objective at one epoch: `value` to be maximised, the metrics it came from, and by how much which constraint is broken."""

    value: float
    values: Values
    feasible: bool
    violations: Values

    @property
    def rank(self) -> Rank:
        """Return what is greater the better: see `search.objective.order`."""
        return rank(self.feasible, self.value)


@dataclass(frozen=True, slots=True)
class OptimizedMetric:
    """An optimised metric as the aggregates see it.

    `value` is sign x metric, `ideal` sign x its ideal, `reference` sign x what its task reaches alone; NaN where there is none.
    """

    utility: float
    value: float
    ideal: float = math.nan
    reference: float = math.nan


def evaluate(objective: Objective, measured: Values) -> Score:
    """Return the score of the validation numbers `measured` (by path). A number that is missing or NaN makes the value NaN.

    What is relative must have been resolved (`search.objective.anchors.resolved`): an unresolved bound is never kept, and without
    references delta_m is NaN.
    """
    values = {entry.metric: measured.get(entry.metric, math.nan) for entry in objective.metrics}
    counted = [_counted(objective, entry, values[entry.metric]) for entry in optimized(objective)]
    value = AGGREGATES[objective.aggregate or "mean"](counted, objective.config)
    violations = {
        entry.metric: _violation(entry, values[entry.metric]) for entry in objective.metrics if entry.strategy == "constraint"
    }
    return Score(value, values, all(amount == 0 for amount in violations.values()), violations)


def is_pareto(objective: Objective) -> bool:
    """Tell whether trials have no one value, and are told apart by dominance."""
    return objective.aggregate == PARETO


def optimized(objective: Objective) -> list[ObjectiveMetric]:
    """Return the metrics that are optimised, in their order."""
    return [entry for entry in objective.metrics if entry.strategy == "optimize"]


def sign(entry: ObjectiveMetric) -> float:
    """Return +1 where greater is better, else -1. The direction is filled in when a definition is normalised."""
    return 1.0 if entry.direction == "maximize" else -1.0


def _counted(objective: Objective, entry: ObjectiveMetric, value: float) -> OptimizedMetric:
    way = sign(entry)
    ideal, reference = (way * _of_metric(objective.config, name, entry.metric) for name in ("ideal", REFERENCES))
    return OptimizedMetric(entry.utility, way * value, ideal, reference)


def _of_metric(config: Config, name: str, path: str) -> float:
    """Return the number that the argument `name` of an aggregate has for a metric, NaN where it has none."""
    numbers = config.get(name)
    number = numbers.get(path) if isinstance(numbers, dict) else None
    return float(number) if isinstance(number, int | float) else math.nan


def _mean(counted: Sequence[OptimizedMetric], config: Config) -> float:
    # Not math.fsum, which raises where inf meets -inf: that is NaN here.
    return sum(each.utility * each.value for each in counted) / sum(each.utility for each in counted)


def _worst(counted: Sequence[OptimizedMetric], config: Config) -> float:
    weighed = [each.utility * each.value for each in counted]
    return math.nan if any(math.isnan(value) for value in weighed) else min(weighed)


def _geometric_mean(counted: Sequence[OptimizedMetric], config: Config) -> float:
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


def _tchebycheff(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return -max_i l_i (f_i - z_i), with f_i the metric to be minimised, z_i its ideal, l_i = u_i / sum u.

    In what is maximised here, f_i - z_i is ideal - value; it is negative for a metric beyond its ideal.
    """
    distances = _distances(counted)
    return math.nan if any(math.isnan(distance) for distance in distances) else -max(distances)


def _smooth_tchebycheff(counted: Sequence[OptimizedMetric], config: Config) -> float:
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


def _distances(counted: Sequence[OptimizedMetric]) -> list[float]:
    """Return each metric's distance to its ideal, times its share of the utilities."""
    total = sum(each.utility for each in counted)
    return [each.utility / total * (each.ideal - each.value) for each in counted]


def _delta_m(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return 100 sum_i u_i (v_i - r_i) / |r_i| / sum u: the mean relative change against each task alone, in percent.

    Maninis et al., "Attentive Single-Tasking of Multiple Tasks" (CVPR 2019), equation 4: there u_i = 1, and the sign is turned for
    what is lower-better, as in v and r here. A reference of 0 has no relative change: NaN.
    """
    if any(each.reference == 0 for each in counted):
        return math.nan
    changes = [each.utility * (each.value - each.reference) / abs(each.reference) for each in counted]
    return 100 * sum(changes) / sum(each.utility for each in counted)


def _pareto(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return NaN: there is no one value. Trials are told apart by dominance (`search.objective.pareto`)."""
    return math.nan


Aggregate = Callable[[Sequence[OptimizedMetric], Config], float]
AGGREGATES: Mapping[str, Aggregate] = {
    "mean": _mean,
    "worst": _worst,
    "geometric_mean": _geometric_mean,
    "tchebycheff": _tchebycheff,
    "smooth_tchebycheff": _smooth_tchebycheff,
    "delta_m": _delta_m,
    "pareto": _pareto,
}
"""From the optimised metrics and the objective's config to one value, always to be maximised."""


def _violation(entry: ObjectiveMetric, value: float) -> float:
    """Return by how much `value` is out of bounds: 0 where it holds, infinite where it is not a number."""
    if math.isnan(value) or isinstance(entry.at_least, RelativeBound) or isinstance(entry.at_most, RelativeBound):
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
    return max(trained, key=lambda epoch: place(trained[epoch].feasible, trained[epoch].value, epoch))
