"""Measure a model as a study does: every unweighted term and metric of a best-weights document, over rows in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from search.training.problem.batch import Batch
from search.training.problem.keras_private import layers_of
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
    size, count = batch_size or int(best["training"]["batch_size"]), len(_any(y))

    def batch(inputs: Any, targets: Any, weights: Any) -> Batch:
        with keras.StatelessScope():  # each batch sees the model as it was given, whatever a layer assigns in its call
            outputs = called(model, inputs, False)
        return batch_of(model, inputs, targets, outputs, weights, False, tasks)

    def rows(start: int) -> list[Any]:
        return [_taken(part, slice(start, start + size)) for part in (x, y, sample_weight)]

    if not all(layer.built for layer in layers_of(model)):
        called(model, rows(0)[0], False)
    sums = _Sums(terms, metric_functions(tasks, own, terms), batch(*rows(0)))
    measured = tf.function(lambda *parts: sums.of(batch(*parts)), autograph=False, reduce_retracing=True)
    for start in range(0, count, size):
        sums.add(measured(*rows(start)))
    return sums.values()


class _Sums:
    """What has been summed over batches so far.

    Batches are measured in a graph, as `evaluate` does: only there does Keras find the logits that `tf.nn.softmax` was given. What
    metrics need variables for is made before, of the batch `first`.
    """

    def __init__(self, terms: tuple[TermFunction, ...], metrics: tuple[MetricFunction, ...], first: Batch) -> None:
        self._terms = terms
        self._means = [metric for metric in metrics if isinstance(metric, RowMean)]
        self._counters = [(metric, metric.make(first)) for metric in metrics if isinstance(metric, CountingMetric)]
        paths = [*(term.path for term in terms), *(metric.path for metric in self._means)]
        self._totals = {path: np.zeros(2) for path in paths}

    def of(self, batch: Batch) -> dict[str, tuple[Any, Any]]:
        """Return the values and weights of a batch by path; of terms, their total and weight. Counting metrics count it."""
        for metric, counter in self._counters:
            counter.update_state(*metric.arguments(batch))
        totals = {term.path: term.measure(batch) for term in self._terms}
        found = {path: (measured.total, measured.weight) for path, measured in totals.items()}
        return found | {metric.path: tuple(metric.measure(batch)) for metric in self._means}

    def add(self, measured: Mapping[str, tuple[Any, Any]]) -> None:
        """Add what `of` returned."""
        terms = {term.path for term in self._terms}
        for path, pair in measured.items():
            value, weight = (np.asarray(part, np.float64) for part in pair)
            self._totals[path] += [value if path in terms else np.sum(value * weight), np.sum(weight)]

    def values(self) -> dict[str, float]:
        """Return what has been measured by path, without what no row counted for."""
        roots = {metric.path for metric in self._means if metric.root}
        means = {path: float(total / weight) for path, (total, weight) in self._totals.items() if weight}
        found = {path: float(np.sqrt(mean)) if path in roots else mean for path, mean in means.items()}
        return found | {metric.path: float(np.asarray(counter.result()).reshape(())) for metric, counter in self._counters}


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
