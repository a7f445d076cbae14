"""Measure a model as a study does: every unweighted term and metric of a best-weights document, over rows in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from search.training.problem.batch import Batch
from search.training.problem.metrics import CountingMetric, MetricFunction, RowMean, metric_functions
from search.training.problem.terms import TermFunction, term_functions
from search.training.user.apply import terms_of
from search.training.user.tuned_model import batch_of, called


def measure(
    model: keras.Model,
    best: Mapping[str, Any],
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    workload: Any = None,
) -> dict[str, float]:
    """Return the terms and metrics of `best` by path, as the study measured them: nothing is weighted by loss weights.

    x, y, sample_weight: arrays [rows, ...] or dicts of them, as a workload's `load_data` gives them.
    batch_size: default is the study's; what couples the rows of a batch (covariance, dice) depends on it.
    workload: as for `apply`.

    Terms and metrics are weighted means over all rows; one that no row counts for is left out. NaN stays NaN. What has one value
    for a whole batch counts as that of its rows.
    Raises ValueError for terms of a workload that is not given.
    """
    tasks, penalties, own = terms_of(best, workload)
    terms = term_functions(tasks, penalties, own)
    sums = _Sums(terms, metric_functions(tasks, own, terms))
    size, count = batch_size or int(best["training"]["batch_size"]), len(_any(y))
    for start in range(0, count, size):
        rows = slice(start, start + size)
        inputs, targets, weights = (_taken(part, rows) for part in (x, y, sample_weight))
        sums.add(batch_of(model, inputs, targets, called(model, inputs, False), weights, False, tasks))
    return sums.values()


class _Sums:
    """What has been summed over batches so far."""

    def __init__(self, terms: tuple[TermFunction, ...], metrics: tuple[MetricFunction, ...]) -> None:
        self._terms = terms
        self._totals = {term.path: np.zeros(2) for term in terms}
        self._means = {metric.path: (metric, np.zeros(2)) for metric in metrics if isinstance(metric, RowMean)}
        self._counted = [metric for metric in metrics if isinstance(metric, CountingMetric)]
        self._counters: dict[str, keras.metrics.Metric] = {}

    def add(self, batch: Batch) -> None:
        for term in self._terms:
            measured = term.measure(batch)
            self._totals[term.path] += [float(measured.total), float(measured.weight)]
        for metric, sums in self._means.values():
            values, weights = (np.asarray(part, np.float64) for part in metric.measure(batch))
            sums += [np.sum(values * weights), np.sum(weights)]
        for counted in self._counted:
            if counted.path not in self._counters:
                self._counters[counted.path] = counted.make(batch)
            self._counters[counted.path].update_state(*counted.arguments(batch))

    def values(self) -> dict[str, float]:
        found = {path: float(total / weight) for path, (total, weight) in self._totals.items() if weight}
        for path, (metric, (total, weight)) in self._means.items():
            if weight:
                found[path] = float(np.sqrt(total / weight) if metric.root else total / weight)
        return found | {path: float(np.asarray(counter.result()).reshape(())) for path, counter in self._counters.items()}


def as_fed(array: Any) -> Any:
    """Return an array as Keras's `fit` takes it: text as a tensor, anything else as it is."""
    return ops.convert_to_tensor(array) if array.dtype.kind in "OSU" else array


def _any(part: Any) -> Any:
    return next(iter(part.values())) if isinstance(part, Mapping) else part


def _taken(part: Any, rows: slice) -> Any:
    """Return these rows as tensors, floats in Keras's float type as `fit` has it."""
    if part is None:
        return None
    if isinstance(part, Mapping):
        return {name: _taken(array, rows) for name, array in part.items()}
    array = np.asarray(part)[rows]
    return ops.convert_to_tensor(array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array)
