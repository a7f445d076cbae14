"""From a trial's unweighted numbers to the one value it is judged by: pure functions.

The value is always to be maximised. It cannot depend on the searched weights: only unweighted terms and metrics go in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from search.catalog import find_aggregate, implementation
from search.catalog.aggregates import REFERENCES
from search.catalog.plugins import AGGREGATE_KIND
from search.definition.plugins import aggregate_of
from search.definition.schema import Config, Objective, ObjectiveMetric, RelativeBound
from search.errors import PluginFailed
from search.objective.aggregates import OptimizedMetric
from search.objective.order import Rank, place, rank
from storage.records import Values

Measurements = Mapping[int, Values]
"""Validation numbers by path, by the trial's number."""

VALUE_PATH = "objective.value"
"""The path under which a study keeps what an aggregate from outside gave: no term or metric can bear it."""


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


def evaluate(objective: Objective, measured: Values) -> Score:
    """Return the score of the validation numbers `measured` (by path). A number that is missing or NaN makes the value NaN.

    What is relative must have been resolved (`search.objective.anchors.resolved`): an unresolved bound is never kept, and without
    references delta_m is NaN. What an aggregate from outside gave is read at `VALUE_PATH`, where `with_value` has put it: only
    workers can compute it.
    """
    values = {entry.metric: measured.get(entry.metric, math.nan) for entry in objective.metrics}
    value = measured.get(VALUE_PATH, math.nan) if objective.plugin is not None else _aggregated(objective, values)
    violations = _violations(objective, values)
    return Score(value, values, not any(violations.values()), violations)


def is_feasible(objective: Objective, measured: Values) -> bool:
    """Return whether the validation numbers `measured` keep all constraints, as `evaluate` says."""
    return not any(_violations(objective, measured).values())


def _violations(objective: Objective, measured: Values) -> dict[str, float]:
    return {
        entry.metric: _violation(entry, measured.get(entry.metric, math.nan))
        for entry in objective.metrics
        if entry.strategy == "constraint"
    }


def with_value(objective: Objective, measured: Values) -> Values:
    """Return the validation or test numbers of an epoch with the value that an aggregate from outside gives them, if it is one.

    It is not asked where an optimised metric is NaN: the value is too. Raises PluginFailed for what it raises or returns in place
    of a number, PluginMissing.
    """
    if objective.plugin is None or not measured:
        return measured
    values = {entry.metric: measured.get(entry.metric, math.nan) for entry in optimized(objective)}
    if any(map(math.isnan, values.values())):
        return {**measured, VALUE_PATH: math.nan}
    return {**measured, VALUE_PATH: _aggregated(objective, values)}


def _aggregated(objective: Objective, values: Values) -> float:
    entry = aggregate_of(objective)
    counted = [_counted(objective, metric, values[metric.metric]) for metric in optimized(objective)]
    compute = implementation(AGGREGATE_KIND, entry)
    if objective.plugin is None:
        value: float = compute(counted, objective.config)
        return value
    try:
        return float(compute(counted, entry.arguments(objective.config)))
    except Exception as error:
        raise PluginFailed(f"the aggregate {entry.name!r} failed: {type(error).__name__}: {error}") from error


def score_paths(objective: Objective) -> list[str]:
    """Return the paths of all that `evaluate` reads."""
    return [*(entry.metric for entry in objective.metrics), *([VALUE_PATH] if objective.plugin is not None else [])]


def is_pareto(objective: Objective) -> bool:
    """Return whether trials have no one value, and are compared by dominance."""
    found = find_aggregate(objective.aggregate or "mean", objective.plugin)
    return found is not None and found.is_front


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


def _violation(entry: ObjectiveMetric, value: float) -> float:
    """Return by how much `value` is out of bounds: 0 where it holds, infinite where it is not a number."""
    if math.isnan(value) or isinstance(entry.at_least, RelativeBound) or isinstance(entry.at_most, RelativeBound):
        return math.inf
    below = (entry.at_least - value) if entry.at_least is not None else 0.0
    above = (value - entry.at_most) if entry.at_most is not None else 0.0
    return max(below, above, 0.0)


def slacks(objective: Objective, measured: Values) -> tuple[float, ...]:
    """Return by how much the numbers `measured` keep each bound that is a number, in order: below 0 where it is broken.

    NaN where a number is missing. What is still relative has none.
    """
    return tuple(
        way * (measured.get(entry.metric, math.nan) - bound)
        for entry in objective.metrics
        for bound, way in ((entry.at_least, 1.0), (entry.at_most, -1.0))
        if isinstance(bound, float)
    )


def counting_epoch(objective: Objective, scores: Mapping[int, Score]) -> int:
    """Return the epoch whose score is the trial's: the last one, or the best. Epoch 0, before training, never counts."""
    trained = {epoch: score for epoch, score in scores.items() if epoch > 0} or dict(scores)
    return max(trained) if objective.epoch == "last" else best_epoch(trained)


def best_epoch(scores: Mapping[int, Score]) -> int:
    """Return the epoch with the best score after training began, the earliest of equals."""
    trained = {epoch: score for epoch, score in scores.items() if epoch > 0} or dict(scores)
    return max(trained, key=lambda epoch: place(trained[epoch].feasible, trained[epoch].value, epoch))
