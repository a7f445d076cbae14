"""Which terms and metrics the labels of a split cannot measure: Keras gives a number there, and it measures nothing.

Precision without a positive label, the area under a curve of one class, R2 of a constant, any metric without a labelled row: Keras
says 0. Here they are undefined, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.definition.schema import Task
from search.training.problem.labels import has_class_ids
from search.training.problem.metrics import CountingMetric, RowMean
from search.training.problem.problem import TrainingProblem
from search.training.problem.terms import TermFunction
from search.workloads.data import EVERY_OUTPUT, Rows

Array = NDArray[Any]

UNLABELLED = "no row has a label: all its row weights are 0"
ONE_CLASS = "its labels are of one class"
NO_POSITIVE = "no label is positive"


def undefined(problem: TrainingProblem, split: str) -> dict[str, str]:
    """Return the paths that a split cannot measure, each with the reason."""
    rows = problem.opened.loaded.splits[split]
    found = {}
    every: Sequence[TermFunction | RowMean | CountingMetric] = (*problem.terms, *problem.row_metrics, *problem.counted_metrics)
    for measured in every:
        if measured.task is None:
            continue
        weights = row_weights(rows, measured.task, measured.target)
        if weights is not None and not weights.any():
            found[measured.path] = UNLABELLED
        elif isinstance(measured, CountingMetric) and (reason := _without(measured, rows, weights, problem)):
            found[measured.path] = reason
    return found


def row_weights(rows: Rows, task: Task, target: str | None = None) -> Array | None:
    """Return the row weights of a task in a split, None where it has none; as `views.TaskView.sample_weight`."""
    for key in (target or task.used_target, task.used_output, EVERY_OUTPUT):
        if key in rows.sample_weight:
            return rows.sample_weight[key]
    return None


def _without(metric: CountingMetric, rows: Rows, weights: Array | None, problem: TrainingProblem) -> str | None:
    """Return why the labels cannot measure a metric of Keras that counts; None where they can."""
    rule = RULES.get(metric.entry.name) if metric.entry is not None else None
    if rule is None or metric.task is None or metric.task.used_target not in rows.targets:
        return None
    target = rows.targets[metric.task.used_target]
    output = problem.opened.outputs[metric.task.used_output]
    if metric.task.column is not None:
        output = output[..., :1]
        target = target[..., metric.task.column : metric.task.column + 1] if target.ndim == len(output.shape) else target
    width = int(output.shape[-1])
    ids = has_class_ids(target, output) and width != 1
    labels = _columns(target, width, ids)
    counted = np.ones(len(labels), bool) if weights is None else _spread(weights, len(labels))
    return rule(labels[counted], metric.config)


def _columns(target: Array, width: int, ids: bool) -> Array:
    """Return labels as [positions, columns]: class ids one-hot, a missing last axis of width 1 put there."""
    if ids:
        flat = target.reshape(-1).astype(np.int64)
        return np.asarray(flat[:, np.newaxis] == np.arange(width), np.float64)
    return target.reshape(-1, width)


def _spread(weights: Array, positions: int) -> Array:
    """Return which positions count, of rows' or positions' weights."""
    flat = np.asarray(weights).reshape(len(weights), -1)
    steps = positions // len(flat)
    return np.asarray(np.repeat(flat.any(axis=1), steps) if flat.shape[1] != steps else flat.reshape(-1) != 0)


def _of_class(labels: Array, config: Mapping[str, Any]) -> Array:
    chosen = config.get("class_id")
    return labels if chosen is None else labels[:, chosen : chosen + 1]


def _both_classes(labels: Array, config: Mapping[str, Any]) -> str | None:
    positive = _of_class(labels, config) != 0
    columns = positive.T if config.get("multi_label") else [positive.ravel()]
    return ONE_CLASS if any(column.all() or not column.any() for column in columns) else None


def _a_positive(labels: Array, config: Mapping[str, Any]) -> str | None:
    return None if (_of_class(labels, config) != 0).any() else NO_POSITIVE


def _varies(labels: Array, config: Mapping[str, Any]) -> str | None:
    constant = (labels == labels[:1]).all(axis=0)
    lost = constant.all() if config.get("class_aggregation") == "variance_weighted_average" else constant.any()
    return "its labels are all equal" if lost else None


def _a_target_class(labels: Array, config: Mapping[str, Any]) -> str | None:
    wanted = [int(each) for each in config.get("target_class_ids", (0, 1))]
    width = labels.shape[1]
    there = np.unique(labels != 0) if width == 1 else np.flatnonzero((labels != 0).any(axis=0))
    return None if set(wanted) & {int(each) for each in there} else f"no label is of class {', '.join(map(str, wanted))}"


RULES: Mapping[str, Callable[[Array, Mapping[str, Any]], str | None]] = {
    "auc": _both_classes,
    "sensitivity_at_specificity": _both_classes,
    "specificity_at_sensitivity": _both_classes,
    "precision": _a_positive,
    "recall": _a_positive,
    "precision_at_recall": _a_positive,
    "recall_at_precision": _a_positive,
    "f1_score": _a_positive,
    "f_beta_score": _a_positive,
    "r2_score": _varies,
    "io_u": _a_target_class,
    "binary_io_u": _a_target_class,
    "one_hot_io_u": _a_target_class,
}
"""By metric of Keras: why labels [positions, columns] cannot measure it under its config; None where they can."""
