"""The metrics of a study: each as one value a row where it is a mean over rows, else as a Keras metric with its counts.

`RowMean` serves most of them, and K stacked settings at once (their rows stand one after another, [K * batch]). `CountingMetric`
serves what needs counts over all rows (areas, F-scores, overlaps, R2). Keras's functions do the arithmetic in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
from keras import ops

from search.catalog import MetricEntry, keras_arguments, resolve_metric, unresolved
from search.definition.schema import Metric, Task
from search.errors import PreflightError
from search.training.problem import labels
from search.training.problem.batch import Batch, Tensor, as_column, with_mask_of
from search.training.problem.keras_private import function_of, mask_of
from search.training.problem.own_forms import own_keras_metric
from search.training.problem.reduction import RowValues, both, product, spread, weighted_rows
from search.training.problem.terms import TermFunction, own_values
from search.training.problem.views import TaskView
from search.workloads.base import ResolvedWorkload


@dataclass(frozen=True)
class RowMean:
    """A metric that is a weighted mean over rows; `root` takes the square root at the end.

    `of_rows`: every row's value comes from that row alone, so that rows of several settings may be measured side by side. Not so
    where the user's code sees the whole batch. `own`: the workload's f(batch), where it is one. `values`: of one of Keras's, what
    its function gives [batch, ...], under no weight or mask yet.
    """

    path: str
    at: str
    measure: Callable[[Batch], RowValues]
    root: bool = False
    of_rows: bool = True
    own: Callable[[Batch], Any] | None = None
    values: Callable[[Batch], Tensor] | None = None
    task: Task | None = None
    target: None = None


@dataclass(frozen=True)
class CountingMetric:
    """A metric that Keras keeps counts for: `make` gives the metric object, `arguments` what its `update_state` takes.

    `entry` and `config`: of one of Keras's, what it is and its arguments.
    """

    path: str
    at: str
    make: Callable[[Batch], keras.metrics.Metric]
    arguments: Callable[[Batch], tuple[Tensor, Tensor, Tensor | None]]
    task: Task | None = None
    entry: MetricEntry | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    target: None = None


MetricFunction = RowMean | CountingMetric


def metric_functions(
    tasks: Sequence[Task], workload: ResolvedWorkload, terms: Sequence[TermFunction]
) -> tuple[MetricFunction, ...]:
    """Return the functions of all declared metrics, then of the penalties' violations. Raises PreflightError for unknown names."""
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


def _metric(at: str, task: Task, metric: Metric, workload: ResolvedWorkload) -> MetricFunction:
    path, view = f"{task.name}.{metric.name}", TaskView(task)
    if metric.metric in workload.metrics:
        return _own_metric(path, at, view, metric, workload.metrics[metric.metric])
    found = resolve_metric(metric.metric, [loss.loss for loss in task.losses], metric.config)
    if found is None:
        raise PreflightError("unknown_metric", str(unresolved(metric.metric, f"{at}.metric")), f"{at}.metric")
    entry, config = found
    function = _row_function(entry, config)
    if function is None:
        counted = partial(_counted_arguments, path, view, entry, config)
        return CountingMetric(path, at, partial(_counter, path, entry, config, view), counted, task, entry, config)
    arguments = partial(_arguments, path, view, entry, config)
    rows, root = partial(_row_values, path, view, function, arguments), entry.name == "root_mean_squared_error"
    return RowMean(path, at, rows, root=root, values=lambda batch: own_values(function(*arguments(batch))), task=task)


def _own_metric(path: str, at: str, view: TaskView, metric: Metric, given: Any) -> MetricFunction:
    """Return a metric of the workload's own: an f(batch), or in Keras's form, which gets the output as it comes."""
    make = own_keras_metric(metric.metric, at, given, metric.config)
    if make is None:
        function = partial(given, **metric.config)
        return RowMean(path, at, partial(_own, path, view, function), of_rows=False, own=function, task=view.task)
    example = make()
    if isinstance(example, keras.metrics.MeanMetricWrapper):
        rows = partial(_row_values, path, view, function_of(example), partial(_plain_arguments, view))
        return RowMean(path, at, rows, of_rows=False, task=view.task)
    return CountingMetric(path, at, lambda batch: make(), partial(_plain_counted_arguments, view), view.task)


def _plain_arguments(view: TaskView, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return (target, prediction) as `compile` gives them to a metric: the target in Keras's float type."""
    prediction = view.raw(batch)
    return ops.cast(view.target(batch), prediction.dtype), prediction


def _plain_counted_arguments(view: TaskView, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    target, prediction = _plain_arguments(view, batch)
    mask, weight = mask_of(prediction), view.weight(batch, len(prediction.shape) - 1)
    return target, prediction, weight if mask is None else product(weight, mask)


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
    metric.update_state(*_counted_arguments(path, view, entry, config, batch))
    metric.reset_state()
    return metric


def _arguments(path: str, view: TaskView, entry: MetricEntry, config: Mapping[str, Any], batch: Batch) -> tuple[Tensor, Tensor]:
    """Return (target, prediction) with the target in the form that the metric wants; column by column where some lack a label."""
    prediction = view.raw(batch) if entry.takes_raw_output else view.probabilities(batch)
    target = labels.in_form(path, entry, view.target(batch), prediction)
    if view.reads_columns(entry, view.target(batch), prediction, config):
        return ops.expand_dims(target, -1), with_mask_of(prediction, as_column(prediction))
    return target, prediction


def _counted_arguments(
    path: str, view: TaskView, entry: MetricEntry, config: Mapping[str, Any], batch: Batch
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return (target, prediction, weight) as Keras's counting metrics take them.

    The weight has no axis of classes, but where single columns lack their label.
    """
    prediction = view.raw(batch) if entry.takes_raw_output else view.probabilities(batch)
    target = labels.in_form(path, entry, view.target(batch), prediction)
    columns = view.reads_columns(entry, view.target(batch), prediction, config)
    weight = view.weight(batch, len(prediction.shape) - (0 if columns else 1))
    mask = mask_of(prediction)
    if mask is not None:
        weight = product(weight, mask)
    if weight is not None and columns:
        return target, prediction, _of_columns(weight, prediction, config.get("class_id"))
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


def _of_columns(weight: Tensor, prediction: Tensor, chosen: int | None) -> Tensor:
    """Return the weight of each column, or of the one that a metric is about: [batch, ..., columns]."""
    while len(weight.shape) < len(prediction.shape):
        weight = ops.expand_dims(weight, -1)
    weight = ops.broadcast_to(weight, ops.shape(prediction))
    return weight if chosen is None else weight[..., chosen : chosen + 1]


def _row_values(
    path: str, view: TaskView, function: Callable[[Tensor, Tensor], Tensor], arguments: Callable[[Batch], Any], batch: Batch
) -> RowValues:
    target, prediction = arguments(batch)
    returned = function(target, prediction)
    values, mask = own_values(returned), both(mask_of(prediction), mask_of(returned))
    if len(values.shape) == 0:  # one value for the whole batch: every row's
        values, weight, mask = ops.broadcast_to(values, (ops.shape(prediction)[0],)), None, None
    else:
        weight = view.weight(batch, len(values.shape))
    return weighted_rows(path, ops.cast(values, prediction.dtype), weight, mask)


def _own(path: str, view: TaskView, function: Callable[..., Any], batch: Batch) -> RowValues:
    """Measure a workload's own f(batch): a value a row or step, under row weights and mask; a scalar counts as every row's."""
    returned = function(batch)
    prediction = view.raw(batch)
    values = ops.cast(own_values(returned), prediction.dtype)
    if len(values.shape) == 0:
        return weighted_rows(path, ops.broadcast_to(values, (ops.shape(prediction)[0],)))
    weight = view.weight(batch, len(values.shape))
    return weighted_rows(path, values, weight, both(view.mask(batch), mask_of(returned)))


def _violations(term: TermFunction, batch: Batch) -> RowValues:
    rows = term.measure(batch).rows
    example = next(iter(batch.outputs.values()))
    if rows is None:  # a penalty of the workload's own that has no rows: nothing to count
        nothing = ops.zeros((1,), dtype=example.dtype)
        return RowValues(nothing, nothing)
    return RowValues(ops.cast(rows.values > term.violations, example.dtype), ops.cast(rows.weights, example.dtype))
