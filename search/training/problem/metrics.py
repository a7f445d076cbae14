"""The metrics of a study: each as one value a row where it is a mean over rows, else as a Keras metric with its counts.

`RowMean` serves most of them, and K stacked settings at once (their rows stand one after another, [K * batch]); `Counted` serves
what only counts over all rows can tell (areas, F-scores, overlaps, R2). Keras's functions do the arithmetic in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import keras
from keras import ops

from search.catalog import MetricEntry, keras_arguments, resolve_metric, unresolved
from search.definition.schema import Metric, Task
from search.errors import Refused
from search.training.problem import labels
from search.training.problem.batch import Batch, Tensor, row_means
from search.training.problem.keras_private import function_of, mask_of
from search.training.problem.penalties import shape_text
from search.training.problem.terms import TermFunction, spread
from search.training.problem.views import TaskView
from search.workloads.base import Bound


class RowValues(NamedTuple):
    """One value a row and its weight: both [batch]. The metric is sum(values * weights) / sum(weights) over all batches."""

    values: Tensor
    weights: Tensor


@dataclass(frozen=True)
class RowMean:
    """A metric that is a weighted mean over rows; `root` takes the square root at the end.

    `of_rows`: every row's value comes from that row alone, so that rows of several settings may be measured side by side. Not so
    where the user's code sees the whole batch.
    """

    path: str
    at: str
    measure: Callable[[Batch], RowValues]
    root: bool = False
    of_rows: bool = True


@dataclass(frozen=True)
class Counted:
    """A metric that Keras keeps counts for: `make` gives the metric object, `arguments` what its `update_state` takes."""

    path: str
    at: str
    make: Callable[[Batch], keras.metrics.Metric]
    arguments: Callable[[Batch], tuple[Tensor, Tensor, Tensor | None]]


MetricFunction = RowMean | Counted


def metric_functions(tasks: Sequence[Task], workload: Bound, terms: Sequence[TermFunction]) -> tuple[MetricFunction, ...]:
    """Return the functions of all declared metrics, then of the penalties' violations. Raises Refused for unknown names."""
    declared = [
        _metric(f"tasks.{i}.metrics.{j}", task, metric, workload)
        for i, task in enumerate(tasks)
        for j, metric in enumerate(task.metrics)
    ]
    violations = [
        RowMean(f"{term.path}.violations", term.at, partial(_violations, term), of_rows=term.built_in)
        for term in terms
        if term.violations is not None
    ]
    return (*declared, *violations)


def _metric(at: str, task: Task, metric: Metric, workload: Bound) -> MetricFunction:
    path, view = f"{task.name}.{metric.name}", TaskView(task)
    if metric.metric in workload.metrics:
        own = partial(_own, path, partial(workload.metrics[metric.metric], **metric.config))
        return RowMean(path, at, own, of_rows=False)
    found = resolve_metric(metric.metric, [loss.loss for loss in task.losses], metric.config)
    if found is None:
        raise Refused("unknown_metric", str(unresolved(metric.metric, f"{at}.metric")), f"{at}.metric")
    entry, config = found
    function = _row_function(entry, config)
    if function is None:
        counted = partial(_counted_arguments, path, view, entry)
        return Counted(path, at, partial(_counter, path, entry, config, view), counted)
    rows = partial(_row_values, function, partial(_arguments, path, view, entry))
    return RowMean(path, at, rows, root=entry.name == "root_mean_squared_error")


def _row_function(entry: MetricEntry, config: Mapping[str, Any]) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Return the function whose mean over rows the metric is, or None where it is none."""
    if entry.name == "root_mean_squared_error":
        return keras.losses.mean_squared_error  # type: ignore[no-any-return]
    kind = _class_of(entry)
    if not issubclass(kind, keras.metrics.MeanMetricWrapper):
        return None
    made = kind(**keras_arguments(entry, config))
    return function_of(made)


def _class_of(entry: MetricEntry) -> Any:
    return getattr(keras.metrics, entry.keras_class or "")


def _counter(path: str, entry: MetricEntry, config: Mapping[str, Any], view: TaskView, batch: Batch) -> keras.metrics.Metric:
    """Return the metric object, with variables made for batches like `batch` and no counts yet."""
    given = keras_arguments(entry, config, int(view.raw(batch).shape[-1]))
    if "io_u" in entry.name:
        given["dtype"] = "float32"  # Keras counts overlaps in int by default, which cuts weights between 0 and 1 to 0
    metric = _class_of(entry)(**given)
    metric.update_state(*_counted_arguments(path, view, entry, batch))
    metric.reset_state()
    return metric


def _arguments(path: str, view: TaskView, entry: MetricEntry, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return (target, prediction, weight) with the target in the form that the metric wants."""
    prediction = view.raw(batch) if entry.takes_raw_output else view.probabilities(batch)
    return labels.in_form(path, entry, view.target(batch), prediction), prediction, view.sample_weight(batch)


def _counted_arguments(path: str, view: TaskView, entry: MetricEntry, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return (target, prediction, weight) as Keras's counting metrics take them: the weight has no axis of classes."""
    target, prediction, weight = _arguments(path, view, entry, batch)
    mask = mask_of(prediction)
    if mask is not None:
        weight = _times(weight, ops.cast(mask, prediction.dtype))
    if weight is not None:
        weight = spread(weight, prediction)
    if entry.name == "binary_io_u" and weight is not None:
        weight = ops.broadcast_to(ops.expand_dims(weight, -1), ops.shape(prediction))
    if entry.labels == "class_ids":
        return target, labels.predicted_ids(prediction), weight
    if entry.name in labels.MATRIX:
        width = prediction.shape[-1]
        flat = None if weight is None else ops.reshape(weight, (-1,))
        return ops.reshape(target, (-1, width)), ops.reshape(prediction, (-1, width)), flat
    return target, prediction, weight


def _row_values(function: Callable[[Tensor, Tensor], Tensor], arguments: Callable[[Batch], Any], batch: Batch) -> RowValues:
    target, prediction, weight = arguments(batch)
    values = ops.convert_to_tensor(function(target, prediction))
    for mask in (mask_of(prediction), mask_of(values)):
        if mask is not None:
            weight = _times(weight, ops.cast(mask, prediction.dtype))
    return weighted_rows(ops.cast(values, prediction.dtype), weight)


def _times(weight: Tensor | None, mask: Tensor) -> Tensor:
    if weight is None:
        return mask
    while len(weight.shape) < len(mask.shape):
        weight = ops.expand_dims(weight, -1)
    return ops.cast(weight, mask.dtype) * mask


def weighted_rows(values: Tensor, weight: Tensor | None) -> RowValues:
    """Return the rows' weighted means and weights of `values` [batch, ...]; `weight` is [batch], or has more of those axes."""
    if len(values.shape) == 0:
        raise ValueError("a metric of one value a row became a scalar")
    if weight is None:
        rows = row_means(values)
        return RowValues(rows, ops.ones_like(rows))
    while len(weight.shape) < len(values.shape):
        weight = ops.expand_dims(weight, -1)
    if len(weight.shape) > len(values.shape):
        weight = ops.squeeze(weight, axis=tuple(range(len(values.shape), len(weight.shape))))
    weight = ops.broadcast_to(ops.cast(weight, values.dtype), ops.shape(values))
    weights = row_means(weight)
    return RowValues(ops.divide_no_nan(row_means(values * weight), weights), weights)


def _own(path: str, function: Callable[..., Any], batch: Batch) -> RowValues:
    """Measure a workload's own f(batch): one value a row, or a scalar, which counts as every row's."""
    values = ops.convert_to_tensor(function(batch))
    example = next(iter(batch.outputs.values()))
    values = ops.cast(values, example.dtype)
    if len(values.shape) > 2 or (len(values.shape) == 2 and values.shape[-1] != 1):
        raise ValueError(f"{path} should return a scalar or one value a row, got {shape_text(values)}")
    if len(values.shape) == 0:
        values = ops.broadcast_to(values, (ops.shape(example)[0],))
    return weighted_rows(values, None)


def _violations(term: TermFunction, batch: Batch) -> RowValues:
    measured = term.measure(batch)
    example = next(iter(batch.outputs.values()))
    if measured.rows is None:  # a penalty of the workload's own that has no rows: nothing to count
        nothing = ops.zeros((1,), dtype=example.dtype)
        return RowValues(nothing, nothing)
    return weighted_rows(ops.cast(measured.rows > term.violations, example.dtype), None)
